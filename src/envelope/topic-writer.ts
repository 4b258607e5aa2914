import type { ByteSink, TransactionRun } from '../contract/change.ts'
import type { RecordRun, TopicBatch } from '../contract/log.ts'
import type { GrowableSink } from '../format/bytes/growable-sink.ts'

interface Run {
  count: number
  readonly commit: string
  readonly commitUs: bigint
}

/** Collects the records of one topic and one schema pair into a TopicBatch. */
export class TopicWriter {
  readonly topic: string
  readonly keySchema: number
  readonly valueSchema: number
  readonly out: ByteSink
  readonly #sink: GrowableSink
  readonly #headers: Uint8Array | null
  /** What every value of the batch ends with, beyond what is in `out`. */
  readonly #tail: Uint8Array | null
  #count = 0
  #runs: Run[] = []
  #run: Run | null = null
  #transaction: TransactionRun | null = null

  constructor(
    topic: string,
    keySchema: number,
    valueSchema: number,
    headers: Uint8Array | null,
    sink: GrowableSink,
    tail: Uint8Array | null = null,
  ) {
    this.topic = topic
    this.keySchema = keySchema
    this.valueSchema = valueSchema
    this.#headers = headers
    this.#sink = sink
    this.#tail = tail
    this.out = sink
  }

  /** Counts a record that was written to `out`; null: it belongs to no transaction, and is in no run. */
  add(transaction: TransactionRun | null): void {
    this.#count++
    if (transaction === null) return
    if (transaction !== this.#transaction) this.#start(transaction)
    this.#run!.count++
  }

  /** The batch, its bytes copied out of the sink (or `lend`: those in the sink); null when there was no record. */
  finish(lend = false): TopicBatch | null {
    if (this.#count === 0) return null
    return {
      topic: this.topic,
      partition: 0,
      count: this.#count,
      keySchema: this.keySchema,
      valueSchema: this.valueSchema,
      records: lend ? this.#sink.buf.subarray(0, this.#sink.pos) : this.#sink.copy(),
      headers: this.#headers,
      runs: this.#runs satisfies readonly RecordRun[],
      ...(this.#tail === null ? {} : { valueTail: this.#tail }),
    }
  }

  /** Runs of one transaction in neighbouring table versions or batches stay separate: their commit is the same. */
  #start(transaction: TransactionRun): void {
    this.#transaction = transaction
    this.#run = { count: 0, commit: transaction.commit, commitUs: transaction.commitUs }
    this.#runs.push(this.#run)
  }
}
