import type { BatchBuilder } from '../../batch-builder.ts'
import type { MysqlRun, MysqlTransaction } from '../batch.ts'
import type { Inside, StreamPosition } from '../position.ts'

/** The head of a transaction, as far as it is known when it begins. */
export interface TransactionHead {
  readonly info: MysqlTransaction
  /** Where it starts in its file: its GTID event. */
  readonly start: number
  readonly commitUs: bigint
}

/**
 * The transaction that is being decoded: counts its rows, knows which of them were handed on before a restart, and writes its runs.
 * Rows of tables that are not captured count too, so that a changed selection of tables cannot shift the numbers.
 */
export class Transaction {
  open = false
  /** Counts transactions: tells what was worked out for an earlier one. */
  number = 0
  head: TransactionHead | null = null
  xid: bigint | null = null
  /** Text of the current statement. */
  query: string | null = null
  /** Events since the transaction began, BEGIN and TABLE_MAP among them. */
  eventIndex = 0
  /** Rows of the current event that were seen. */
  rowInEvent = 0
  /** Rows seen, and changes handed on. */
  seen = 0
  captured = 0
  readonly #builder: BatchBuilder
  /** Where the stream goes on inside a transaction; null once that transaction was met. */
  #resume: StreamPosition | null
  /** Of the open transaction. */
  #done: Inside | null = null
  #runFrom = 0
  #runFirst = 0
  #runBegins = true

  constructor(builder: BatchBuilder, resume: StreamPosition) {
    this.#builder = builder
    this.#resume = resume.inside === null ? null : resume
  }

  begin(head: TransactionHead): void {
    this.open = true
    this.number++
    this.head = head
    this.xid = null
    this.query = null
    this.eventIndex = 0
    this.rowInEvent = 0
    this.seen = 0
    this.captured = 0
    this.#done = null
    this.#runFrom = this.#builder.count
    this.#runFirst = 0
    this.#runBegins = true
    const resume = this.#resume
    const inside = resume?.inside ?? null
    if (resume === null || inside === null) return
    const { gtid, file } = head.info
    const same =
      inside.gtid === null
        ? file === resume.file && (head.start === resume.pos || head.info.beginPos === inside.begin)
        : gtid === inside.gtid
    if (!same) return
    this.#resume = null
    this.#done = inside
  }

  /** A position inside of a transaction that has not come yet: in another order on another server. */
  get resumePending(): StreamPosition | null {
    return this.#resume
  }

  /** Counts the next row; false: it was handed on before. */
  next(captured: boolean): boolean {
    this.seen++
    this.rowInEvent++
    const done = this.#done
    if (done === null) return true
    const before =
      done.rows >= 0
        ? this.seen <= done.rows
        : this.eventIndex < done.event || (this.eventIndex === done.event && this.rowInEvent <= done.row)
    if (!before) {
      this.#done = null
      return true
    }
    // It still counts, so that the ordinals of what follows go on where they were.
    if (captured) {
      this.#runFirst = ++this.captured
      this.#runBegins = false
    }
    return false
  }

  /** How far it is done; null: not open, or nothing of it is. */
  inside(): Inside | null {
    if (!this.open || this.head === null) return null
    if (this.#done !== null) return this.#done
    if (this.seen === 0) return null
    const { gtid, beginPos } = this.head.info
    return { rows: this.seen, event: this.eventIndex, row: this.rowInEvent, gtid, begin: beginPos }
  }

  /** Ends the run of the open transaction and starts its next part; call right before the builder's `cut`. */
  split(): void {
    if (!this.open) return
    // Of a transaction without changes yet the batch says nothing: it begins in the next one.
    if (this.captured > 0) this.#push(false, '', null)
    this.#runFrom = 0
    this.#runFirst = this.captured
  }

  /** @param commit printed commit position @param empty also write a run without changes */
  end(commit: string, empty: boolean): void {
    if (this.head === null) return
    if (empty || this.captured > 0) this.#push(true, commit, this.xid)
    this.open = false
    this.head = null
  }

  /** Takes back what was collected since `mark` (a number of captured changes); false: some of it was handed on already. */
  takeBack(mark: number): boolean {
    const keep = this.#runFrom + mark - this.#runFirst
    if (mark < this.#runFirst) return false
    this.#builder.count = Math.min(this.#builder.count, keep)
    this.captured = mark
    return true
  }

  #push(ends: boolean, commit: string, xid: bigint | null): void {
    const { info, commitUs } = this.head!
    const run: MysqlRun = {
      from: this.#runFrom,
      to: this.#builder.count,
      firstIndex: this.#runFirst,
      // Where it will end is not known yet.
      commit: `${ends ? commit : `${info.file}:${info.beginPos}+`}${info.epoch === 0 ? '' : `~${info.epoch}`}`,
      commitUs,
      xid,
      begins: this.#runBegins,
      ends,
      info,
    }
    this.#builder.runs.push(run)
    this.#runBegins = false
  }
}
