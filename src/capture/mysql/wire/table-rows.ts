import type { OpCode, TableSchema } from '../../../contract/change.ts'
import type { BatchBuilder } from '../../batch-builder.ts'
import { isBefore, type Point } from '../position.ts'
import type { EventColumns } from './event-columns.ts'
import { PackedReader, u16 } from './little-endian.ts'
import { rowLayout } from './row-layout.ts'
import { type Image, RowsReader, readImage } from './rows-reader.ts'
import { parseTableMap, type TableMap, tableIdOf } from './table-map.ts'
import type { Transaction } from './transaction.ts'

/** How a table of the stream is handed on. */
export interface Target {
  /** Null: not captured. */
  readonly schema: TableSchema | null
  /** Transactions before this are dropped for the table; null: none. */
  readonly start: Point | null
}

/** A table as the last TABLE_MAP with its number described it. */
interface Known {
  /** The event's body behind number and flags: the same bytes mean the same shape. */
  readonly body: Buffer
  readonly map: TableMap
  readonly layout: Int8Array | null
  readonly target: Target
  /** Index in the batch being built; valid while `batch` is the number of that batch. */
  index: number
  batch: number
  /** Transaction for which `dropped` was worked out. */
  transaction: number
  dropped: boolean
}

/** Where the rows of an event are, and what kind they are of. */
export interface RowsEvent {
  readonly op: OpCode
  /** Version 2 has extra data in front. */
  readonly extra: boolean
  /** Start of the event in its file, and its time. */
  readonly pos: number
  readonly seconds: number
  /** place of its changes. */
  readonly placeHi: number
  readonly placeLo: number
}

/** Why rows cannot be handed on, in words of the codes of the decoder. */
export type RowsProblem = 'malformed' | 'unknown table' | 'partial image'

/** Number of a table that stands for none: the event only ends its statement. */
const NO_TABLE = 0xffffff

/** The tables of the stream, and their rows on the way into the batch. */
export class TableRows {
  /** TABLE_MAP that waits for `resolve`. */
  pending: TableMap | null = null
  /** Whose TABLE_MAPs these are: set when a file begins. */
  mariadb = false
  #pendingBody: Buffer | null = null
  readonly #builder: BatchBuilder
  readonly #transaction: Transaction
  readonly #columns: EventColumns
  readonly #reader: RowsReader
  readonly #limit: number
  readonly #tables = new Map<number, Known>()
  #batch = 1
  /** Where the current event goes on, from its body's start; 0: not begun. */
  #at = 0
  #before: Image = null
  #after: Image = null
  #row = 0
  #opened = false

  constructor(builder: BatchBuilder, transaction: Transaction, columns: EventColumns, limit: number) {
    this.#builder = builder
    this.#transaction = transaction
    this.#columns = columns
    this.#reader = new RowsReader(builder)
    this.#limit = limit
  }

  /** Shapes may be others from here on. */
  forget(): void {
    this.#tables.clear()
  }

  /** A new batch begins: indexes of tables and events are no longer those. */
  split(): void {
    this.#batch++
    this.#opened = false
  }

  /** Takes a TABLE_MAP; false: it is new, `pending` says what has to be resolved; null: malformed. */
  describe(buf: Buffer, start: number, end: number): boolean | null {
    if (end - start < 12) return null
    const known = this.#tables.get(tableIdOf(buf, start))
    if (
      known !== undefined &&
      known.body.length === end - start - 8 &&
      buf.compare(known.body, 0, known.body.length, start + 8, end) === 0
    ) {
      return true
    }
    this.pending = parseTableMap(buf, start, end, this.mariadb)
    if (this.pending === null) return null
    this.#pendingBody = Buffer.from(buf.subarray(start + 8, end))
    return false
  }

