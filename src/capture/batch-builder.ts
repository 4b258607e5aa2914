import type { ChangeBatch, OpCode, Position, SnapshotMark, TableId, TableSchema, TransactionRun } from '../contract/change.ts'

const FIRST_CAPACITY = 1024
/** Arenas that came back and wait for the next batch. */
const MOST_SPARE = 2

/** The arrays of a batch, all of one length. */
class Columns {
  readonly capacity: number
  readonly table: Int32Array
  readonly op: Uint8Array
  readonly mark: Uint8Array
  readonly before: Int32Array
  readonly after: Int32Array
  readonly beforeKind: Uint8Array
  readonly placeHi: Uint32Array
  readonly placeLo: Uint32Array

  constructor(capacity: number) {
    this.capacity = capacity
    this.table = new Int32Array(capacity)
    this.op = new Uint8Array(capacity)
    this.mark = new Uint8Array(capacity)
    this.before = new Int32Array(capacity)
    this.after = new Int32Array(capacity)
    this.beforeKind = new Uint8Array(capacity)
    this.placeHi = new Uint32Array(capacity)
    this.placeLo = new Uint32Array(capacity)
  }

  /** The same rows with room for twice as many. */
  grown(): Columns {
    const next = new Columns(this.capacity * 2)
    for (const name of NAMES) next[name].set(this[name])
    return next
  }

  /** The first `count` rows: copies when `own`, else views. */
  cut(count: number, own: boolean): Pick<ChangeBatch, (typeof NAMES)[number]> {
    const part = <T extends Int32Array | Uint8Array | Uint32Array>(a: T): T => (own ? a.slice(0, count) : a.subarray(0, count)) as T
    return {
      table: part(this.table),
      op: part(this.op),
      mark: part(this.mark),
      before: part(this.before),
      after: part(this.after),
      beforeKind: part(this.beforeKind),
      placeHi: part(this.placeHi),
      placeLo: part(this.placeLo),
    }
  }
}

const NAMES = ['table', 'op', 'mark', 'before', 'after', 'beforeKind', 'placeHi', 'placeLo'] as const

/** What closes a batch. */
export interface BatchEnd {
  readonly upTo: Position
  readonly boundary: boolean
  readonly snapshotDone: readonly TableId[]
  readonly snapshotComplete: boolean
}

/**
 * Collects changes into the struct of arrays of a ChangeBatch. The arena is filled by its owner: received bytes are appended as they
 * are (`append`) and parsed in place, or tuples are written into it (`reserve`, then `filled`). `parsed` divides what belongs to the
 * batch from what came after it; `cut` moves the rest to the next arena.
 */
export class BatchBuilder {
  arena: Buffer
  /** End of the bytes in the arena. */
  filled = 0
  /** End of the bytes that belong to the changes collected so far. */
  parsed = 0
  count = 0
  tables: TableSchema[] = []
  runs: TransactionRun[] = []
  readonly #arenaBytes: number
  #columns = new Columns(FIRST_CAPACITY)
  /** Memory of batches that were released. */
  readonly #arenas: Buffer[] = []
  readonly #spare: Columns[] = []

  /** @param arenaBytes size of a fresh arena; it grows only for a single message larger than that */
  constructor(arenaBytes: number) {
    this.#arenaBytes = arenaBytes
    this.arena = Buffer.allocUnsafeSlow(arenaBytes)
  }

  /** Bytes the batch costs now: the unit of budgets. */
  get cost(): number {
    return this.parsed + this.count * 23 + this.runs.length * 120
  }

  get empty(): boolean {
    return this.count === 0 && this.runs.length === 0
  }

  /** True when `bytes` more fit without growing the arena. */
  fits(bytes: number): boolean {
    return this.filled + bytes <= this.arena.length
  }

  /** Forgets consumed bytes; only while no change refers to them. */
  compact(): void {
    this.arena.copyWithin(0, this.parsed, this.filled)
    this.filled -= this.parsed
    this.parsed = 0
  }

  /** Room for `bytes` more at `filled`; grows the arena when it must. Offsets stay, `arena` may be a new object. */
  reserve(bytes: number): void {
    if (this.fits(bytes)) return
    const grown = Buffer.allocUnsafeSlow(Math.max(this.arena.length * 2, this.filled + bytes))
    this.arena.copy(grown, 0, 0, this.filled)
    this.arena = grown
  }

  append(chunk: Uint8Array): void {
    this.reserve(chunk.length)
    this.arena.set(chunk, this.filled)
    this.filled += chunk.length
  }

  /** Index of a table in this batch, added when it is new. */
  tableIndex(schema: TableSchema): number {
    const i = this.tables.lastIndexOf(schema)
    return i >= 0 ? i : this.tables.push(schema) - 1
  }

  add(
    table: number,
    op: OpCode,
    mark: SnapshotMark,
    before: number,
    beforeKind: number,
    after: number,
    placeHi: number,
    placeLo: number,
  ): void {
    const i = this.count
    if (i === this.#columns.capacity) this.#columns = this.#columns.grown()
    const c = this.#columns
    c.table[i] = table
    c.op[i] = op
    c.mark[i] = mark
    c.before[i] = before
    c.beforeKind[i] = beforeKind
    c.after[i] = after
    c.placeHi[i] = placeHi
    c.placeLo[i] = placeLo
    this.count = i + 1
  }

  /** Marks the last change added. */
  markLast(mark: SnapshotMark): void {
    this.#columns.mark[this.count - 1] = mark
  }

  /** Ends the batch: what was collected leaves, bytes after `parsed` stay for the next one. */
  cut(end: BatchEnd): ChangeBatch {
    // Without changes nothing refers to the bytes.
    if (this.count === 0) this.compact()
    const { count, parsed } = this
    const bytes = this.cost
    const small = parsed * 4 < this.arena.length
    const whole = this.arena
    const arena = small ? Buffer.from(whole.subarray(0, parsed)) : whole.subarray(0, parsed)
    const columns = this.#columns
    const own = small || count * 4 < columns.capacity
    const batch: ChangeBatch = { ...end, ...columns.cut(count, own), arena, bytes, count, tables: this.tables, transactions: this.runs }
    // An arena that grew for one huge row is not kept.
    const usual = whole.length <= 2 * this.#arenaBytes
    if (small && usual) this.compact()
    else this.#freshArena()
    if (!own) this.#columns = this.#spare.pop() ?? new Columns(columns.capacity)
    this.count = 0
    this.tables = []
    this.runs = []
    if (small || !usual) return batch
    return { ...batch, release: this.#taker(whole, own ? null : columns) }
  }

  /** Takes the memory of one batch back, once. */
  #taker(arena: Buffer, columns: Columns | null): () => void {
    let taken = false
    return () => {
      if (taken) return
      taken = true
      if (this.#arenas.length < MOST_SPARE) this.#arenas.push(arena)
      if (columns !== null && this.#spare.length < MOST_SPARE) this.#spare.push(columns)
    }
  }

  #freshArena(): void {
    const rest = this.filled - this.parsed
    const spare = rest <= this.#arenaBytes ? this.#arenas.pop() : undefined
    const next = spare ?? Buffer.allocUnsafeSlow(Math.max(this.#arenaBytes, rest))
    this.arena.copy(next, 0, this.parsed, this.filled)
    this.arena = next
    this.filled = rest
    this.parsed = 0
  }
}
