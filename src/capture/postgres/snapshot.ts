import type { ChangeBatch, SnapshotMark, TableId } from '../../contract/change.ts'
import type { Clock } from '../../contract/clock.ts'
import { Failure } from '../../failure/failure.ts'
import { BatchBuilder } from '../batch-builder.ts'
import { MARK_TRUE, markOfLastRow, markOfRow } from '../snapshot/marks.ts'
import { Rate } from '../snapshot/rate.ts'
import type { SnapshotEvent } from '../source-event.ts'
import { lsnHi, lsnLo, minLsn, printLsn } from './lsn.ts'
import { type CatchUp, printPosition, type SnapshotProgress } from './position.ts'
import { errorCode, errorText } from './server-failure.ts'
import { copySql, keyOf, readsByKey, type SnapshotTable } from './snapshot-table.ts'
import type { CopyOut, LineSink } from './wire/copy-out.ts'
import { copyLineToTuple } from './wire/copy-text.ts'

/** The point at which the tables are read: an imported snapshot that shows exactly what committed before `at`. */
export interface SnapshotPoint {
  readonly at: bigint
  /** Time of the snapshot by the server's clock, µs since epoch. */
  readonly clockUs: bigint
  readonly xid: bigint | null
  /** LSN that rows carry: not newer than any change that is streamed later, so that by LSN too a change is newer than the row. */
  readonly place: bigint
}

export interface SnapshotSettings {
  readonly batchBytes: number
  readonly chunkRows: number
}

/**
 * Reads the tables in order and turns them into batches (op r). Every batch ends with a position to go on from.
 *
 * After a crash the tables that are left are read at a newer point (`point.at`), with the slot still at the first one:
 *  - finished tables stay as they are, their changes since the first point are streamed afterwards;
 *  - a keyed table goes on behind its last key. Its rows are then from two points; all its changes since the first are streamed
 *    afterwards, and being upserts by key they end at the right state once the stream has passed the newest point;
 *  - a table without key is read again from the start: a truncate (op t) is handed on first, and changes that committed before the
 *    point are left out of the stream (CatchUp.from).
 * `snapshotComplete` comes with the last batch when all tables were read at one point, else with the first stream batch that ends at
 * or behind the newest point: the states in between are not consistent over tables.
 */
export class SnapshotRun {
  readonly #copy: CopyOut
  readonly #tables: readonly SnapshotTable[]
  readonly #point: SnapshotPoint
  readonly #settings: SnapshotSettings
  readonly #clock: Clock
  readonly #observe: (event: SnapshotEvent) => void
  readonly #builder: BatchBuilder
  readonly #lastWithRows: number
  readonly #done: Map<string, bigint>
  readonly #resumed: SnapshotProgress['current']
  readonly #until: bigint
  #seq: number
  #finished: TableId[] = []
  #begins = true
  #lastTuple = -1
  #lastMark: SnapshotMark = MARK_TRUE

  /** @param lastWithRows index of the last table that has rows, −1: none */
  constructor(
    copy: CopyOut,
    tables: readonly SnapshotTable[],
    lastWithRows: number,
    point: SnapshotPoint,
    from: SnapshotProgress | null,
    settings: SnapshotSettings,
    clock: Clock,
    observe: (event: SnapshotEvent) => void,
  ) {
    this.#copy = copy
    this.#tables = tables
    this.#lastWithRows = lastWithRows
    this.#point = point
    this.#settings = settings
    this.#clock = clock
    this.#observe = observe
    this.#builder = new BatchBuilder(settings.batchBytes + 64 * 1024)
    this.#done = new Map(from?.done ?? [])
    this.#resumed = from?.current ?? null
    this.#seq = from?.seq ?? 0
    this.#until = from !== null && from.until > point.at ? from.until : point.at
  }

