import { printLogFileName, writeToken } from '../layout/file-name.ts'
import { join as joinPath } from '../layout/paths.ts'
import { BAG_KEY_COLUMN, storedColumns } from '../layout/table-properties.ts'
import { logFileStat, type WriteStat } from '../metadata/commit-metadata.ts'
import type { FileNumbers, WriteContext } from './group-files.ts'
import { LogFileWriter, type LogTarget, logTarget } from './log-file.ts'
import type { MorGroup } from './mor-plan.ts'

/** Size from which on a log file gets no further block, but the next version of it does (Hudi's hoodie.logfile.max.size). */
export const LOG_FILE_BYTES = 1 << 30

/** A log file of a file group, being written. */
export interface OpenLog {
  readonly writer: LogFileWriter
  readonly group: MorGroup
  readonly path: string
  readonly version: number
  /** What the write stat says of the slice. */
  readonly previous: string
  readonly baseFile: string
  readonly logFiles: readonly string[]
  readonly started: number
  /** What its name begins with, the version left out. */
  readonly slice: { readonly fileId: string; readonly baseInstant: string; readonly layout1: boolean }
  /** Rows that are new to the source. */
  inserted: number
}

/** Opens and closes the log files of one commit, and keeps their statistics. */
export class LogFiles {
  readonly stats: WriteStat[] = []
  readonly #context: WriteContext
  readonly #target: LogTarget
  readonly #numbers: FileNumbers
  readonly #compacting: ReadonlyMap<string, string>
  readonly #open = new Set<OpenLog>()

  /** `compacting`: groups (`partition/fileId`) that a pending compaction is going to write → its time. */
  constructor(context: WriteContext, numbers: FileNumbers, compacting: ReadonlyMap<string, string>) {
    this.#context = context
    this.#compacting = compacting
    this.#numbers = numbers
    const { spec, out, instant, logBlocks } = context
    const columns = storedColumns(spec)
    const rowIdColumn = columns.findIndex((c) => c.name === BAG_KEY_COLUMN)
    this.#target = logTarget({
      store: out,
      table: spec.name,
      columns,
      rowIdColumn,
      keyColumn: spec.key.length === 1 && spec.namedKey !== true ? spec.key[0] : null,
      instant,
      codec: 'snappy',
      blocks: logBlocks ?? 'parquet',
    })
  }

  /**
   * The log of a group in this commit. Version 6: the next of its slice, named after the slice's base instant; later: the first of this
   * instant. The instant's time of day in the token keeps two writers of one slice apart.
   */
  async open(group: MorGroup): Promise<OpenLog> {
    const { spec, instant } = this.#context
    const { slice } = group
    const layout1 = spec.tableVersion === 6
    const pending = layout1 ? this.#compacting.get(`${slice.partition}/${slice.fileId}`) : undefined
    const before = pending === undefined ? slice.logs : slice.logs.filter((l) => l.instant === pending)
    const version = layout1 ? before.reduce((n, l) => Math.max(n, l.version), 0) + 1 : 1
    const previous = pending ?? slice.baseInstant
    const base = pending === undefined ? slice.base : null
    const baseFile = base === null ? '' : base.key.slice(base.key.lastIndexOf('/') + 1)
    const named = { fileId: slice.fileId, baseInstant: layout1 ? previous : instant, layout1 }
    const facts = { group, version, previous, baseFile, slice: named, inserted: 0 }
    return this.#start(
      facts,
      before.map((l) => l.name),
    )
  }

  /** The log that the next block of the group goes into: this one, or when it has reached its size the next version, as Hudi has it. */
  async next(log: OpenLog): Promise<OpenLog> {
    if (log.writer.bytes < (this.#context.logFileBytes ?? LOG_FILE_BYTES)) return log
    const { group, version, previous, baseFile, slice, logFiles } = log
    // Rows that are new count where rows are.
    const inserted = Math.max(0, log.inserted - log.writer.records)
    log.inserted -= inserted
    await this.close(log)
    return this.#start({ group, version: version + 1, previous, baseFile, slice, inserted }, logFiles)
  }

  async #start(facts: Omit<OpenLog, 'writer' | 'path' | 'logFiles' | 'started'>, before: readonly string[]): Promise<OpenLog> {
    const { spec, instant, clock, announce } = this.#context
    const { fileId, baseInstant, layout1 } = facts.slice
    const { partition } = facts.group.slice
    const started = clock.now()
    const ordinal = this.#numbers.next()
    const token = writeToken(ordinal, Number(instant.slice(8)), 0)
    const name = printLogFileName({ fileId, baseInstant, version: facts.version, token })
    const path = joinPath(partition, name)
    await announce(path, partition, layout1 ? 'APPEND' : 'CREATE')
    const writer = await LogFileWriter.create(this.#target, { key: joinPath(spec.path, path), fileId, partition, ordinal })
    const log = { ...facts, writer, path, logFiles: [...before, name], started }
    this.#open.add(log)
    return log
  }

  async close(log: OpenLog): Promise<void> {
    const bytes = await log.writer.close()
    this.#open.delete(log)
    const { fileId, partition } = log.group.slice
    const { records, deletes } = log.writer
    const { path, version, previous, baseFile, logFiles, inserted } = log
    const elapsedMs = this.#context.clock.now() - log.started
    const counts = { inserted, updated: records - inserted, deleted: deletes }
    this.stats.push(logFileStat({ fileId, path, partition, previous, ...counts, bytes, version, baseFile, logFiles, elapsedMs }))
  }

  /** Gives up the files that are being written. */
  async abort(): Promise<void> {
    for (const log of this.#open) await log.writer.abort()
    this.#open.clear()
  }
}