  /** Answers a `describe` that gave false. False: rows of this table cannot be told apart, and it is captured. */
  resolve(target: Target): boolean {
    const map = this.pending!
    const layout = rowLayout(map)
    const known = { body: this.#pendingBody!, map, layout, target, index: -1, batch: 0, transaction: 0, dropped: false }
    this.#tables.set(map.tableId, known)
    this.pending = this.#pendingBody = null
    return layout !== null || target.schema === null
  }

  /** `schema.table` that a rows event is of, for messages. */
  nameOf(buf: Buffer, start: number): string {
    const map = this.#tables.get(tableIdOf(buf, start))?.map
    return map === undefined ? 'an unknown table' : `${map.schema}.${map.table}`
  }

  /** Whether a rows event is of a captured table. */
  captures(buf: Buffer, start: number): boolean {
    return (this.#tables.get(tableIdOf(buf, start))?.target.schema ?? null) !== null
  }

  /**
   * The body of a rows event; true: all of it is taken; false: the batch is full, the same body has to be given again after it was cut.
   *   body => tableId:u48 flags:u16 (length:u16 byte[length − 2])? columns:lenenc image[columns] image[columns]? row*
   * with the second image in updates, whose rows are pairs.
   */
  take(buf: Buffer, start: number, end: number, event: RowsEvent): boolean | RowsProblem {
    const known = this.#tables.get(tableIdOf(buf, start))
    if (known === undefined) return tableIdOf(buf, start) === NO_TABLE ? true : 'unknown table'
    if (this.#at === 0) {
      const problem = this.#head(buf, start, end, event, known)
      if (problem !== null) return problem
    }
    const schema = known.layout === null || this.#isDropped(known) ? null : known.target.schema
    if (known.layout === null) this.#transaction.next(false)
    else {
      const taken =
        schema === null
          ? this.#count(buf, start, end, event, known.layout)
          : this.#rows(buf, start, end, event, known.layout, this.#indexOf(known, schema))
      if (taken !== true) return taken
    }
    this.#at = 0
    return true
  }

  /** A table was emptied by a statement. */
  truncate(schema: TableSchema, event: RowsEvent): void {
    const t = this.#transaction
    if (!t.next(true)) return
    this.#columns.open(event.pos, t.eventIndex, event.seconds, t.query)
    this.#columns.put(this.#builder.count, 0)
    t.captured++
    this.#builder.add(this.#builder.tableIndex(schema), 116, 0, -1, 0, -1, event.placeHi, event.placeLo)
  }

  #head(buf: Buffer, start: number, end: number, event: RowsEvent, known: Known): RowsProblem | null {
    let p = start + 8
    if (event.extra) p += end - p >= 2 ? Math.max(2, u16(buf, p)) : 2
    const r = new PackedReader(buf, Math.min(p, end), end)
    const columns = r.number()
    const bytes = (columns + 7) >> 3
    const first = r.take(bytes)
    const second = event.op === 117 ? r.take(bytes) : first
    if (!r.ok || columns !== known.map.count) return 'malformed'
    this.#before = readImage(buf, first, columns)
    this.#after = readImage(buf, second, columns)
    if (known.target.schema !== null && (this.#before !== null || this.#after !== null)) return 'partial image'
    this.#at = r.pos - start
    this.#row = 0
    this.#opened = false
    this.#transaction.rowInEvent = 0
    return null
  }

  #isDropped(known: Known): boolean {
    const { schema, start } = known.target
    if (schema === null) return true
    if (start === null) return false
    const t = this.#transaction
    if (known.transaction !== t.number) {
      known.transaction = t.number
      known.dropped = t.head !== null && isBefore(t.head.info.gtid, t.head.info.file, t.head.start, start)
    }
    return known.dropped
  }

  #indexOf(known: Known, schema: TableSchema): number {
    if (known.batch !== this.#batch) {
      known.index = this.#builder.tableIndex(schema)
      known.batch = this.#batch
    }
    return known.index
  }

  /** Rows that are not handed on: they count all the same. */
  #count(buf: Buffer, start: number, end: number, event: RowsEvent, layout: Int8Array): true | RowsProblem {
    const reader = this.#reader
    let p = start + this.#at
    while (p < end) {
      reader.skip(buf, p, end, layout, this.#before)
      if (reader.pos >= 0 && event.op === 117) reader.skip(buf, reader.pos, end, layout, this.#after)
      if (reader.pos <= p) return 'malformed'
      p = reader.pos
      this.#transaction.next(false)
    }
    return true
  }

  #rows(buf: Buffer, start: number, end: number, event: RowsEvent, layout: Int8Array, table: number): boolean | RowsProblem {
    const { op, placeHi, placeLo } = event
    const b = this.#builder
    const t = this.#transaction
    const reader = this.#reader
    let p = start + this.#at
    while (p < end) {
      if (b.cost >= this.#limit) {
        this.#at = p - start
        return false
      }
      const begun = b.filled
      const first = reader.copy(buf, p, end, layout, this.#before)
      const second = op === 117 && reader.pos >= 0 ? reader.copy(buf, reader.pos, end, layout, this.#after) : first
      if (reader.pos <= p) return 'malformed'
      p = reader.pos
      const row = this.#row++
      if (!t.next(true)) {
        b.filled = b.parsed = begun
        continue
      }
      if (!this.#opened) {
        this.#columns.open(event.pos, t.eventIndex, event.seconds, t.query)
        this.#opened = true
      }
      this.#columns.put(b.count, row)
      t.captured++
      b.add(table, op, 0, op === 99 ? -1 : first, op === 99 ? 0 : 2, op === 100 ? -1 : second, placeHi, placeLo)
    }
    return true
  }
}
