import type { ByteSink, ChangeBatch, OpCode, TableId, TableSchema, TransactionRun } from '../contract/change.ts'
import type { ConnectSchema } from '../contract/connect-schema.ts'
import type { TopicBatch } from '../contract/log.ts'
import { assert } from '../failure/failure.ts'
import { GrowableSink, writeAll } from '../format/bytes/growable-sink.ts'
import { writeVarint, writeZigzagBigInt, writeZigzagNumber } from '../format/bytes/varint.ts'
import { closeBlob, openBlob, writeHeader, writeNullBlob } from '../format/record-batch/writer.ts'
import { contextHeaders, keyHeader } from './context-headers.ts'
import { MESSAGE_COLLECTION, messageBody, writeMessage, writePrefix } from './logical-message.ts'
import { type EnvelopeOptions, HEARTBEAT_TOPIC } from './options.ts'
import { type PreparedTable, TablePreparer, type TransactionSchemas } from './prepare.ts'
import { DEFAULTED } from './table-codec.ts'
import { TopicWriter } from './topic-writer.ts'
import { TransactionTracker, writeText } from './transaction-tracker.ts'

export interface EnvelopeEncoder {
  /** Registers the schemas of new table versions; needed before `encode` meets them. Cheap for known ones. */
  prepare(tables: readonly TableSchema[]): Promise<void>
  /** Needed before `encode` meets a batch with a heartbeat. */
  prepareHeartbeat(): Promise<void>
  /**
   * The records of a batch; one TopicBatch per table version, in order. The caller owns what it gets; with `lends`, until `recycle`.
   */
  encode(batch: ChangeBatch): TopicBatch[]
  /** What `encode` gave so far is not needed any more: its memory is used again. */
  recycle(): void
  topicOf(id: TableId): string
  /** Schema ids of a prepared table; keySchema 0: it has no key. */
  schemasOf(table: TableSchema): { readonly keySchema: number; readonly valueSchema: number }
  /** Connect schema of an id that this encoder registered. */
  connectSchema(id: number): ConnectSchema
  /** Counters of the open transaction for a restart inside it (only with transaction metadata); null between transactions. */
  state(): string | null
  restore(state: string | null): void
}

/** The same with transforms behind it, which may wait for a registry. */
export interface RecordEncoder extends Omit<EnvelopeEncoder, 'encode'> {
  encode(batch: ChangeBatch): TopicBatch[] | Promise<TopicBatch[]>
}

/** Debezium records from changes: key, envelope, tombstones, key changes, truncates, transaction metadata (spec debezium §1). */
export function createEnvelopeEncoder(options: EnvelopeOptions): EnvelopeEncoder {
  return new Encoder(options)
}

const POOL_BYTES = 16 << 20
/** Mark of rows that are read between changes of the stream. */
const INCREMENTAL = 6
/** Different tails of the rows of one batch; from then on they are written out. A snapshot has four marks. */
const MOST_TAILS = 8

const OP_C = 99
const OP_D = 100
const OP_M = 109
const OP_R = 114
const OP_T = 116
const OP_U = 117

class Encoder implements EnvelopeEncoder {
  readonly #options: EnvelopeOptions
  readonly #preparer: TablePreparer
  readonly #headers: Uint8Array | null
  readonly #skipped = new Uint8Array(128)
  readonly #tracker = new TransactionTracker()
  readonly #pool: GrowableSink[] = []
  #pooled = 0
  /** Sinks whose bytes were handed out. */
  #lent: GrowableSink[] = []
  readonly #oldKey = new GrowableSink(256)
  readonly #newKey = new GrowableSink(256)
  /** Rows that are compared for skip.messages.without.change. */
  readonly #oldRow = new GrowableSink(256)
  readonly #newRow = new GrowableSink(256)
  readonly #small = new GrowableSink(64)
  readonly #tailSink = new GrowableSink(512)
  /** Op and the three times that end an envelope, by op; made once per batch, because a batch has one processing time. */
  readonly #tails: Uint8Array[] = []
  #timestamp: Uint8Array = new Uint8Array(0)
  #writers: (TableWriter | undefined)[] = []
  #open: { readonly writer: TopicWriter; readonly sink: GrowableSink }[] = []
  #transactionTopic: TopicWriter | null = null
  #transactionSchemas: TransactionSchemas | null = null
  #heartbeatSchemas: TransactionSchemas | null = null
  #messageSchemas: TransactionSchemas | null = null
  #messageTopic: TopicWriter | null = null

