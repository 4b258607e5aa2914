import type { Clock } from '../../contract/clock.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { TableSpec, WriteCounts } from '../../contract/table.ts'
import { assert } from '../../failure/failure.ts'
import { bucketFileId, printBaseFileName, printLogFileName, writeToken } from '../layout/file-name.ts'
import { join as joinPath, type MarkerKind } from '../layout/paths.ts'
import { BAG_KEY_COLUMN, storedColumns } from '../layout/table-properties.ts'
import type { BaseGroup } from '../merge/join.ts'
import { baseFileStat, type WriteStat } from '../metadata/commit-metadata.ts'
import { BaseFileWriter, type CommitTarget } from './base-file.ts'
import { type CdcMode, ChangeLog } from './change-log.ts'
import type { LogBlocks } from './log-file.ts'

export interface WriteContext {
  readonly store: ObjectStore
  readonly spec: TableSpec
  readonly instant: string
  /** Where new base files go; the table's own store, or a scratch one. */
  readonly out: ObjectStore
  /** Called before a file (path relative to the table) is written. */
  readonly announce: (path: string, partition: string, kind: MarkerKind) => Promise<void>
  /** The table keeps change data; null or absent: it doesn't. */
  readonly cdc?: CdcMode | null
  /** Form of the data blocks of logs; default Parquet. */
  readonly logBlocks?: LogBlocks
  /** Size of a log file from which on the next block goes into the next version of it; default LOG_FILE_BYTES. */
  readonly logFileBytes?: number
  /**
   * The table is spread over no buckets: new keys of a partition go into its smallest base file, when that is smaller than this, else into a new
   * group. Absent: they go where their bucket is.
   */
  readonly smallFileBytes?: number
  /** No key comes twice, in any partition. */
  readonly uniqueKeys?: boolean
  readonly seed: number
  readonly clock: Clock
  readonly rowGroupBytes: number
  readonly memoryBudget: number
  readonly scratchDir: string
  /** Name of the scratch file, unique in the directory. */
  readonly scratchName: string
}

/** A new base file of a file group, being written. */
export interface OpenGroup {
  readonly writer: BaseFileWriter
  readonly fileId: string
  readonly partition: string
  readonly path: string
  readonly previous: string | null
  /** Name of the group's base file until now. */
  readonly previousFile: string | null
  readonly started: number
}

/** A file group that gets its next base file; `file`: name of the last one, null or absent: it has none. */
export interface NextOf {
  readonly fileId: string
  readonly instant: string
  readonly file?: string | null
}

/** Numbers the files of one commit: part of their write tokens and of their rows' sequence numbers. */
export class FileNumbers {
  #next = 0

  next(): number {
    return this.#next++
  }
}

/** Opens and closes the base files of one commit, and keeps their statistics. */
export class GroupFiles {
  readonly stats: WriteStat[] = []
  readonly #context: WriteContext
  readonly #paths: readonly string[]
  readonly #target: CommitTarget
  readonly #open = new Set<OpenGroup>()
  readonly #bytes = new Map<OpenGroup, number>()
  readonly #numbers: FileNumbers

  /** `paths`: partition paths by number. */
  constructor(context: WriteContext, paths: readonly string[], numbers = new FileNumbers()) {
    this.#context = context
    this.#numbers = numbers
    this.#paths = paths
    const { spec, out, instant, rowGroupBytes } = context
    const columns = storedColumns(spec)
    const rowIdColumn = columns.findIndex((c) => c.name === BAG_KEY_COLUMN)
    const keyColumn = spec.key.length === 1 && spec.namedKey !== true ? spec.key[0] : null
    this.#target = { store: out, table: spec.name, columns, rowIdColumn, keyColumn, instant, codec: 'snappy', rowGroupBytes }
  }

  /** The next base file of group `base`, or the first one of a new group. `truncated`: rows of the base don't count. */
  async open(base: BaseGroup | null, partition: number, bucket: number, truncated: boolean, expectedInserts: number): Promise<OpenGroup> {
    const group = base === null ? null : { fileId: base.info.fileId, instant: base.info.instant, file: base.info.name }
    const file = await this.#start(group, truncated ? null : base, partition, bucket, expectedInserts)
    if (truncated && base !== null) {
      file.writer.deleted = base.file.meta.rows
      await file.writer.changes?.emptied(base)
    }
    return file
  }

