import type { LakeColumn, RowChanges, Vector } from '../contract/columns.ts'
import type { RecordRun, StoredBatch } from '../contract/log.ts'
import { assert, Failure } from '../failure/failure.ts'
import { type AvroNode, nonNull, parseAvroSchema } from '../format/avro/avro-node.ts'
import { compileSkip, type Skipper } from '../format/avro/skip.ts'
import { ByteCursor } from '../format/bytes/cursor.ts'
import { BytesBuilder, type ColumnBuilder, columnBuilder, FixedBuilder } from '../format/columns/builders.ts'
import { RecordReader } from '../format/record-batch/reader.ts'
import { type ColumnDecoder, compileColumn, type DecodeCounters } from './column-decoder.ts'
import { changeColumns, lakeColumns, rowFields } from './lake-columns.ts'
import { poison } from './poison.ts'
import { SideMarks } from './side-marks.ts'
import { compileSource, type SourceFields } from './source-fields.ts'

export interface RowDecoderOptions {
  /** Avro text of the key, null: the table has no key (then RowChanges.before is filled). */
  readonly keySchema: string | null
  /** Avro text of the envelope. */
  readonly valueSchema: string
  /** Chunks end when they reach this size; default 8 MB. */
  readonly maxBytes?: number
  /** Raised by the decoder; default: its own. */
  readonly counters?: DecodeCounters
  /** For records of a Kafka topic, which others may have written; absent: of our own log. */
  readonly topic?: TopicRules
}

export interface TopicRules {
  /** What stands for a value that was not in the source's log, in text and bytes columns (unavailable.value.placeholder). */
  readonly placeholder: Buffer
  /** A tombstone takes its key away: all that compaction leaves of a delete. */
  readonly tombstones: boolean
  /** Key columns of the table when these records have no key (truncates only, then); null: as the key schema says. */
  readonly keyNames: readonly string[] | null
  /** Of the topic: a truncate has its place among the other records only where there is one. */
  readonly partitions: number
}

/** As RowDecoder, of batches of one pair of schemas one after the other, with chunks that go on from one to the next. */
export interface BatchDecoder {
  readonly columns: readonly LakeColumn[]
  readonly key: readonly string[]
  /** Keeps an unfinished chunk. */
  feed(batch: StoredBatch, from?: number): Generator<RowChanges, boolean, void>
  flush(): Generator<RowChanges, void, void>
}

export function createBatchDecoder(options: RowDecoderOptions): BatchDecoder {
  return new Decoder(options)
}

export interface RowDecoder {
  /** Row columns in source order, then the change columns. */
  readonly columns: readonly LakeColumn[]
  /** Names of the key columns in key order. */
  readonly key: readonly string[]
  /** Infinite dates and timestamps that became null so far. */
  readonly counters: Readonly<DecodeCounters>
  /**
   * The changes of one batch in order, in chunks of at most about maxBytes; tombstones are left out.
   * @param from first offset wanted  @param stop ends before the first run for which it is true
   */
  decode(batch: StoredBatch, from?: number, stop?: (run: RecordRun) => boolean): Generator<RowChanges, void, void>
}

/** A decoder for one pair of schemas: Avro bytes straight into columns, compiled once. Also reads Debezium's own records. */
export function createRowDecoder(options: RowDecoderOptions): RowDecoder {
  return new Decoder(options)
}

export interface DecodeRowsOptions {
  /** Avro text of a schema id. */
  readonly schema: (id: number) => string
  readonly from?: number
  readonly stop?: (run: RecordRun) => boolean
  readonly maxBytes?: number
  /** Raised for values that become null. */
  readonly counters?: DecodeCounters
}

/** Rows of several batches of one topic; neighbouring batches of the same schemas share chunks, chunks never mix schemas. */
export function* decodeRows(batches: Iterable<StoredBatch>, options: DecodeRowsOptions): Generator<RowChanges, void, void> {
  const decoders = new Map<string, Decoder>()
  let current: Decoder | null = null
  for (const batch of batches) {
    const id = `${batch.keySchema} ${batch.valueSchema}`
    let decoder = decoders.get(id)
    if (decoder === undefined) {
      const keySchema = batch.keySchema === 0 ? null : options.schema(batch.keySchema)
      const valueSchema = options.schema(batch.valueSchema)
      decoder = new Decoder({ keySchema, valueSchema, maxBytes: options.maxBytes, counters: options.counters })
      decoders.set(id, decoder)
    }
    if (current !== null && current !== decoder) yield* current.flush()
    current = decoder
    if (!(yield* decoder.feed(batch, options.from, options.stop))) break
  }
  if (current !== null) yield* current.flush()
}