  constructor(options: EnvelopeOptions) {
    this.#options = options
    this.#preparer = new TablePreparer(options)
    this.#headers = contextHeaders(options)
    for (const op of options.skipped) this.#skipped[op] = 1
  }

  async prepare(tables: readonly TableSchema[]): Promise<void> {
    if (this.#options.transactions) this.#transactionSchemas ??= await this.#preparer.transactionSchemas()
    if (this.#options.messages !== undefined) this.#messageSchemas ??= await this.#preparer.messageSchemas(this.#options.messages)
    for (const table of tables) await this.#preparer.prepare(table)
  }

  async prepareHeartbeat(): Promise<void> {
    const topic = `${this.#options.heartbeatTopic ?? HEARTBEAT_TOPIC}.${this.#options.prefix}`
    this.#heartbeatSchemas ??= await this.#preparer.heartbeatSchemas(topic)
  }

  topicOf(id: TableId): string {
    return this.#preparer.topicOf(id)
  }

  schemasOf(table: TableSchema): { readonly keySchema: number; readonly valueSchema: number } {
    const p = this.#preparer.of(table)
    return { keySchema: p.keyId, valueSchema: p.valueId }
  }

  connectSchema(id: number): ConnectSchema {
    return this.#preparer.connectSchema(id)
  }

  state(): string | null {
    return this.#tracker.state()
  }

  restore(state: string | null): void {
    this.#tracker.restore(state)
  }

  encode(batch: ChangeBatch): TopicBatch[] {
    this.#startBatch()
    for (const run of batch.transactions) {
      const tracked = this.#options.transactions && isTransaction(batch, run)
      if (tracked) this.#begin(batch, run)
      for (let i = run.from; i < run.to; i++) if (this.#skipped[batch.op[i]] === 0) this.#change(batch, i, run)
      if (tracked && run.ends) this.#end(batch, run)
    }
    if (batch.heartbeat === true) this.#heartbeat()
    this.#options.source.finish?.(batch)
    const out: TopicBatch[] = []
    for (const { writer, sink } of this.#open) {
      // One that is mostly empty would hold more memory than the records need.
      const lend = this.#options.lends === true && sink.pos * 2 > sink.buf.length
      const done = writer.finish(lend)
      if (done !== null) out.push(done)
      if (lend) this.#lent.push(sink)
      else this.#keep(sink)
    }
    return out
  }

  recycle(): void {
    for (const sink of this.#lent) this.#keep(sink)
    this.#lent = []
  }

  /** Sinks are used again, but many tables must not keep the largest size that each one ever had. */
  #keep(sink: GrowableSink): void {
    if (this.#pooled + sink.buf.length > POOL_BYTES) return
    this.#pooled += sink.buf.length
    this.#pool.push(sink)
  }

  #sink(): GrowableSink {
    const sink = this.#pool.pop()
    if (sink === undefined) return new GrowableSink()
    this.#pooled -= sink.buf.length
    sink.pos = 0
    return sink
  }

  #startBatch(): void {
    const now = this.#options.clock.now()
    const s = this.#small
    s.pos = 0
    writeZigzagNumber(s, now)
    this.#timestamp = s.copy()
    for (const op of [OP_C, OP_D, OP_R, OP_T, OP_U]) {
      s.pos = 0
      writeVarint(s, 2)
      writeVarint(s, op)
      for (const unit of [1n, 1000n, 1000000n]) {
        writeVarint(s, 2)
        writeZigzagBigInt(s, BigInt(now) * unit)
      }
      this.#tails[op] = s.copy()
    }
    this.#writers = []
    this.#open = []
    this.#transactionTopic = null
    this.#messageTopic = null
  }

  #change(batch: ChangeBatch, i: number, run: TransactionRun): void {
    const op = batch.op[i] as OpCode
    if (op === OP_M) {
      this.#message(batch, i, run)
      return
    }
    const w = this.#writer(batch, i, run, op)
    const before = batch.before[i]
    const after = batch.after[i]
    w.prepared.codec.sideCount = 0
    switch (op) {
      case OP_C:
      case OP_R:
        this.#record(w, batch, i, run, op, after, -1, -1, after, null)
        return
      case OP_U:
        if (this.#options.skipUnchanged && before >= 0 && this.#unchanged(w.prepared, batch, i)) return
        if (before >= 0 && w.prepared.keyed && this.#keyChanged(w.prepared, batch, i)) this.#keyChange(w, batch, i, run)
        else this.#record(w, batch, i, run, op, after, before, before, after, null)
        return
      case OP_D:
        assert(before >= 0, 'a delete has the old key or row')
        this.#record(w, batch, i, run, op, before, -1, before, -1, null)
        if (this.#options.tombstones) this.#tombstone(w, batch, i, run, before, null)
        return
      case OP_T:
        this.#record(w, batch, i, run, op, -1, -1, -1, -1, null)
        return
      default:
        assert(false, `the envelope knows operation ${String.fromCharCode(op)}`)
    }
  }

  /** Both keys are left in #oldKey and #newKey. */
  #keyChanged(p: PreparedTable, batch: ChangeBatch, i: number): boolean {
    const { arena } = batch
    const a = this.#oldKey
    const b = this.#newKey
    a.pos = 0
    b.pos = 0
    p.codec.writeKey(arena, batch.before[i], -1, false, a)
    p.codec.writeKey(arena, batch.after[i], batch.before[i], false, b)
    if (a.pos !== b.pos) return true
    for (let k = 0; k < a.pos; k++) if (a.buf[k] !== b.buf[k]) return true
    return false
  }

  /** Whether old and new row are the same record. */
  #unchanged(p: PreparedTable, batch: ChangeBatch, i: number): boolean {
    const a = this.#oldRow
    const b = this.#newRow
    a.pos = 0
    b.pos = 0
    const old = batch.before[i]
    // An old key is there because it has changed.
    if (batch.beforeKind[i] === 1) return false
    const { codec } = p
    codec.repeats = true
    codec.writeRow(batch.arena, old, -1, false, a)
    const missing = codec.side.slice(0, codec.sideCount)
    codec.writeRow(batch.arena, batch.after[i], batch.beforeKind[i] === 2 ? old : -1, false, b)
    codec.repeats = false
    // What is not in the log shows what a null or a zero may show too: it has changed where the other row has a value.
    const sameMissing = missing.length === codec.sideCount && missing.every((c, k) => codec.side[k] === c)
    codec.sideCount = 0
    return sameMissing && a.pos === b.pos && a.buf.compare(b.buf, 0, b.pos, 0, a.pos) === 0
  }

  /** An update of the key is a delete of the old one (with its tombstone) and a create of the new one (spec debezium §1.4). */
  #keyChange(w: TableWriter, batch: ChangeBatch, i: number, run: TransactionRun): void {
    const { arena } = batch
    const before = batch.before[i]
    const after = batch.after[i]
    const schema = w.prepared.keySchema!
    const format = this.#options.headerFormat
    const newKey = { name: '__debezium.newkey', value: keyHeader(format, schema, this.#newKey.copy()) }
    const oldKey = { name: '__debezium.oldkey', value: keyHeader(format, schema, this.#oldKey.copy()) }
    assert(arena.length > after, 'a change points into its arena')
    this.#record(w, batch, i, run, OP_D, before, -1, before, -1, newKey)
    if (this.#options.tombstones) this.#tombstone(w, batch, i, run, before, newKey)
    w.prepared.codec.sideCount = 0
    this.#record(w, batch, i, run, OP_C, after, before, -1, after, oldKey)
  }

  /** @param keyAt tuple of the key, −1: the record has none; `keyOld` fills in for key values missing there */
  #record(
    w: TableWriter,
    batch: ChangeBatch,
    i: number,
    run: TransactionRun,
    op: number,
    keyAt: number,
    keyOld: number,
    before: number,
    after: number,
    header: Header | null,
  ): void {
    const { writer, prepared } = w
    const { codec } = prepared
    const { out } = writer
    const { arena } = batch
    const snapshot = batch.mark[i] !== 0
    this.#head(w, arena, keyAt, keyOld, snapshot)
    const mark = openBlob(out, 2)
    writeAll(out, prepared.valueWire)
    out.reserve(1)
    out.buf[out.pos++] = before < 0 ? 0 : 2
    // the old row of an update, also of one that changes the key and is two records
    codec.repeats = after >= 0 || header !== null
    if (before >= 0) codec.writeRow(arena, before, -1, snapshot, out)
    codec.repeats = false
    out.reserve(1)
    out.buf[out.pos++] = after < 0 ? 0 : 2
    if (after >= 0) codec.writeRow(arena, after, batch.beforeKind[i] === 2 ? batch.before[i] : -1, snapshot, out)
    if (w.tail === null) this.#writeTail(prepared, batch, i, run, op, out)
    closeBlob(out, mark, 2)
    if (codec.sideCount === 0) writeNullBlob(out)
    else this.#side(w)
    writeRecordHeader(w, header)
    writer.add(run)
  }

  /** Source, transaction, op and times: what stands behind `after`. */
  #writeTail(prepared: PreparedTable, batch: ChangeBatch, i: number, run: TransactionRun, op: number, out: ByteSink): void {
    this.#options.source.write(batch, i, run, out)
    out.reserve(1)
    if (!this.#options.transactions || batch.mark[i] !== 0 || isStatement(batch, i, run)) out.buf[out.pos++] = 0
    else {
      out.buf[out.pos++] = 2
      this.#tracker.writeBlock(this.#options.source.transactionId(batch, i, run), prepared.collection, out)
    }
    writeAll(out, this.#tails[op])
  }

  #tombstone(w: TableWriter, batch: ChangeBatch, i: number, run: TransactionRun, keyAt: number, header: Header | null): void {
    this.#head(w, batch.arena, keyAt, -1, batch.mark[i] !== 0)
    const { out } = w.writer
    writeNullBlob(out)
    writeNullBlob(out)
    writeRecordHeader(w, header)
    w.writer.add(run)
  }

  /** Timestamp and key. */
  #head(w: TableWriter, arena: Buffer, keyAt: number, keyOld: number, snapshot: boolean): void {
    const { out } = w.writer
    writeAll(out, this.#timestamp)
    if (keyAt < 0 || !w.prepared.keyed) {
      writeNullBlob(out)
      return
    }
    const mark = openBlob(out, 1)
    writeAll(out, w.prepared.keyWire)
    w.prepared.codec.writeKey(arena, keyAt, keyOld, snapshot, out)
    closeBlob(out, mark, 1)
  }

  #side(w: TableWriter): void {
    const { out } = w.writer
    const { side, sideCount } = w.prepared.codec
    writeVarint(out, sideCount * 2 + 1)
    out.reserve(sideCount * 2)
    for (let k = 0; k < sideCount; k++) {
      const field = w.prepared.ordinals[side[k] & ~DEFAULTED]
      out.pos = out.buf.writeUInt16LE(field | (side[k] & DEFAULTED), out.pos)
    }
  }

  #begin(batch: ChangeBatch, run: TransactionRun): void {
    if (!this.#tracker.begin(run)) return
    const id = this.#options.source.boundaryId?.(batch, run, 'begin') ?? ''
    this.#transactionRecord(run, id, (out) => this.#tracker.writeBegin(id, run.commitUs, out))
  }

  #end(batch: ChangeBatch, run: TransactionRun): void {
    const id = this.#options.source.boundaryId?.(batch, run, 'end') ?? ''
    this.#transactionRecord(run, id, (out) => this.#tracker.writeEnd(id, run.commitUs, out))
  }

  #transactionRecord(run: TransactionRun, id: string, value: (out: GrowableSink) => void): void {
    const schemas = this.#transactionSchemas
    assert(schemas !== null, 'prepare() ran before encode()')
    if (this.#transactionTopic === null) {
      const sink = this.#sink()
      this.#transactionTopic = new TopicWriter(schemas.topic, schemas.keyId, schemas.valueId, null, sink)
      this.#open.push({ writer: this.#transactionTopic, sink })
    }
    const out = this.#transactionTopic.out as GrowableSink
    writeAll(out, this.#timestamp)
    let mark = openBlob(out, 1)
    writeAll(out, schemas.keyWire)
    writeText(out, id)
    closeBlob(out, mark, 1)
    mark = openBlob(out, 1)
    writeAll(out, schemas.valueWire)
    value(out)
    closeBlob(out, mark, 1)
    writeNullBlob(out)
    writeVarint(out, 0)
    this.#transactionTopic.add(run)
  }

  /** A logical message: a record of its own topic, without context headers. One outside of transactions has no block. */
  #message(batch: ChangeBatch, i: number, run: TransactionRun): void {
    const schemas = this.#messageSchemas
    const { messages, source } = this.#options
    assert(schemas !== null && messages !== undefined, 'prepare() ran before encode()')
    if (this.#messageTopic === null) {
      const sink = this.#sink()
      this.#messageTopic = new TopicWriter(schemas.topic, schemas.keyId, schemas.valueId, null, sink)
      this.#open.push({ writer: this.#messageTopic, sink })
    }
    const out = this.#messageTopic.out as GrowableSink
    const body = messageBody(batch, batch.after[i])
    writeAll(out, this.#timestamp)
    let mark = openBlob(out, 1)
    writeAll(out, schemas.keyWire)
    writePrefix(batch.arena, body, out)
    closeBlob(out, mark, 1)
    mark = openBlob(out, 2)
    writeAll(out, schemas.valueWire)
    writeText(out, 'm')
    writeVarint(out, 2)
    writeAll(out, this.#timestamp)
    source.write(batch, i, run, out)
    if (this.#options.transactions && run.xid !== null) {
      writeVarint(out, 2)
      this.#tracker.writeBlock(source.transactionId(batch, i, run), MESSAGE_COLLECTION, out)
    } else writeVarint(out, 0)
    writeMessage(batch.arena, body, messages, out)
    closeBlob(out, mark, 2)
    writeNullBlob(out)
    writeVarint(out, 0)
    this.#messageTopic.add(run)
  }

  /** Debezium's heartbeat: whose it is, and when. */
  #heartbeat(): void {
    const schemas = this.#heartbeatSchemas
    assert(schemas !== null, 'prepareHeartbeat() ran before encode()')
    const sink = this.#sink()
    const writer = new TopicWriter(schemas.topic, schemas.keyId, schemas.valueId, null, sink)
    writeAll(sink, this.#timestamp)
    let mark = openBlob(sink, 1)
    writeAll(sink, schemas.keyWire)
    writeText(sink, this.#options.prefix)
    closeBlob(sink, mark, 1)
    mark = openBlob(sink, 1)
    writeAll(sink, schemas.valueWire)
    writeAll(sink, this.#timestamp)
    closeBlob(sink, mark, 1)
    writeNullBlob(sink)
    writeVarint(sink, 0)
    writer.add(null)
    this.#open.push({ writer, sink })
  }

  /** The writer of the table of change i; of a snapshot row one whose values end as this one's does. */
  #writer(batch: ChangeBatch, i: number, run: TransactionRun, op: OpCode): TableWriter {
    const index = batch.table[i]
    const open = this.#writers[index]
    const mark = batch.mark[i]
    if (mark === 0 || mark === INCREMENTAL || this.#options.sharesTails !== true) {
      return open !== undefined && open.tail === null ? open : this.#openTable(batch, index, null)
    }
    if (open === undefined) return this.#openTable(batch, index, { at: i, run, op, changes: 0 })
    const t = open.tail
    // after rows with too many different tails, or between changes of the stream
    if (t === null) return open
    const same = t.run === run && t.op === op && batch.mark[t.at] === mark
    if (same && batch.placeHi[t.at] === batch.placeHi[i] && batch.placeLo[t.at] === batch.placeLo[i]) return open
    return this.#openTable(batch, index, t.changes < MOST_TAILS ? { at: i, run, op, changes: t.changes + 1 } : null)
  }

  #openTable(batch: ChangeBatch, index: number, tail: Tail | null): TableWriter {
    assert(index >= 0, 'a change names its table')
    const prepared = this.#preparer.of(batch.tables[index])
    const sink = this.#sink()
    let bytes: Uint8Array | null = null
    if (tail !== null) {
      this.#tailSink.pos = 0
      this.#writeTail(prepared, batch, tail.at, tail.run, tail.op, this.#tailSink)
      bytes = this.#tailSink.copy()
    }
    const writer = new TopicWriter(prepared.topic, prepared.keyId, prepared.valueId, this.#headers, sink, bytes)
    const w = { prepared, writer, tail }
    this.#writers[index] = w
    this.#open.push({ writer, sink })
    return w
  }
}

/** Snapshots come as runs too; an empty one of the stream is a transaction whose changes are all filtered. */
function isTransaction(batch: ChangeBatch, run: TransactionRun): boolean {
  if (run.from < run.to && isStatement(batch, run.from, run)) return false
  return run.from < run.to ? batch.mark[run.from] === 0 : run.xid !== null && batch.snapshotDone.length === 0
}

/** MySQL's TRUNCATE, and a message of Postgres that is not transactional, have no transaction around them. */
function isStatement(batch: ChangeBatch, i: number, run: TransactionRun): boolean {
  return run.xid === null && (batch.op[i] === OP_T || batch.op[i] === OP_M)
}

interface Header {
  readonly name: string
  readonly value: Uint8Array
}

interface TableWriter {
  readonly prepared: PreparedTable
  readonly writer: TopicWriter
  /** The change whose tail all values share; null: each value has its own. */
  readonly tail: Tail | null
}

interface Tail {
  readonly at: number
  readonly run: TransactionRun
  readonly op: OpCode
  /** Tails of this table that came before it in the batch. */
  readonly changes: number
}

function writeRecordHeader(w: TableWriter, header: Header | null): void {
  const { out } = w.writer
  if (header === null) writeNullBlob(out)
  else {
    writeVarint(out, 1)
    writeHeader(out, header.name, header.value)
  }
}
