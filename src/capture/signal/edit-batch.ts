import type { ChangeBatch, TableId, TableSchema, TransactionRun } from '../../contract/change.ts'
import type { Chunk } from './chunk.ts'

/** Rows to be put into a batch. */
export interface Insertion {
  readonly chunk: Chunk
  /** Tuples of the chunk. */
  readonly rows: readonly number[]
  /** They come in front of this run; the number of runs: at the end. */
  readonly atRun: number
  /** Change whose place in the log they have; −1: that of the chunk. */
  readonly like: number
  /** The run that they are: its positions and times. */
  readonly run: TransactionRun
}

const OP_READ = 114
const MARK_INCREMENTAL = 6

/** Batches of some sources have more columns, one entry per change. */
type Extra = { readonly eventOf?: Int32Array; readonly rowOf?: Int32Array }

/**
 * The batch with rows of an incremental snapshot in it (op r), and without the changes of the table `dropped`. Positions stay; so does what an
 * open transaction has counted of its changes.
 */
export function editBatch(batch: ChangeBatch, insertion: Insertion | null, dropped: TableId | null): ChangeBatch {
  const isOf = (a: TableId, b: TableId): boolean => a.schema === b.schema && a.table === b.table
  const isDropped = (t: TableId): boolean => dropped !== null && isOf(t, dropped)
  const tables: TableSchema[] = batch.tables.filter((t) => !isDropped(t.id))
  // A table that was left out has no index.
  const indexOf = batch.tables.map((t) => tables.indexOf(t))
  const writer = new Writer(batch, batch.count + (insertion?.rows.length ?? 0), insertion)
  const runs: TransactionRun[] = []
  for (const [n, run] of batch.transactions.entries()) {
    if (insertion?.atRun === n) {
      runs.push(writer.rows(insertion, tables))
      // Records of one index of a batch stay together: changes of the table behind the rows have one of their own, or they would come before them.
      for (const [t, schema] of batch.tables.entries()) {
        if (indexOf[t] >= 0 && isOf(insertion.chunk.schema.id, schema.id)) indexOf[t] = tables.push(schema) - 1
      }
    }
    const from = writer.count
    for (let i = run.from; i < run.to; i++) {
      const table = batch.table[i]
      if (table < 0) writer.change(i, table)
      else if (indexOf[table] >= 0) writer.change(i, indexOf[table])
    }
    runs.push({ ...run, from, to: writer.count })
  }
  if (insertion?.atRun === batch.transactions.length) runs.push(writer.rows(insertion, tables))
  return { ...writer.batch(), tables, transactions: runs, snapshotDone: batch.snapshotDone.filter((t) => !isDropped(t)) }
}

/** The arrays of the edited batch. */
class Writer {
  count = 0
  readonly #batch: ChangeBatch & Extra
  readonly #arena: Buffer
  readonly #shift: number
  readonly #table: Int32Array
  readonly #op: Uint8Array
  readonly #mark: Uint8Array
  readonly #before: Int32Array
  readonly #after: Int32Array
  readonly #beforeKind: Uint8Array
  readonly #placeHi: Uint32Array
  readonly #placeLo: Uint32Array
  readonly #eventOf: Int32Array
  readonly #rowOf: Int32Array

  constructor(batch: ChangeBatch, count: number, insertion: Insertion | null) {
    this.#batch = batch
    this.#shift = batch.arena.length
    this.#arena = insertion === null ? batch.arena : Buffer.concat([batch.arena, insertion.chunk.arena])
    this.#table = new Int32Array(count)
    this.#op = new Uint8Array(count)
    this.#mark = new Uint8Array(count)
    this.#before = new Int32Array(count)
    this.#after = new Int32Array(count)
    this.#beforeKind = new Uint8Array(count)
    this.#placeHi = new Uint32Array(count)
    this.#placeLo = new Uint32Array(count)
    this.#eventOf = new Int32Array(count)
    this.#rowOf = new Int32Array(count)
  }

  change(i: number, table: number): void {
    const b = this.#batch
    const n = this.count++
    this.#table[n] = table
    this.#op[n] = b.op[i]
    this.#mark[n] = b.mark[i]
    this.#before[n] = b.before[i]
    this.#after[n] = b.after[i]
    this.#beforeKind[n] = b.beforeKind[i]
    this.#placeHi[n] = b.placeHi[i]
    this.#placeLo[n] = b.placeLo[i]
    this.#eventOf[n] = b.eventOf?.[i] ?? -1
    this.#rowOf[n] = b.rowOf?.[i] ?? 0
  }

  rows(insertion: Insertion, tables: TableSchema[]): TransactionRun {
    const { chunk, like, run } = insertion
    const b = this.#batch
    const from = this.count
    if (!tables.includes(chunk.schema)) tables.push(chunk.schema)
    const table = tables.indexOf(chunk.schema)
    for (const at of insertion.rows) {
      const n = this.count++
      this.#table[n] = table
      this.#op[n] = OP_READ
      this.#mark[n] = MARK_INCREMENTAL
      this.#before[n] = -1
      this.#after[n] = this.#shift + at
      this.#placeHi[n] = chunk.place?.hi ?? (like < 0 ? 0 : b.placeHi[like])
      this.#placeLo[n] = chunk.place?.lo ?? (like < 0 ? 0 : b.placeLo[like])
      this.#eventOf[n] = like < 0 ? -1 : (b.eventOf?.[like] ?? -1)
    }
    return { ...run, from, to: this.count, firstIndex: 0, begins: true, ends: true }
  }

  batch(): ChangeBatch {
    const n = this.count
    const b = this.#batch
    const extra = b.eventOf === undefined ? {} : { eventOf: this.#eventOf.subarray(0, n), rowOf: this.#rowOf.subarray(0, n) }
    const added = this.#arena.length - b.arena.length
    return {
      ...b,
      ...extra,
      arena: this.#arena,
      bytes: b.bytes + added + Math.max(0, n - b.count) * 23,
      count: n,
      table: this.#table.subarray(0, n),
      op: this.#op.subarray(0, n),
      mark: this.#mark.subarray(0, n),
      before: this.#before.subarray(0, n),
      after: this.#after.subarray(0, n),
      beforeKind: this.#beforeKind.subarray(0, n),
      placeHi: this.#placeHi.subarray(0, n),
      placeLo: this.#placeLo.subarray(0, n),
    }
  }
}
