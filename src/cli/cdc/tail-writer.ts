import type { ChangeBatch, TransactionRun } from '../../contract/change.ts'
import type { TopicBatch } from '../../contract/log.ts'
import type { RecordEncoder } from '../../envelope/encoder.ts'
import type { Output } from '../verb.ts'
import type { OffsetPrinter } from './source-kind.ts'
import { type Piece, pieces } from './tail-pieces.ts'
import type { TailPrinter } from './tail-print.ts'
import type { TailState } from './tail-state.ts'

export interface TailWriterOptions {
  readonly encoder: RecordEncoder
  readonly printer: TailPrinter
  readonly out: Output
  /** What the saved position belongs to. */
  readonly stateKey: string
  readonly offsets: (lastPlace: string | null, commitEnd: string | null) => OffsetPrinter
  /** Null: no transaction metadata. */
  readonly transactionTopic: string | null
  /** Where an earlier run stopped. */
  readonly state: TailState | null
}

/** Writes the records of batches in the order of the source, and knows where to go on after any of them. */
export class TailWriter {
  printed = 0
  /** Stop after this many records. */
  limit = Number.MAX_SAFE_INTEGER
  readonly #o: TailWriterOptions
  readonly #offsets: OffsetPrinter
  /** Records that an earlier run has printed. */
  #skip: number
  #state: TailState
  #lastPlace: string | null
  #commitEnd: string | null
  #lastOffset = '{}'
  /** Records of the current batch that are done. */
  #done = 0

  constructor(options: TailWriterOptions) {
    this.#o = options
    const none = { slot: options.stateKey, position: null, skip: 0, encoder: null, lastPlace: null, commitEnd: null }
    this.#state = options.state ?? none
    // Inside a snapshot there is nothing to go on from: it starts anew.
    this.#skip = this.#state.position === null ? 0 : this.#state.skip
    this.#state = { ...this.#state, skip: this.#skip }
    this.#lastPlace = this.#state.lastPlace
    this.#commitEnd = this.#state.commitEnd
    // After a restart Debezium shows the last processed LSN where a commit LSN stood (spec debezium B.15).
    this.#offsets = options.offsets(this.#lastPlace, this.#commitEnd ?? (this.#state.position === null ? null : this.#lastPlace))
    options.encoder.restore(this.#state.encoder)
  }

  /** Where the next run goes on. */
  state(): TailState {
    return this.#state
  }

  /** Prints a batch as far as `wanted` and the limit allow; true when it is done as a whole. */
  async write(batch: ChangeBatch, wanted: (run: TransactionRun) => boolean): Promise<boolean> {
    await this.#o.encoder.prepare(batch.tables)
    this.#done = 0
    for (const piece of pieces(batch)) {
      if (!wanted(piece.run) || !(await this.#piece(piece))) {
        this.#state = { ...this.#state, skip: this.#done + this.#skip, lastPlace: this.#lastPlace, commitEnd: this.#commitEnd }
        return false
      }
    }
    if (batch.heartbeat === true) await this.#heartbeat(batch)
    this.#state = {
      slot: this.#o.stateKey,
      position: batch.upTo,
      skip: this.#skip,
      encoder: this.#o.encoder.state(),
      lastPlace: this.#lastPlace,
      commitEnd: this.#commitEnd,
    }
    return this.printed < this.limit
  }

  /** It has the offset of the record before it, as in Debezium. */
  async #heartbeat(batch: ChangeBatch): Promise<void> {
    await this.#o.encoder.prepareHeartbeat()
    const { printer, out } = this.#o
    for (const b of await this.#o.encoder.encode({ ...batch, transactions: [] })) {
      printer.open(b)
      while (printer.next()) await out.write(printer.line(b, this.#lastOffset, 0))
    }
  }

  async #piece(piece: Piece): Promise<boolean> {
    const { batch, index, run } = piece
    const { encoder } = this.#o
    const counters = index < 0 ? encoder.state() : null
    const out = await encoder.encode(batch)
    const meta = out.find((b) => b.topic === this.#o.transactionTopic)
    const data = out.filter((b) => b !== meta)
    const begin = meta !== undefined && (index >= 0 || meta.count === 2)
    if (begin) {
      if (!(await this.#records(meta, this.#offsets.begin(batch, index, run), false))) return false
    }
    if (index >= 0) {
      const offset = this.#offsets.change(batch, index, run, encoder.state())
      this.#lastPlace = placeOf(batch, index)
      for (const b of data) if (!(await this.#records(b, offset, null))) return false
      return true
    }
    if (meta !== undefined && !(await this.#records(meta, this.#offsets.end(run, counters), true))) return false
    if (run.ends && batch.snapshotDone.length === 0 && run.xid !== null) {
      this.#offsets.left(run)
      this.#commitEnd = run.commitEnd ?? run.commit
    } else this.#offsets.snapshot(run.commit)
    return true
  }

  /** Prints the records of one topic; of the transaction topic only those that are an END or not. False when the limit is reached. */
  async #records(batch: TopicBatch, offset: string, end: boolean | null): Promise<boolean> {
    const { printer, out } = this.#o
    printer.open(batch)
    while (printer.next()) {
      if (end !== null && printer.isEnd() !== end) continue
      if (this.#skip > 0) {
        this.#skip--
        this.#done++
        continue
      }
      if (this.printed >= this.limit) return false
      await out.write(printer.line(batch, offset))
      this.#lastOffset = offset
      this.printed++
      this.#done++
    }
    return true
  }
}

/** Place of a change as a printable LSN. */
function placeOf(batch: ChangeBatch, i: number): string {
  return `${batch.placeHi[i].toString(16).toUpperCase()}/${batch.placeLo[i].toString(16).toUpperCase()}`
}
