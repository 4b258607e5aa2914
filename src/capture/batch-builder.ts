import type { ChangeBatch, OpCode, Position, SnapshotMark, TableId, TableSchema, TransactionRun } from '../contract/change.ts'

const FIRST_CAPACITY = 1024

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
  #capacity = FIRST_CAPACITY
  #table = new Int32Array(FIRST_CAPACITY)
  #op = new Uint8Array(FIRST_CAPACITY)
  #mark = new Uint8Array(FIRST_CAPACITY)
  #before = new Int32Array(FIRST_CAPACITY)
  #after = new Int32Array(FIRST_CAPACITY)
  #beforeKind = new Uint8Array(FIRST_CAPACITY)
  #placeHi = new Uint32Array(FIRST_CAPACITY)
  #placeLo = new Uint32Array(FIRST_CAPACITY)

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
    if (i === this.#capacity) this.#grow()
    this.#table[i] = table
    this.#op[i] = op
    this.#mark[i] = mark
    this.#before[i] = before
    this.#beforeKind[i] = beforeKind
    this.#after[i] = after
    this.#placeHi[i] = placeHi
    this.#placeLo[i] = placeLo
    this.count = i + 1
  }

  /** Marks the last change added. */
  markLast(mark: SnapshotMark): void {
    this.#mark[this.count - 1] = mark
  }

  /** Ends the batch: what was collected leaves, bytes after `parsed` stay for the next one. */
  cut(end: BatchEnd): ChangeBatch {
    // Without changes nothing refers to the bytes.
    if (this.count === 0) this.compact()
    const { count, parsed } = this
    const bytes = this.cost
    const small = parsed * 4 < this.arena.length
    const arena = small ? Buffer.from(this.arena.subarray(0, parsed)) : this.arena.subarray(0, parsed)
    const own = small || count * 4 < this.#capacity
    const batch: ChangeBatch = {
      ...end,
      arena,
      bytes,
      count,
      tables: this.tables,
      table: own ? this.#table.slice(0, count) : this.#table.subarray(0, count),
      op: own ? this.#op.slice(0, count) : this.#op.subarray(0, count),
      mark: own ? this.#mark.slice(0, count) : this.#mark.subarray(0, count),
      before: own ? this.#before.slice(0, count) : this.#before.subarray(0, count),
      after: own ? this.#after.slice(0, count) : this.#after.subarray(0, count),
      beforeKind: own ? this.#beforeKind.slice(0, count) : this.#beforeKind.subarray(0, count),
      placeHi: own ? this.#placeHi.slice(0, count) : this.#placeHi.subarray(0, count),
      placeLo: own ? this.#placeLo.slice(0, count) : this.#placeLo.subarray(0, count),
      transactions: this.runs,
    }
    // An arena that grew for one huge row is not kept.
    if (small && this.arena.length <= 2 * this.#arenaBytes) this.compact()
    else this.#freshArena()
    if (!own) this.#allocate(this.#capacity)
    this.count = 0
    this.tables = []
    this.runs = []
    return batch
  }

  #freshArena(): void {
    const rest = this.filled - this.parsed
    const next = Buffer.allocUnsafeSlow(Math.max(this.#arenaBytes, rest))
    this.arena.copy(next, 0, this.parsed, this.filled)
    this.arena = next
    this.filled = rest
    this.parsed = 0
  }

  #allocate(capacity: number): void {
    this.#capacity = capacity
    this.#table = new Int32Array(capacity)
    this.#op = new Uint8Array(capacity)
    this.#mark = new Uint8Array(capacity)
    this.#before = new Int32Array(capacity)
    this.#after = new Int32Array(capacity)
    this.#beforeKind = new Uint8Array(capacity)
    this.#placeHi = new Uint32Array(capacity)
    this.#placeLo = new Uint32Array(capacity)
  }

  #grow(): void {
    const old = [this.#table, this.#op, this.#mark, this.#before, this.#after, this.#beforeKind, this.#placeHi, this.#placeLo]
    this.#allocate(this.#capacity * 2)
    const now = [this.#table, this.#op, this.#mark, this.#before, this.#after, this.#beforeKind, this.#placeHi, this.#placeLo]
    for (let i = 0; i < old.length; i++) now[i].set(old[i])
  }
}
