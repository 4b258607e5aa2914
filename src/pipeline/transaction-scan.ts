import type { PartitionedLog } from '../contract/partitioned-log.ts'
import { type TransactionRecords, transactionKey, UNTOLD } from '../envelope/transaction-records.ts'

/** Records of one transaction that follow each other in a partition; tombstones count with what is before them. */
export interface Run {
  /** Null: of no transaction (a snapshot's); UNTOLD: of one that nobody knows. */
  readonly id: string | null
  /** Offset after its last record. */
  next: number
  /** Places among the events of the table in the transaction: the first, the highest, and how many of them. */
  readonly first: number
  top: number
  counted: number
}

/** One partition as its records tell of transactions: read ahead of what is brought in, run by run. */
export class ScannedPartition {
  readonly topic: string
  readonly partition: number
  /** Runs that were read and not taken yet. */
  readonly #runs: Run[] = []
  #head = 0
  /** Next offset to read. */
  scanned: number
  /** Up to here runs were taken. */
  taken: number
  /** Up to here everything belongs to transactions that are whole, or to none. */
  safe: number
  /** Up to here cuts were given out. */
  given: number
  /** A table is there already. */
  reached: number
  /** What was taken belongs to the transaction that is counted now. */
  inside = false
  /** The newest change that was taken does not say its transaction. */
  untold = false
  /** Polls for which the first transaction has been without END although another one follows. */
  waits = 0
  /** Poll since which nobody knows whether all of the transactions before are in; 0: known. */
  doubt = 0

  constructor(topic: string, partition: number, from: number, reached: number, given: number) {
    this.topic = topic
    this.partition = partition
    this.scanned = from
    this.taken = from
    this.safe = from
    this.reached = reached
    this.given = given
  }

  get head(): Run | null {
    return this.#runs[this.#head] ?? null
  }

  /** Whether a run behind the first is of one of these transactions; of `but` it may be a repeat. */
  someBehind(ids: { has(id: string): boolean }, but: string | null): boolean {
    for (let i = this.#head + 1; i < this.#runs.length; i++) {
      const { id } = this.#runs[i]!
      if (id !== null && id !== but && ids.has(id)) return true
    }
    return false
  }

  /** The first transaction is followed by another: it has ended. */
  get hasEnded(): boolean {
    const first = this.head?.id ?? null
    if (first === null) return false
    for (let i = this.#head + 1; i < this.#runs.length; i++) {
      const { id } = this.#runs[i]!
      if (id !== null && id !== first) return true
    }
    return false
  }

  /** Transactions from the first on, up to one of `known`, each of which is followed by another. */
  ended(known: { has(id: string): boolean }): readonly string[] {
    const out: string[] = []
    let last: string | null = null
    for (let i = this.#head; i < this.#runs.length; i++) {
      const { id } = this.#runs[i]!
      if (id === null || id === last) continue
      if (last !== null && last !== UNTOLD) out.push(last)
      if (known.has(id)) break
      last = id
    }
    return out
  }

  get ahead(): number {
    return this.#runs.length - this.#head
  }

  /** Nothing of what lies before `end` can be told apart. */
  skipTo(end: number): void {
    this.#runs.length = 0
    this.#head = 0
    this.scanned = this.taken = end
    if (!this.inside) this.safe = end
  }

  take(end: number): void {
    this.taken = this.#runs[this.#head]!.next
    this.#head++
    if (this.#head < this.#runs.length) return
    this.#runs.length = 0
    this.#head = 0
    // What is left of what was read are markers and gaps.
    if (this.scanned >= end) this.taken = this.scanned
  }

  /** Reads on, up to `end`, some records and runs further at most. Returns how many records. */
  async scan(log: PartitionedLog, records: TransactionRecords, end: number, limit: ScanLimit, signal: AbortSignal): Promise<number> {
    const from = this.scanned
    this.#runs.splice(0, this.#head)
    this.#head = 0
    let count = 0
    let last = this.#runs.at(-1) ?? null
    let full = false
    const seen = (offset: number, raw: string | null, order: number): void => {
      const id = raw === null || raw === UNTOLD ? raw : transactionKey(raw)
      count++
      if (last !== null && last.id === id) {
        if (order > last.top) {
          last.counted++
          last.top = order
        }
        last.next = offset + 1
        return
      }
      last = { id, next: offset + 1, first: order, top: order, counted: 1 }
      this.#runs.push(last)
    }
    for await (const batch of log.read(this.topic, this.partition, from, end, signal)) {
      await records.see(batch, seen)
      this.scanned = batch.baseOffset + batch.count
      // Tombstones behind the last event of the batch.
      if (last !== null) last.next = this.scanned
      full = this.#runs.length >= limit.runs || count >= limit.records
      if (full) break
    }
    if (!full) this.scanned = Math.max(from, end)
    if (this.#runs.length === 0) this.taken = this.scanned
    return count
  }
}

export interface ScanLimit {
  readonly runs: number
  readonly records: number
}

/** The ids seen last, so many. */
export class RecentIds {
  readonly #limit: number
  readonly #ids = new Set<string>()

  constructor(limit: number) {
    this.#limit = limit
  }

  has(id: string): boolean {
    return this.#ids.has(id)
  }

  add(id: string): void {
    this.#ids.add(id)
    if (this.#ids.size <= this.#limit) return
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest)
      return
    }
  }
}
