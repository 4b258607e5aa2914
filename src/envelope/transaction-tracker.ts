import type { ByteSink, TransactionRun } from '../contract/change.ts'
import { writeAll } from '../format/bytes/growable-sink.ts'
import { javaHashOrder } from '../format/bytes/java-hash-order.ts'
import { writeVarint, writeZigzag32, writeZigzagBigInt, writeZigzagNumber } from '../format/bytes/varint.ts'

/** Counters of the open transaction (spec debezium §1.3). They go on over batches, and with `state` over restarts. */
export class TransactionTracker {
  #total = 0
  #counts = new Map<string, number>()
  #open: string | null = null

  /** True when the BEGIN record is due. A transaction that is resumed without its state goes on counting from the run's ordinal. */
  begin(run: TransactionRun): boolean {
    // The commit position of a part of a long transaction may not be known yet.
    if (this.#open === run.commit || (!run.begins && this.#open !== null)) return false
    this.#open = run.commit
    this.#total = run.begins ? 0 : run.firstIndex
    this.#counts = new Map()
    return run.begins
  }

  /** Writes the transaction block (without union branch) of the next event of `collection` (`schema.table`). */
  writeBlock(id: string, collection: string, out: ByteSink): void {
    const order = (this.#counts.get(collection) ?? 0) + 1
    this.#counts.set(collection, order)
    this.#total++
    writeText(out, id)
    writeZigzagNumber(out, this.#total)
    writeZigzagNumber(out, order)
  }

  /** Value of the BEGIN record. */
  writeBegin(id: string, commitUs: bigint, out: ByteSink): void {
    writeText(out, 'BEGIN')
    writeText(out, id)
    writeVarint(out, 0)
    writeVarint(out, 0)
    writeZigzagBigInt(out, commitUs / 1000n)
  }

  /** Value of the END record; collections in the order of Java's HashMap. Ends the transaction. */
  writeEnd(id: string, commitUs: bigint, out: ByteSink): void {
    writeText(out, 'END')
    writeText(out, id)
    writeVarint(out, 2)
    writeZigzagNumber(out, this.#total)
    writeVarint(out, 2)
    const counts = javaHashOrder([...this.#counts])
    if (counts.length > 0) writeZigzag32(out, counts.length)
    for (const [collection, count] of counts) {
      writeVarint(out, 2)
      writeText(out, collection)
      writeZigzagNumber(out, count)
    }
    writeVarint(out, 0)
    writeZigzagBigInt(out, commitUs / 1000n)
    this.#open = null
  }

  /** Printable state; `null` between transactions. */
  state(): string | null {
    return this.#open === null ? null : JSON.stringify({ open: this.#open, total: this.#total, counts: [...this.#counts] })
  }

  restore(text: string | null): void {
    const s = text === null ? null : (JSON.parse(text) as { open: string; total: number; counts: [string, number][] })
    this.#open = s?.open ?? null
    this.#total = s?.total ?? 0
    this.#counts = new Map(s?.counts)
  }
}

/** Avro string. */
export function writeText(out: ByteSink, text: string): void {
  const bytes = Buffer.from(text, 'utf8')
  writeVarint(out, bytes.length * 2)
  writeAll(out, bytes)
}
