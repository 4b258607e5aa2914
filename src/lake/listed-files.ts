import { parseBaseFileName, parseLogFileName } from './layout/file-name.ts'
import { parsePartitionMetadata } from './layout/partition-metadata.ts'
import { join, PARTITION_METADATA } from './layout/paths.ts'
import { dataFiles } from './service/stored-slices.ts'
import type { TimelineStore } from './timeline-store.ts'

/** A log file of the table; path relative to it. */
export interface ListedLog {
  readonly path: string
  readonly key: string
  readonly bytes: number
  readonly modifiedMs: number
}

interface Partition {
  /** Base files and logs. */
  files: number
  /** Instant that made the partition, by its metadata; null: it has none. */
  madeBy: string | null
}

/**
 * The files of a table as one listing showed them, found by instant, by slice and by partition, and kept up to date by whoever takes files away and adds
 * some: so a restore costs one listing and work in proportion to what it takes away, however many instants that are.
 */
export class ListedFiles {
  readonly #ts: TimelineStore
  /** Paths by the instant in their names. */
  readonly #byInstant = new Map<string, Set<string>>()
  readonly #logs = new Map<string, ListedLog>()
  /** Paths of logs by `partition/.fileId_baseInstant.log.` */
  readonly #bySlice = new Map<string, Set<string>>()
  readonly #partitions = new Map<string, Partition>()
  readonly #bodies = new Map<string, Buffer>()

  private constructor(ts: TimelineStore) {
    this.#ts = ts
  }

  static async of(ts: TimelineStore): Promise<ListedFiles> {
    const out = new ListedFiles(ts)
    for await (const f of dataFiles(ts)) {
      const path = join(f.partition, f.name)
      if (f.name !== PARTITION_METADATA) out.add(path, f.bytes, f.modifiedMs)
      else out.#partition(f.partition).madeBy = parsePartitionMetadata(await ts.store.get(f.key), f.key).commitTime
    }
    return out
  }

  /** Base files and logs with the instant in their names. */
  namedBy(instant: string): readonly string[] {
    return [...(this.#byInstant.get(instant) ?? [])]
  }

  hasLog(path: string): boolean {
    return this.#logs.has(path)
  }

  logs(): Iterable<ListedLog> {
    return this.#logs.values()
  }

  /** Logs of a slice, by the beginning of their paths. */
  logsOf(slice: string): readonly ListedLog[] {
    return [...(this.#bySlice.get(slice) ?? [])].map((path) => this.#logs.get(path)!)
  }

  /** Content of a small file that is not changed; read once. */
  async body(key: string): Promise<Buffer> {
    const known = this.#bodies.get(key) ?? (await this.#ts.store.get(key))
    this.#bodies.set(key, known)
    return known
  }

  /** Partitions that an instant made, in which nothing is left besides `going`. */
  emptyWithout(instant: string, going: ReadonlySet<string>): readonly string[] {
    const leaving = new Map<string, number>()
    for (const path of going) {
      const partition = partitionOf(path)
      leaving.set(partition, (leaving.get(partition) ?? 0) + 1)
    }
    return [...this.#partitions].flatMap(([path, p]) => (p.madeBy === instant && p.files - (leaving.get(path) ?? 0) === 0 ? [path] : []))
  }

  /** `body`: its content, where that is known. */
  add(path: string, bytes: number, modifiedMs: number, body?: Buffer): void {
    const name = path.slice(path.lastIndexOf('/') + 1)
    const base = parseBaseFileName(name)
    const log = base === null ? parseLogFileName(name) : null
    const instant = base?.instant ?? log?.baseInstant
    if (instant === undefined) return
    this.#partition(partitionOf(path)).files++
    addTo(this.#byInstant, instant, path)
    if (log === null) return
    if (body !== undefined) this.#bodies.set(join(this.#ts.table, path), body)
    this.#logs.set(path, { path, key: join(this.#ts.table, path), bytes, modifiedMs })
    addTo(this.#bySlice, sliceOf(path, log), path)
  }

  remove(path: string): void {
    const name = path.slice(path.lastIndexOf('/') + 1)
    const log = parseLogFileName(name)
    const instant = parseBaseFileName(name)?.instant ?? log?.baseInstant
    if (name === PARTITION_METADATA) this.#partition(partitionOf(path)).madeBy = null
    if (instant === undefined || this.#byInstant.get(instant)?.delete(path) !== true) return
    this.#partition(partitionOf(path)).files--
    this.#logs.delete(path)
    if (log !== null) this.#bySlice.get(sliceOf(path, log))?.delete(path)
  }

  #partition(path: string): Partition {
    const known = this.#partitions.get(path)
    if (known !== undefined) return known
    const made: Partition = { files: 0, madeBy: null }
    this.#partitions.set(path, made)
    return made
  }
}

function sliceOf(path: string, { fileId, baseInstant }: { readonly fileId: string; readonly baseInstant: string }): string {
  return join(partitionOf(path), `.${fileId}_${baseInstant}.log.`)
}

function addTo(map: Map<string, Set<string>>, key: string, path: string): void {
  const known = map.get(key)
  if (known === undefined) map.set(key, new Set([path]))
  else known.add(path)
}

function partitionOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '' : path.slice(0, slash)
}
