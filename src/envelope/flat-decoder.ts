import type { LakeColumn, RowChanges } from '../contract/columns.ts'
import type { StoredBatch } from '../contract/log.ts'
import { Failure } from '../failure/failure.ts'
import { type AvroField, type AvroNode, nonNull } from '../format/avro/avro-node.ts'
import { compileSkip } from '../format/avro/skip.ts'
import { ByteCursor } from '../format/bytes/cursor.ts'
import { BytesBuilder, type ColumnBuilder, columnBuilder, FixedBuilder } from '../format/columns/builders.ts'
import { RecordReader } from '../format/record-batch/reader.ts'
import { type ColumnDecoder, compileColumn } from './column-decoder.ts'
import { CHANGE_COLUMNS, recordColumns } from './lake-columns.ts'
import { poison } from './poison.ts'
import type { BatchDecoder, TopicRules } from './row-decoder.ts'
import { SideMarks } from './side-marks.ts'

export interface FlatDecoderOptions {
  readonly key: AvroNode
  readonly value: AvroNode
  readonly maxBytes: number
  readonly counters: { infinite: number }
  readonly topic: TopicRules
}

/** Fields that ExtractNewRecordState adds (add.fields, delete.tombstone.handling.mode=rewrite); what else begins so is a column. */
const OF_SOURCE = ['lsn', 'ts_ms', 'table', 'db', 'schema', 'txId', 'name', 'connector', 'snapshot']
const ADDED = new Set([
  ...['deleted', 'op', 'transaction_id', 'transaction_total_order', 'transaction_data_collection_order'].map((f) => `__${f}`),
  ...OF_SOURCE.flatMap((f) => [`__${f}`, `__source_${f}`]),
])
const OP_D = 100
const OP_U = 117

/**
 * Rows of flattened events (ExtractNewRecordState): the value is the row itself. A delete is a tombstone, or a row with `__deleted` "true"
 * (mode rewrite), or nothing at all (mode drop: it is not seen). Without `__lsn` the order of changes of a key is that of their offsets.
 */
export class FlatDecoder implements BatchDecoder {
  readonly columns: readonly LakeColumn[]
  readonly key: readonly string[]
  readonly #maxBytes: number
  readonly #reader = new RecordReader()
  readonly #cursor = new ByteCursor()
  readonly #builders: readonly ColumnBuilder[]
  readonly #steps: readonly ColumnDecoder[]
  readonly #keySteps: readonly ColumnDecoder[]
  readonly #notKey: readonly ColumnBuilder[]
  readonly #op = new BytesBuilder()
  readonly #tsMs = new FixedBuilder(8)
  readonly #txId = new FixedBuilder(8)
  readonly #place = new FixedBuilder(8)
  readonly #marks: SideMarks
  #ops: number[] = []
  #used = 0
  /** Of the record that is being read: `__op`, `__deleted`, and 64-bit `__lsn` and time; −1 or null: it has none. */
  #opByte = -1
  #deleted = false
  #lsn: { hi: number; lo: number } | null = null
  #time: { hi: number; lo: number } | null = null

