import type { ChangeBatch, TableId, TableSchema } from '../../contract/change.ts'
import type { ConnectSchema } from '../../contract/connect-schema.ts'
import type { RecordRun, SchemaRegistry, TopicBatch } from '../../contract/log.ts'
import { assert } from '../../failure/failure.ts'
import { GrowableSink } from '../../format/bytes/growable-sink.ts'
import { writeVarint } from '../../format/bytes/varint.ts'
import { RecordReader, readHeaders } from '../../format/record-batch/reader.ts'
import { writeBlob, writeHeader, writeNullBlob, writeTimestamp } from '../../format/record-batch/writer.ts'
import { avroSchemaText } from '../avro-schema.ts'
import type { EnvelopeEncoder, RecordEncoder } from '../encoder.ts'
import { DEFAULTED } from '../table-codec.ts'
import type { Part, Transform, TransformRecord } from './record.ts'

export interface TransformingOptions {
  readonly encoder: EnvelopeEncoder
  readonly transforms: readonly Transform[]
  readonly registry: SchemaRegistry
  /** A null that keeps its schema is written as the wire header alone, for a printer of both; otherwise as null. */
  readonly keepsSchemaOfNull: boolean
}

/**
 * The records of an encoder after Kafka Connect's transforms. Their schemas are those of the single records, so `encode` may wait for a
 * registry.
 */
export class TransformingEncoder implements RecordEncoder {
  readonly #options: TransformingOptions
  readonly #reader = new RecordReader()
  /** Wire headers by schema and subject; of nulls too. */
  readonly #ids = new WeakMap<ConnectSchema, Map<string, number>>()
  readonly #schemas = new Map<number, ConnectSchema>()

  constructor(options: TransformingOptions) {
    this.#options = options
  }

  prepare(tables: readonly TableSchema[]): Promise<void> {
    return this.#options.encoder.prepare(tables)
  }

  prepareHeartbeat(): Promise<void> {
    return this.#options.encoder.prepareHeartbeat()
  }

  topicOf(id: TableId): string {
    return this.#options.encoder.topicOf(id)
  }

  schemasOf(table: TableSchema): { readonly keySchema: number; readonly valueSchema: number } {
    return this.#options.encoder.schemasOf(table)
  }

  state(): string | null {
    return this.#options.encoder.state()
  }

  restore(state: string | null): void {
    this.#options.encoder.restore(state)
  }

  recycle(): void {
    this.#options.encoder.recycle()
  }

  connectSchema(id: number): ConnectSchema {
    return this.#schemas.get(id) ?? this.#options.encoder.connectSchema(id)
  }

  async encode(batch: ChangeBatch): Promise<TopicBatch[]> {
    const out = new Map<string, Collected[]>()
    for (const encoded of this.#options.encoder.encode(batch)) await this.#batch(encoded, out)
    return [...out.values()].flat().map(finished)
  }

  async #batch(batch: TopicBatch, out: Map<string, Collected[]>): Promise<void> {
    assert(batch.valueTail === undefined, 'values that are transformed are whole')
    const r = this.#reader
    r.open(batch.records, batch.count)
    const ofBatch = batch.headers === null ? [] : readHeaders(batch.headers)
    let run = 0
    // A heartbeat is in no run.
    let left = batch.runs[0]?.count ?? Number.POSITIVE_INFINITY
    while (r.next()) {
      while (left === 0) left = batch.runs[++run].count
      left--
      const record: TransformRecord = {
        topic: batch.topic,
        timestamp: null,
        key: this.#part(r.buf, r.keyStart, r.keyEnd),
        value: this.#part(r.buf, r.valueStart, r.valueEnd),
        headers: [...r.headers(), ...ofBatch],
        isDefaulted: sideHas(r.buf, r.sideStart, r.sideEnd),
      }
      if (!this.#options.transforms.every((t) => t.apply(record))) continue
      await this.#write(record, batch, batch.runs[run] ?? null, r.timestampMs, out)
    }
  }

  #part(buf: Buffer, start: number, end: number): Part | null {
    if (start < 0) return null
    return { schema: this.#options.encoder.connectSchema(buf.readInt32BE(start + 1)), avro: buf.subarray(start + 5, end) }
  }

  async #write(
    record: TransformRecord,
    batch: TopicBatch,
    run: RecordRun | null,
    timestampMs: number,
    out: Map<string, Collected[]>,
  ): Promise<void> {
    const { topic, key, value } = record
    const keySchema = key === null || key.avro === null ? 0 : await this.#id(`${topic}-key`, key)
    const keepsNull = value !== null && value.avro === null && this.#options.keepsSchemaOfNull
    const valueSchema = value === null || (value.avro === null && !keepsNull) ? 0 : await this.#id(`${topic}-value`, value)
    const to = collected(out, topic, batch.partition, keySchema, valueSchema, record.timestamp !== null)
    const { sink } = to
    writeTimestamp(sink, record.timestamp ?? timestampMs)
    writePart(sink, keySchema, key?.avro ?? null)
    if (keepsNull) writePart(sink, valueSchema, Buffer.alloc(0))
    else writePart(sink, valueSchema, value?.avro ?? null)
    writeNullBlob(sink)
    writeVarint(sink, record.headers.length)
    for (const h of record.headers) writeHeader(sink, h.name, h.value)
    to.add(run)
  }