  /** The batches, last one with the position at which the stream starts. */
  async *batches(): AsyncGenerator<ChangeBatch> {
    for (let i = 0; i < this.#tables.length; i++) {
      const t = this.#tables[i]
      if (!this.#done.has(t.name)) yield* this.#table(t, i)
    }
    // No table with rows was left: the end still has to be told.
    if (this.#lastWithRows < 0 || this.#finished.length > 0) yield this.#cut(null, true)
    this.#report(null, 0, null)
  }

  async *#table(t: SnapshotTable, index: number): AsyncGenerator<ChangeBatch> {
    const byKey = readsByKey(t)
    const resumed = this.#resumed !== null && this.#resumed.table === t.name ? this.#resumed : null
    const start = resumed !== null && byKey && resumed.key !== null ? resumed.start : this.#point.at
    let after = resumed !== null && byKey ? resumed.key : null
    const rate = new Rate(this.#clock)
    this.#begins = true
    this.#lastTuple = -1
    let inTable = resumed === null ? 0 : 1
    if (resumed !== null && after === null) this.#truncate(t)
    for (;;) {
      let inChunk = 0
      this.#copy.start(copySql(t, after, this.#settings.chunkRows))
      const width = t.shape.schema.columns.length
      const sink = (buf: Buffer, from: number, to: number): boolean => {
        if (this.#builder.cost >= this.#settings.batchBytes) return false
        this.#row(t, buf, from, to, width, markOfRow(inTable, index === 0 && this.#seq === 0 && inTable === 0))
        inTable++
        inChunk++
        return true
      }
      while ((await this.#read(t, sink)) === 'full') {
        rate.add(this.#builder.count)
        yield this.#cut(this.#current(t, start, byKey), false)
        this.#report(t, index, rate)
      }
      if (!byKey || inChunk < this.#settings.chunkRows) break
      after = keyOf(t.shape, this.#builder, this.#lastTuple)
    }
    rate.add(this.#builder.count)
    this.#done.set(t.name, start)
    this.#builder.tableIndex(t.shape.schema)
    this.#finished.push(t.shape.schema.id)
    yield* this.#endTable(index)
    this.#report(t, index, rate)
  }

  async #read(t: SnapshotTable, sink: LineSink): Promise<'full' | 'done'> {
    try {
      return await this.#copy.read(sink)
    } catch (e) {
      const code = errorCode(e)
      if (code !== '42P01' && code !== '42703') throw e
      throw new Failure('TRB-PG-024', { table: t.name, reason: errorText(e) }, e)
    }
  }

  *#endTable(index: number): Generator<ChangeBatch> {
    if (this.#builder.count === 0 && index !== this.#lastWithRows) return
    const last = index === this.#lastWithRows
    if (this.#lastTuple >= 0) this.#builder.markLast(markOfLastRow(this.#lastMark, last))
    if (last) {
      for (const empty of this.#tables.slice(index + 1)) this.#finish(empty)
    }
    yield this.#cut(null, last)
  }

  #finish(t: SnapshotTable): void {
    if (this.#done.has(t.name)) return
    this.#done.set(t.name, this.#point.at)
    // The batch that tells the end of a table knows the table, also when it has no rows.
    this.#builder.tableIndex(t.shape.schema)
    this.#finished.push(t.shape.schema.id)
  }

  #row(t: SnapshotTable, buf: Buffer, from: number, to: number, width: number, mark: SnapshotMark): void {
    const offset = copyLineToTuple(buf, from, to, width, this.#builder)
    if (offset < 0) {
      const found = `a COPY line that has not ${width} fields`
      throw new Failure('TRB-PG-020', { found, position: `the snapshot of ${t.name}`, address: 'the server' })
    }
    const { place } = this.#point
    this.#builder.add(this.#builder.tableIndex(t.shape.schema), 114, mark, -1, 0, offset, lsnHi(place), lsnLo(place))
    this.#lastTuple = offset
    this.#lastMark = mark
  }

  /** What was handed on of the table before does not count any more. */
  #truncate(t: SnapshotTable): void {
    const { place } = this.#point
    this.#builder.add(this.#builder.tableIndex(t.shape.schema), 116, MARK_TRUE, -1, 0, -1, lsnHi(place), lsnLo(place))
  }

  #current(t: SnapshotTable, start: bigint, byKey: boolean): SnapshotProgress['current'] {
    return { table: t.name, start, key: byKey ? keyOf(t.shape, this.#builder, this.#lastTuple) : null }
  }

  /** `current` null: at the end of a table; `last`: at the end of the snapshot. */
  #cut(current: SnapshotProgress['current'], last: boolean): ChangeBatch {
    const { count } = this.#builder
    this.#seq += count
    const { at, clockUs, xid } = this.#point
    // The end of a snapshot without rows is a state of the source too.
    if (count > 0 || last) {
      const commit = printLsn(at - 1n)
      this.#builder.runs.push({
        from: 0,
        to: count,
        firstIndex: 0,
        commit,
        commitUs: clockUs,
        xid,
        begins: this.#begins,
        ends: current === null,
      })
    }
    this.#begins = current === null
    const progress: SnapshotProgress = { seq: this.#seq, until: this.#until, done: this.#done, current }
    const next = last ? this.#streamStart() : null
    const batch = this.#builder.cut({
      upTo: next === null ? printPosition({ kind: 'snapshot', progress }) : next.upTo,
      boundary: current === null,
      snapshotDone: this.#finished,
      snapshotComplete: next?.complete ?? false,
    })
    this.#finished = []
    this.#lastTuple = -1
    return batch
  }

  #streamStart(): { upTo: string; complete: boolean } {
    const base = minLsn(this.#point.at, this.#done.values())
    const from = new Map([...this.#done].filter(([, start]) => start > base))
    const catchUp: CatchUp | null = this.#until > base ? { until: this.#until, from } : null
    // Commits before `base` are in the snapshot, one that starts exactly there is not.
    const upTo = printPosition({ kind: 'stream', lsn: base - 1n, tail: 1, done: -1, catchUp })
    return { upTo, complete: catchUp === null }
  }

  #report(t: SnapshotTable | null, index: number, rate: Rate | null): void {
    const estimate = t?.shape.schema.rowEstimate ?? -1
    this.#observe({
      kind: 'snapshot',
      table: t?.name ?? null,
      tablesDone: this.#done.size,
      tables: this.#tables.length,
      rows: rate?.rows ?? this.#seq,
      estimate,
      rowsPerSecond: rate?.perSecond ?? 0,
      etaSeconds: rate?.etaSeconds(estimate, 0) ?? 0,
      tableDone: t === null || this.#done.has(this.#tables[index].name),
    })
  }
}