const MAX_BYTES = 8 << 20
const OP_T = 116
const OP_D = 100

class Decoder implements RowDecoder {
  readonly columns: readonly LakeColumn[]
  readonly key: readonly string[]
  readonly counters: DecodeCounters
  readonly #changeColumns: readonly LakeColumn[]
  readonly #maxBytes: number
  readonly #keyless: boolean
  readonly #reader = new RecordReader()
  readonly #cursor = new ByteCursor()
  readonly #builders: readonly ColumnBuilder[]
  #row: readonly ColumnDecoder[]
  readonly #beforeBuilders: readonly ColumnBuilder[]
  readonly #beforeRow: readonly ColumnDecoder[]
  readonly #skipRow: Skipper
  readonly #source: (c: ByteCursor, into: SourceFields) => void
  readonly #fields: SourceFields = { tsHi: 0, tsLo: 0, txHi: 0, txLo: 0, hasTx: false, placeHi: 0, placeLo: 0, hasPlace: false }
  readonly #skipTransaction: Skipper
  readonly #op = new BytesBuilder()
  readonly #tsMs = new FixedBuilder(8)
  readonly #txId = new FixedBuilder(8)
  readonly #place = new FixedBuilder(8)
  readonly #marks: SideMarks
  readonly #topic: TopicRules | null
  readonly #byKey: (c: ByteCursor) => void
  #ops = new Uint8Array(1024)
  /** Top byte of the places of the current run. */
  #epoch = 0
  #count = 0
  #used = 0
  /** Ordinal in its batch of the last record that was a delete, and where its key is. */
  #deleted = -2
  #deletedStart = 0
  #deletedEnd = 0

  constructor(options: RowDecoderOptions) {
    const envelope = parseAvroSchema(options.valueSchema)
    const key = options.keySchema === null ? null : parseAvroSchema(options.keySchema)
    this.counters = options.counters ?? { infinite: 0 }
    this.columns = lakeColumns(options.valueSchema)
    this.#changeColumns = changeColumns(envelope)
    this.key = options.topic?.keyNames ?? (key?.kind === 'record' ? key.fields.map((f) => f.name) : [])
    this.#keyless = this.key.length === 0
    this.#maxBytes = options.maxBytes ?? MAX_BYTES
    const fields = rowFields(envelope)
    const builders = (): ColumnBuilder[] => fields.map((_, i) => columnBuilder(this.columns[i].type))
    this.#builders = builders()
    this.#row = fields.map((f, i) => compileColumn(f.node, this.#builders[i], this.counters))
    this.#beforeBuilders = this.#keyless ? builders() : []
    const uncounted: DecodeCounters = { infinite: 0 }
    this.#beforeRow = this.#beforeBuilders.map((b, i) => compileColumn(fields[i].node, b, uncounted))
    this.#skipRow = compileSkip({ kind: 'record', fields, name: null, logicalType: null, parameters: {} })
    this.#marks = new SideMarks(fields.length)
    this.#source = compileSource(envelopeField(envelope, 2, 'source'))
    this.#skipTransaction = compileSkip(envelopeField(envelope, 3, 'transaction'))
    for (const [i, name] of ['before', 'after'].entries()) nonNull(envelopeField(envelope, i, name))
    envelopeField(envelope, 4, 'op')
    this.#topic = options.topic ?? null
    if (this.#topic !== null) this.#row = this.#row.map((decode, i) => this.#marking(decode, i))
    this.#byKey = key === null ? noKey : this.#keyRow(key)
  }

  /** A decoder that also marks values that are the placeholder. */
  #marking(decode: ColumnDecoder, column: number): ColumnDecoder {
    const b = this.#builders[column]
    const { placeholder } = this.#topic!
    if (!(b instanceof BytesBuilder)) return decode
    return (c) => {
      decode(c)
      if (b.lastIs(placeholder)) this.#marks.mark(this.#count, column)
    }
  }