  /** Registered under the subject of its topic. A struct at the top is a plain record; a null of an optional one has the union. */
  async #id(subject: string, part: Part): Promise<number> {
    const union = part.avro === null
    const place = union ? `null ${subject}` : subject
    let known = this.#ids.get(part.schema)
    if (known === undefined) {
      known = new Map()
      this.#ids.set(part.schema, known)
    }
    const found = known.get(place)
    if (found !== undefined) return found
    const plain = part.schema.type === 'struct' && !union ? { ...part.schema, optional: false } : part.schema
    const id = await this.#options.registry.register(subject, avroSchemaText(plain))
    known.set(place, id)
    this.#schemas.set(id, part.schema)
    return id
  }
}

/** Records of one topic and one pair of schemas, in a row. */
class Collected {
  readonly topic: string
  readonly partition: number
  keySchema: number
  valueSchema: number
  readonly timed: boolean
  readonly sink = new GrowableSink(1 << 12)
  count = 0
  readonly runs: { count: number; readonly of: RecordRun }[] = []

  constructor(topic: string, partition: number, keySchema: number, valueSchema: number, timed: boolean) {
    this.topic = topic
    this.partition = partition
    this.keySchema = keySchema
    this.valueSchema = valueSchema
    this.timed = timed
  }

  add(run: RecordRun | null): void {
    this.count++
    if (run === null) return
    const last = this.runs.at(-1)
    if (last?.of === run) last.count++
    else this.runs.push({ count: 1, of: run })
  }
}

function collected(
  out: Map<string, Collected[]>,
  topic: string,
  partition: number,
  keySchema: number,
  valueSchema: number,
  timed: boolean,
): Collected {
  let list = out.get(topic)
  if (list === undefined) {
    list = []
    out.set(topic, list)
  }
  const last = list.at(-1)
  if (last?.partition === partition && last.timed === timed && fits(last.keySchema, keySchema) && fits(last.valueSchema, valueSchema)) {
    last.keySchema ||= keySchema
    last.valueSchema ||= valueSchema
    return last
  }
  const fresh = new Collected(topic, partition, keySchema, valueSchema, timed)
  list.push(fresh)
  return fresh
}

/** Null keys and values have no schema, so they go with any. */
function fits(known: number, id: number): boolean {
  return known === id || known === 0 || id === 0
}

function finished(c: Collected): TopicBatch {
  return {
    topic: c.topic,
    partition: c.partition,
    count: c.count,
    keySchema: c.keySchema,
    valueSchema: c.valueSchema,
    records: c.sink.copy(),
    headers: null,
    runs: c.runs.map(({ count, of }) => ({ ...of, count })),
    ...(c.timed ? { ownTimes: true } : {}),
  }
}

function writePart(sink: GrowableSink, id: number, avro: Buffer | null): void {
  if (avro === null) {
    writeNullBlob(sink)
    return
  }
  const bytes = Buffer.alloc(avro.length + 5)
  bytes.writeInt32BE(id, 1)
  avro.copy(bytes, 5)
  writeBlob(sink, bytes)
}

function sideHas(buf: Buffer, start: number, end: number): (field: number) => boolean {
  return (field) => {
    for (let p = start; p >= 0 && p + 1 < end; p += 2) if (buf.readUInt16LE(p) === (field | DEFAULTED)) return true
    return false
  }
}
