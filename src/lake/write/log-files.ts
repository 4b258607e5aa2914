import { printLogFileName, writeToken } from '../layout/file-name.ts'
import { join as joinPath } from '../layout/paths.ts'
import { BAG_KEY_COLUMN, storedColumns } from '../layout/table-properties.ts'
import { logFileStat, type WriteStat } from '../metadata/commit-metadata.ts'
import type { FileNumbers, WriteContext } from './group-files.ts'
import { LogFileWriter, type LogTarget, logTarget } from './log-file.ts'
import type { MorGroup } from './mor-plan.ts'

/** A log file of a file group, being written. */
export interface OpenLog {
  readonly writer: LogFileWriter
  readonly group: MorGroup
  readonly path: string
  readonly version: number
  readonly started: number
  /** Rows that are new to the source. */
  inserted: number
}

/** Opens and closes the log files of one commit, and keeps their statistics. */
export class LogFiles {
  readonly stats: WriteStat[] = []
  readonly #context: WriteContext
  readonly #target: LogTarget
  readonly #numbers: FileNumbers
  readonly #open = new Set<OpenLog>()

  constructor(context: WriteContext, numbers: FileNumbers) {
    this.#context = context
    this.#numbers = numbers
    const { spec, out, instant } = context
    const columns = storedColumns(spec)
    const rowIdColumn = columns.findIndex((c) => c.name === BAG_KEY_COLUMN)
    this.#target = logTarget({ store: out, table: spec.name, columns, rowIdColumn, instant, codec: 'snappy' })
  }

  /**
   * The log of a group in this commit. Version 6: the next of its slice, named after the slice's base instant; later: the first of this
   * instant. The instant's time of day in the token keeps two writers of one slice apart.
   */
  async open(group: MorGroup): Promise<OpenLog> {
    const { spec, instant, clock, announce } = this.#context
    const { slice } = group
    const started = clock.now()
    const ordinal = this.#numbers.next()
    const layout1 = spec.tableVersion === 6
    const version = layout1 ? slice.logs.reduce((n, l) => Math.max(n, l.version), 0) + 1 : 1
    const token = writeToken(ordinal, Number(instant.slice(8)), 0)
    const name = printLogFileName({ fileId: slice.fileId, baseInstant: layout1 ? slice.baseInstant : instant, version, token })
    const path = joinPath(slice.partition, name)
    await announce(path, slice.partition, layout1 ? 'APPEND' : 'CREATE')
    const key = joinPath(spec.path, path)
    const writer = await LogFileWriter.create(this.#target, { key, fileId: slice.fileId, partition: slice.partition, ordinal })
    const log = { writer, group, path, version, started, inserted: 0 }
    this.#open.add(log)
    return log
  }

  async close(log: OpenLog): Promise<void> {
    const bytes = await log.writer.close()
    this.#open.delete(log)
    const { spec, instant, clock } = this.#context
    const { fileId, partition, baseInstant, base, logs } = log.group.slice
    const name = log.path.slice(log.path.lastIndexOf('/') + 1)
    const layout1 = spec.tableVersion === 6
    const { records, deletes } = log.writer
    this.stats.push(
      logFileStat({
        fileId,
        path: log.path,
        partition,
        previous: layout1 ? baseInstant : instant,
        inserted: log.inserted,
        updated: records - log.inserted,
        deleted: deletes,
        bytes,
        version: log.version,
        baseFile: layout1 && base !== null ? base.key.slice(base.key.lastIndexOf('/') + 1) : '',
        logFiles: layout1 ? [...logs.map((l) => l.name), name] : [name],
        elapsedMs: clock.now() - log.started,
      }),
    )
  }

  /** Gives up the files that are being written. */
  async abort(): Promise<void> {
    for (const log of this.#open) await log.writer.abort()
    this.#open.clear()
  }
}
