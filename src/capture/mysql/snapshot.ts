import type { ChangeBatch, SnapshotMark, TableId } from '../../contract/change.ts'
import type { Clock } from '../../contract/clock.ts'
import { Failure } from '../../failure/failure.ts'
import { BatchBuilder } from '../batch-builder.ts'
import { MARK_TRUE, markOfLastRow, markOfRow } from '../snapshot/marks.ts'
import { Rate } from '../snapshot/rate.ts'
import type { SnapshotEvent } from '../source-event.ts'
import { type CatchUp, fileNumber, hasReached, type Point, printPoint, printPosition, type SnapshotProgress, streamAt } from './position.ts'
import { keyOfTuple, readsByKey, rowToTuple, type SnapshotTable, selectSql } from './snapshot-table.ts'
import { type RowSink, SqlError, type TextRows } from './wire/text-rows.ts'

/** The point at which the tables are read. */
export interface SnapshotPoint {
  readonly at: Point
  /** Time of the snapshot by the server's clock, µs since epoch. */
  readonly clockUs: bigint
  readonly server: string | null
}

export interface SnapshotSettings {
  readonly batchBytes: number
  readonly chunkRows: number
}

/** Errors of the server that mean a table is not what it was: unknown, unknown column, changed definition. */
const CHANGED = [1146, 1054, 1412, 1051]

/**
 * Reads the tables in order and turns them into batches (op r). Every batch ends with a position to go on from.
 *
 * After a crash the tables that are left are read at a newer point, with the stream still to start at the first one:
 *  - finished tables stay as they are, their changes since the first point are streamed afterwards;
 *  - a keyed table goes on behind its last key; all its changes since the first point are streamed afterwards, and being upserts by key
 *    they end at the right state once the stream has passed the newest point;
 *  - a table without key is read again from the start: a truncate (op t) is handed on first, and what committed before the newer point is
 *    left out of the stream (CatchUp.from).
 * `snapshotComplete` comes with the last batch when all tables were read at one point, else with the first batch of the stream that ends
 * at or behind the newest point.
 */
export class SnapshotRun {
  readonly #rows: TextRows
  readonly #tables: readonly SnapshotTable[]
  readonly #point: SnapshotPoint
  readonly #settings: SnapshotSettings
  readonly #clock: Clock
  readonly #observe: (event: SnapshotEvent) => void
  readonly #builder: BatchBuilder
  readonly #lastWithRows: number
  readonly #done: Map<string, Point>
  readonly #resumed: SnapshotProgress['current']
  readonly #until: Point
  readonly #placeHi: number
  readonly #placeLo: number
  #seq: number
  #finished: TableId[] = []
  #begins = true
  #lastTuple = -1
  #lastMark: SnapshotMark = MARK_TRUE

  /** @param lastWithRows index of the last table that has rows, −1: none */
  constructor(
    rows: TextRows,
    tables: readonly SnapshotTable[],
    lastWithRows: number,
    point: SnapshotPoint,
    from: SnapshotProgress | null,
    settings: SnapshotSettings,
    clock: Clock,
    observe: (event: SnapshotEvent) => void,
  ) {
    this.#rows = rows
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
    this.#until = from !== null && hasReached(from.until, point.at) ? from.until : point.at
    const place = placeOf(earliest(point.at, [...this.#done.values(), ...(this.#resumed === null ? [] : [this.#resumed.start])]))
    this.#placeHi = Number(place >> 32n)
    this.#placeLo = Number(place & 0xffffffffn)
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
    const width = t.shape.schema.columns.length
    for (;;) {
      let inChunk = 0
      this.#rows.start(selectSql(t, after, this.#settings.chunkRows))
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
      // The batch that held the last row may have left; its key is kept with it.
      after = this.#lastTuple >= 0 ? keyOfTuple(t.shape, this.#builder, this.#lastTuple) : this.#lastKey
    }
    rate.add(this.#builder.count)
    this.#done.set(t.name, start)
    this.#builder.tableIndex(t.shape.schema)
    this.#finished.push(t.shape.schema.id)
    yield* this.#endTable(index)
    this.#report(t, index, rate)
  }

  #lastKey: string[] | null = null

  async #read(t: SnapshotTable, sink: RowSink): Promise<'full' | 'done'> {
    try {
      return await this.#rows.read(sink)
    } catch (e) {
      if (!(e instanceof SqlError) || !CHANGED.includes(e.errno)) throw e
      throw new Failure('TRB-MY-056', { table: t.name, reason: e.message }, e)
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
    const offset = rowToTuple(buf, from, to, width, this.#builder)
    if (offset < 0) throw new Failure('TRB-MY-056', { table: t.name, reason: `a row that has not ${width} values` })
    this.#builder.add(this.#builder.tableIndex(t.shape.schema), 114, mark, -1, 0, offset, this.#placeHi, this.#placeLo)
    this.#lastTuple = offset
    this.#lastMark = mark
  }

  /** What was handed on of the table before does not count any more. */
  #truncate(t: SnapshotTable): void {
    this.#builder.add(this.#builder.tableIndex(t.shape.schema), 116, MARK_TRUE, -1, 0, -1, this.#placeHi, this.#placeLo)
  }

  #current(t: SnapshotTable, start: Point, byKey: boolean): SnapshotProgress['current'] {
    if (byKey) this.#lastKey = keyOfTuple(t.shape, this.#builder, this.#lastTuple)
    return { table: t.name, start, key: byKey ? this.#lastKey : null }
  }

  /** `current` null: at the end of a table; `last`: at the end of the snapshot. */
  #cut(current: SnapshotProgress['current'], last: boolean): ChangeBatch {
    const { count } = this.#builder
    this.#seq += count
    const { at, clockUs } = this.#point
    // The end of a snapshot without rows is a state of the source too.
    if (count > 0 || last) {
      const begins = this.#begins
      this.#builder.runs.push({
        from: 0,
        to: count,
        firstIndex: 0,
        commit: printPoint(at),
        commitUs: clockUs,
        xid: null,
        begins,
        ends: current === null,
      })
    }
    this.#begins = current === null
    const { server } = this.#point
    const progress: SnapshotProgress = { seq: this.#seq, until: this.#until, done: this.#done, current, server }
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
    const base = earliest(this.#point.at, [...this.#done.values()])
    const from = new Map([...this.#done].filter(([, start]) => !hasReached(base, start)))
    const catchUp: CatchUp | null = hasReached(base, this.#until) ? null : { until: this.#until, from }
    return { upTo: printPosition(streamAt(base, this.#point.server, catchUp)), complete: catchUp === null }
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

/** The one that all others have reached. */
function earliest(point: Point, others: readonly Point[]): Point {
  return others.reduce((a, b) => (hasReached(a, b) ? b : a), point)
}

/** By place too a streamed change is newer than every row of the snapshot: number of the file << 36 | byte. */
function placeOf(point: Point): bigint {
  return (BigInt(fileNumber(point.file)) << 36n) + BigInt(point.pos)
}