  /** Appends a row of which only the key is known, from the record's key. */
  #keyRow(key: AvroNode): (c: ByteCursor) => void {
    const index = new Map(this.columns.map((c, i) => [c.name, i]))
    const fields = key.kind === 'record' ? key.fields : []
    const uncounted: DecodeCounters = { infinite: 0 }
    const steps = fields.map((f) => {
      const at = index.get(f.name)
      return at === undefined || at >= this.#builders.length ? compileSkip(f.node) : compileColumn(f.node, this.#builders[at], uncounted)
    })
    const others = this.#builders.filter((_, i) => !this.key.includes(this.columns[i].name))
    return (c) => {
      for (const step of steps) step(c)
      for (const b of others) b.appendNull()
    }
  }

  *decode(batch: StoredBatch, from?: number, stop?: (run: RecordRun) => boolean): Generator<RowChanges, void, void> {
    yield* this.feed(batch, from, stop)
    yield* this.flush()
  }

  /** As decode, but keeps an unfinished chunk. Returns false when `stop` ended it. */
  *feed(batch: StoredBatch, from = 0, stop?: (run: RecordRun) => boolean): Generator<RowChanges, boolean, void> {
    const reader = this.#reader
    reader.open(batch.records, batch.count)
    this.#deleted = -2
    const tail = batch.valueTail === undefined ? null : this.#openTail(batch.valueTail)
    for (const run of batch.runs) {
      if (stop?.(run) === true) return false
      this.#epoch = epochBits(run.commit)
      for (let n = 0; n < run.count; n++) {
        assert(reader.next(), 'the runs of a batch count its records')
        if (batch.baseOffset + reader.index < from) continue
        if (reader.valueStart >= 0) {
          if (this.#topic === null) this.#record(batch, tail)
          else this.#topicRecord(batch)
        } else if (this.#topic?.tombstones === true) this.#tombstone(batch)
        if (this.#used >= this.#maxBytes) yield* this.flush()
      }
    }
    return true
  }

  *flush(): Generator<RowChanges, void, void> {
    if (this.#count > 0) yield this.#take()
  }

  /** Source, transaction and op of all values of a batch; the cursor is left at the op. */
  #openTail(bytes: Uint8Array): ByteCursor {
    const buf = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const c = new ByteCursor(buf)
    this.#source(c, this.#fields)
    this.#skipTransaction(c)
    c.zigzag32()
    return c
  }

  /** Envelope: before, after, source, transaction, op; the rest is not needed. `tail`: what comes behind `after`, already read. */
  #record(batch: StoredBatch, tail: ByteCursor | null): void {
    const r = this.#reader
    const c = this.#cursor
    c.reset(r.buf, r.valueStart, r.valueEnd)
    if (r.buf[c.pos] !== 0 || r.buf.readInt32BE(c.pos + 1) !== batch.valueSchema) {
      throw new Failure('TRB-ENV-004', {
        topic: batch.topic,
        reason: `the value at offset ${batch.baseOffset + r.index} is not of schema ${batch.valueSchema}`,
      })
    }
    c.pos += 5
    let before = -1
    if (c.zigzag32() !== 0) {
      before = c.pos
      this.#skipRow(c)
    }
    if (c.zigzag32() !== 0) for (let i = 0; i < this.#row.length; i++) this.#row[i](c)
    else if (before >= 0) this.#rowAt(c, before, this.#row)
    else for (const b of this.#builders) b.appendNull()
    if (this.#keyless) {
      if (before >= 0) this.#rowAt(c, before, this.#beforeRow)
      else for (const b of this.#beforeBuilders) b.appendNull()
    }
    if (tail === null) {
      this.#source(c, this.#fields)
      this.#skipTransaction(c)
      c.zigzag32()
      this.#finish(c.buf, c.pos)
    } else this.#finish(tail.buf, tail.pos)
    if (r.sideStart >= 0) this.#marks.add(this.#count - 1, r.buf, r.sideStart, r.sideEnd)
    this.#used += r.valueEnd - r.valueStart + 32
    if (this.#topic !== null) this.#afterTopicRecord(batch)
  }

  /** What cannot be decoded is somebody else's record, not a defect. */
  #topicRecord(batch: StoredBatch): void {
    try {
      this.#record(batch, null)
    } catch (e) {
      throw poison(batch, this.#reader.index, e)
    }
  }

  #afterTopicRecord(batch: StoredBatch): void {
    const r = this.#reader
    const op = this.#ops[this.#count - 1]
    if (op === OP_D) {
      this.#deleted = r.index
      this.#deletedStart = r.keyStart
      this.#deletedEnd = r.keyEnd
    }
    if (op === OP_T && this.#topic!.partitions > 1) throw unordered(batch, r.index, this.#topic!.partitions)
    if (this.#keyless !== r.keyStart < 0 && op !== OP_T) throw strayKey(batch, r.index)
  }

  /** The key is gone. One that follows its own delete says nothing new. */
  #tombstone(batch: StoredBatch): void {
    const r = this.#reader
    // Follows a delete of a row without a key.
    if (r.keyStart < 0) return
    if (this.#keyless) throw strayKey(batch, r.index)
    const known = this.#deleted === r.index - 1
    if (known && r.buf.compare(r.buf, this.#deletedStart, this.#deletedEnd, r.keyStart, r.keyEnd) === 0) return
    const c = this.#cursor
    c.reset(r.buf, r.keyStart + 5, r.keyEnd)
    this.#byKey(c)
    this.#endRow(OP_D)
    this.#op.append(DELETE, 0, 1)
    this.#tsMs.appendNull()
    this.#txId.appendNull()
    this.#place.appendNull()
    this.#used += r.keyEnd - r.keyStart + 32
  }

  /** Decodes the row that starts at `at` and returns the cursor to where it was. */
  #rowAt(c: ByteCursor, at: number, row: readonly ColumnDecoder[]): void {
    const { pos } = c
    c.pos = at
    for (let i = 0; i < row.length; i++) row[i](c)
    c.pos = pos
  }

  #endRow(op: number): void {
    const n = this.#count++
    if (n === this.#ops.length) {
      const next = new Uint8Array(n * 2)
      next.set(this.#ops)
      this.#ops = next
    }
    this.#ops[n] = op
  }

  #finish(buf: Buffer, opAt: number): void {
    const f = this.#fields
    this.#endRow(buf[opAt])
    if (buf[opAt] === OP_T) this.#op.appendNull()
    else this.#op.append(buf, opAt, 1)
    this.#tsMs.appendI64(f.tsHi, f.tsLo)
    if (f.hasTx) this.#txId.appendI64(f.txHi, f.txLo)
    else this.#txId.appendNull()
    if (f.hasPlace) this.#place.appendI64((f.placeHi | this.#epoch) >>> 0, f.placeLo)
    else this.#place.appendNull()
  }

  #take(): RowChanges {
    const count = this.#count
    const all = [...this.#builders, this.#op, this.#tsMs, this.#txId, this.#place]
    let bytes = count
    for (const b of [...all, ...this.#beforeBuilders]) bytes += b.bytes
    const changes: RowChanges = {
      columns: this.columns,
      count,
      op: this.#ops.slice(0, count),
      before: this.#keyless ? [...this.#beforeBuilders.map((b) => b.take()), ...this.#changeColumns.map((col) => nulls(col, count))] : null,
      vectors: all.map((b) => b.take()),
      unavailable: [...this.#marks.take(count), null, null, null, null],
      bytes,
    }
    this.#count = 0
    this.#used = 0
    return changes
  }
}

function envelopeField(envelope: AvroNode, index: number, name: string): AvroNode {
  const field = envelope.kind === 'record' ? envelope.fields[index] : undefined
  if (field?.name !== name)
    throw new Failure('TRB-ENV-004', { topic: envelope.name ?? '', reason: `field ${index} of its envelope is not ${name}` })
  return field.node
}

const DELETE = Buffer.from('d', 'latin1')

/**
 * After a failover the files of another server count from anew, and the log marks its commits with how often that happened (`~1`): it goes
 * into the top byte of the place, so that a newer change never looks older.
 */
function epochBits(commit: string): number {
  const at = commit.lastIndexOf('~')
  return at < 0 ? 0 : (Number(commit.slice(at + 1)) & 0x7f) << 24
}

const noKey = (): undefined => undefined

function strayKey({ topic, partition, baseOffset }: StoredBatch, index: number): Failure {
  return new Failure('TRB-INGEST-006', { topic, partition, offset: baseOffset + index })
}

/** The change columns of an old row: all null. */
function nulls(column: LakeColumn, count: number): Vector {
  const b = columnBuilder(column.type)
  for (let i = 0; i < count; i++) b.appendNull()
  return b.take()
}

function unordered({ topic, partition, baseOffset }: StoredBatch, index: number, partitions: number): Failure {
  return new Failure('TRB-INGEST-014', { topic, partition, offset: baseOffset + index, partitions })
}