  constructor({ key, value, maxBytes, counters, topic }: FlatDecoderOptions) {
    if (value.kind !== 'record' || key.kind !== 'record') throw new Failure('TRB-ENV-004', { topic: '', reason: 'its value is no record' })
    const fields = value.fields.filter((f) => !ADDED.has(f.name))
    this.columns = [...recordColumns(fields), ...CHANGE_COLUMNS]
    this.key = key.fields.map((f) => f.name)
    this.#maxBytes = maxBytes
    this.#builders = fields.map((_, i) => columnBuilder(this.columns[i]!.type))
    this.#marks = new SideMarks(fields.length)
    const at = new Map(fields.map((f, i) => [f.name, i]))
    this.#steps = value.fields.map((f) => {
      const i = at.get(f.name)
      return i === undefined ? this.#added(f) : this.#column(f, i, topic.placeholder, counters)
    })
    this.#keySteps = key.fields.map((f) => {
      const i = at.get(f.name)
      return i === undefined ? compileSkip(f.node) : compileColumn(f.node, this.#builders[i]!, { infinite: 0 })
    })
    this.#notKey = this.#builders.filter((_, i) => !this.key.includes(this.columns[i]!.name))
  }

  *feed(batch: StoredBatch, from = 0): Generator<RowChanges, boolean, void> {
    const r = this.#reader
    r.open(batch.records, batch.count)
    while (r.next()) {
      const offset = batch.baseOffset + r.index
      if (offset < from) continue
      if (r.keyStart < 0) throw new Failure('TRB-INGEST-006', { topic: batch.topic, partition: batch.partition, offset })
      try {
        if (r.valueStart < 0) this.#tombstone()
        else this.#row()
      } catch (e) {
        throw poison(batch, r.index, e)
      }
      if (this.#lsn === null) this.#place.appendI64(Math.floor(offset / 4294967296), offset >>> 0)
      else this.#place.appendI64(this.#lsn.hi, this.#lsn.lo)
      if (this.#time === null) this.#tsMs.appendI64(Math.floor(r.timestampMs / 4294967296), r.timestampMs >>> 0)
      else this.#tsMs.appendI64(this.#time.hi, this.#time.lo)
      this.#txId.appendNull()
      if (this.#used >= this.#maxBytes) yield* this.flush()
    }
    return true
  }

  *flush(): Generator<RowChanges, void, void> {
    const count = this.#ops.length
    if (count === 0) return
    const all = [...this.#builders, this.#op, this.#tsMs, this.#txId, this.#place]
    const bytes = all.reduce((n, b) => n + b.bytes, count)
    const op = Uint8Array.from(this.#ops)
    this.#ops = []
    this.#used = 0
    const unavailable = [...this.#marks.take(count), ...CHANGE_COLUMNS.map(() => null)]
    yield { columns: this.columns, count, op, before: null, vectors: all.map((b) => b.take()), unavailable, bytes }
  }

  #row(): void {
    const r = this.#reader
    const c = this.#cursor
    c.reset(r.buf, r.valueStart + 5, r.valueEnd)
    this.#reset()
    for (const step of this.#steps) step(c)
    this.#end(this.#deleted ? OP_D : this.#opByte < 0 ? OP_U : this.#opByte)
    this.#used += r.valueEnd - r.valueStart + 32
  }

  #tombstone(): void {
    const r = this.#reader
    const c = this.#cursor
    c.reset(r.buf, r.keyStart + 5, r.keyEnd)
    this.#reset()
    for (const step of this.#keySteps) step(c)
    for (const b of this.#notKey) b.appendNull()
    this.#end(OP_D)
    this.#used += r.keyEnd - r.keyStart + 32
  }

  #reset(): void {
    this.#opByte = -1
    this.#deleted = false
    this.#lsn = null
    this.#time = null
  }

  #end(op: number): void {
    this.#ops.push(op)
    this.#op.append(Buffer.of(op), 0, 1)
  }

  #column(field: AvroField, column: number, placeholder: Buffer, counters: { infinite: number }): ColumnDecoder {
    const b = this.#builders[column]!
    const decode = compileColumn(field.node, b, counters)
    if (!(b instanceof BytesBuilder)) return decode
    return (c) => {
      decode(c)
      if (b.lastIs(placeholder)) this.#marks.mark(this.#ops.length, column)
    }
  }

  /** A field that is not of the row: kept aside when it says what has happened, and when. */
  #added(field: AvroField): ColumnDecoder {
    const { node, nullBranch } = nonNull(field.node)
    const keep = this.#keeper(field.name, node)
    if (keep === null) return compileSkip(field.node)
    return (c) => {
      if (nullBranch >= 0 && c.zigzag32() === nullBranch) return
      keep(c)
    }
  }

  #keeper(name: string, node: AvroNode): ColumnDecoder | null {
    if (node.kind === 'string' && (name === '__op' || name === '__deleted')) {
      return (c) => {
        const n = c.length()
        const text = c.buf.toString('latin1', c.pos, c.pos + n)
        c.pos += n
        if (name === '__deleted') this.#deleted = text === 'true'
        else if (n === 1) this.#opByte = text.charCodeAt(0)
      }
    }
    if (node.kind !== 'long') return null
    if (name === '__lsn' || name === '__source_lsn') {
      return (c) => {
        c.zigzag64()
        this.#lsn = { hi: c.hi, lo: c.lo }
      }
    }
    if (name !== '__source_ts_ms' && name !== '__ts_ms') return null
    return (c) => {
      c.zigzag64()
      if (name === '__source_ts_ms' || this.#time === null) this.#time = { hi: c.hi, lo: c.lo }
    }
  }
}