  /** A base file of new rows only: the first of a new group, or the next of `group`, which holds `rows` rows that all go. */
  async openNew(
    group: (NextOf & { readonly rows: number }) | null,
    partition: number,
    bucket: number,
    expectedInserts: number,
  ): Promise<OpenGroup> {
    const file = await this.#start(group, null, partition, bucket, expectedInserts)
    if (group !== null) file.writer.deleted = group.rows
    return file
  }

  async #start(
    group: NextOf | null,
    base: BaseGroup | null,
    partition: number,
    bucket: number,
    expectedInserts: number,
  ): Promise<OpenGroup> {
    const { spec, instant, clock, announce } = this.#context
    const started = clock.now()
    const ordinal = this.#numbers.next()
    const place = this.#paths[partition]
    const fileId = group?.fileId ?? bucketFileId(bucket, clock.uuid())
    const name = printBaseFileName({ fileId, token: writeToken(ordinal, 0, 0), instant })
    const path = joinPath(place, name)
    await announce(path, place, group === null ? 'CREATE' : 'MERGE')
    const at = { key: joinPath(spec.path, path), name, partition: place, ordinal }
    const writer = await BaseFileWriter.create(this.#target, base, at, expectedInserts)
    if (group !== null) writer.changes = this.#changeLog(fileId, place, ordinal)
    const file = { writer, fileId, partition: place, path, previous: group?.instant ?? null, previousFile: group?.file ?? null, started }
    this.#open.add(file)
    return file
  }

  /** The change log beside a base file of a group that there was before: readers work out the changes of new groups themselves. */
  #changeLog(fileId: string, partition: string, ordinal: number): ChangeLog | null {
    const { spec, out, instant, cdc, announce } = this.#context
    if (cdc === null || cdc === undefined) return null
    const name = printLogFileName({ fileId, baseInstant: instant, version: 1, token: writeToken(ordinal, 0, 0), cdc: true })
    const path = joinPath(partition, name)
    const target = { store: out, table: spec.name, columns: this.#target.columns, instant, mode: cdc }
    return new ChangeLog(target, { path, key: joinPath(spec.path, path), partition }, () => announce(path, partition, 'CREATE'))
  }

  async close(file: OpenGroup): Promise<void> {
    const { rows, bytes } = await file.writer.close()
    const changed = (await file.writer.changes?.close()) ?? null
    this.#open.delete(file)
    this.#bytes.set(file, bytes)
    const { fileId, path, partition, previous, previousFile, started, writer } = file
    const elapsedMs = this.#context.clock.now() - started
    const { inserted, updated, deleted } = writer
    const facts = baseFileStat({ fileId, path, partition, previous, rows, inserted, updated, deleted, bytes, elapsedMs })
    const base = previousFile === null ? facts : { ...facts, prevBaseFile: previousFile }
    const stat = changed === null ? base : { ...base, cdcStats: { [writer.changes!.path]: changed } }
    const earlier = this.stats.findIndex((s) => s.fileId === fileId && s.partitionPath === partition)
    if (earlier >= 0) this.stats[earlier] = inOneCommit(this.stats[earlier], stat)
    else this.stats.push(stat)
  }

  get counts(): WriteCounts {
    const counts = { inserted: 0, updated: 0, deleted: 0 }
    for (const s of this.stats) {
      counts.inserted += s.numInserts
      counts.updated += s.numUpdateWrites
      counts.deleted += s.numDeletes
    }
    return counts
  }

  /** Size of a file that has been closed. */
  bytesOf(file: OpenGroup): number {
    const bytes = this.#bytes.get(file)
    assert(bytes !== undefined, 'the file has been closed')
    return bytes
  }

  /** Gives up the files that are being written. */
  async abort(): Promise<void> {
    for (const file of this.#open) await file.writer.abort()
    this.#open.clear()
  }
}

/** Two files of one group in one commit, the second written upon the first, whose rows were all new: what the commit did to the group. */
function inOneCommit(first: WriteStat, second: WriteStat): WriteStat {
  return {
    ...second,
    prevCommit: first.prevCommit,
    prevBaseFile: first.prevBaseFile ?? null,
    numInserts: first.numInserts + second.numInserts - second.numDeletes,
    numUpdateWrites: 0,
    numDeletes: first.numDeletes,
  }
}
