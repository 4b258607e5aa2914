import type { ConnectSchema } from '../contract/connect-schema.ts'
import type { StoredBatch } from '../contract/log.ts'
import { Failure } from '../failure/failure.ts'
import { GrowableSink } from '../format/bytes/growable-sink.ts'
import { JsonScanner, NotJson } from '../format/json/json-scanner.ts'
import { RecordReader } from '../format/record-batch/reader.ts'
import { closeBlob, openBlob, writeBlob, writeNullBlob, writeTimestamp } from '../format/record-batch/writer.ts'
import { avroSchemaText } from './avro-schema.ts'
import { parseConnectSchema } from './connect-schema-json.ts'
import { isJsonObject, type JsonValue, parseExactJson } from './exact-json.ts'
import { GuessedSchemas } from './json-guess.ts'
import { NotOfSchema, writeJsonAsAvro } from './json-to-avro.ts'

/** Ids of schemas that no registry has given: below −1. */
const FIRST_ID = -2

interface Known {
  readonly id: number
  readonly schema: ConnectSchema
}

interface Half {
  readonly known: Known | null
  readonly json: JsonValue
}

/**
 * Records in JSON → the same records in Avro, with ids of our own, so that everything behind reads one form. With schemas
 * (`{"schema":…,"payload":…}`) by them; without, by what the values are (GuessedSchemas).
 */
export class JsonTopic {
  readonly #bySchema = new Map<string, Known>()
  readonly #byText = new Map<string, number>()
  readonly #texts = new Map<number, string>()
  readonly #guessed = new GuessedSchemas()
  readonly #reader = new RecordReader()

  /** Avro text of one of our ids. */
  schema(id: number): string | undefined {
    return this.#texts.get(id)
  }

  /** Batches of one pair of schemas each. Fails with TRB-INGEST-007. */
  convert(batch: StoredBatch): StoredBatch[] {
    const out: StoredBatch[] = []
    const r = this.#reader
    r.open(batch.records, batch.count)
    let sink = new GrowableSink(1 << 14)
    let ids = { key: 0, value: 0 }
    let first = batch.baseOffset
    let count = 0
    const end = (): void => {
      if (count === 0) return
      const { topic, partition, appendId } = batch
      const records = sink.take(1 << 14)
      const schemas = { keySchema: ids.key, valueSchema: ids.value }
      out.push({
        topic,
        partition,
        appendId,
        baseOffset: first,
        count,
        ...schemas,
        records,
        headers: null,
        runs: [{ count, commit: '', commitUs: 0n }],
      })
      sink = new GrowableSink(1 << 14)
      first += count
      count = 0
    }
    while (r.next()) {
      const offset = batch.baseOffset + r.index
      const key = this.#half(r.keyStart, r.keyEnd, true, batch, offset)
      const value = this.#half(r.valueStart, r.valueEnd, false, batch, offset)
      const next = { key: key?.known?.id ?? ids.key, value: value?.known?.id ?? ids.value }
      if (count > 0 && (next.key !== ids.key || next.value !== ids.value)) end()
      ids = next
      writeTimestamp(sink, r.timestampMs)
      this.#write(sink, key, batch, offset)
      this.#write(sink, value, batch, offset)
      if (r.sideStart < 0) writeNullBlob(sink)
      else writeBlob(sink, r.buf.subarray(r.sideStart, r.sideEnd))
      writeNullBlob(sink)
      count++
    }
    end()
    return out
  }

  #half(start: number, end: number, isKey: boolean, batch: StoredBatch, offset: number): Half | null {
    if (start < 0) return null
    const bytes = this.#reader.buf.subarray(start, end)
    try {
      const parts = split(bytes)
      if (parts !== null) {
        const known = this.#withSchema(parts.schema)
        if (known === null) throw new NotOfSchema('its schema is none of Kafka Connect')
        const json = parseExactJson(parts.payload)
        // A tombstone of a converter that writes an envelope for it.
        return json === null ? null : { known, json: json ?? null }
      }
      return this.#guess(parseExactJson(bytes.toString('utf8')), isKey)
    } catch (e) {
      if (e instanceof NotOfSchema || e instanceof NotJson) throw unreadable(batch, offset, e)
      throw e
    }
  }

  #guess(json: JsonValue | undefined, isKey: boolean): Half | null {
    if (json === null) return null
    if (json === undefined || !isJsonObject(json)) throw new NotOfSchema('it is no JSON object')
    if (isKey) {
      const fitted = this.#guessed.key(json)
      return { known: this.#register(this.#guessed.schemas.key), json: fitted }
    }
    const { json: fitted, envelope } = this.#guessed.value(json)
    const { value, flat } = this.#guessed.schemas
    return { known: this.#register(envelope ? value : flat), json: fitted }
  }

  #withSchema(text: string): Known | null {
    let known = this.#bySchema.get(text)
    if (known === undefined) {
      const schema = parseConnectSchema(parseExactJson(text) ?? null)
      if (schema === null) return null
      known = this.#register({ ...schema, optional: false })
      this.#bySchema.set(text, known)
    }
    return known
  }

  #register(schema: ConnectSchema): Known {
    const text = avroSchemaText(schema)
    let id = this.#byText.get(text)
    if (id === undefined) {
      id = FIRST_ID - this.#byText.size
      this.#byText.set(text, id)
      this.#texts.set(id, text)
    }
    return { id, schema }
  }

  #write(sink: GrowableSink, half: Half | null, batch: StoredBatch, offset: number): void {
    if (half === null || half.known === null) {
      writeNullBlob(sink)
      return
    }
    const mark = openBlob(sink, 2)
    sink.reserve(5)
    sink.buf[sink.pos++] = 0
    sink.pos = sink.buf.writeInt32BE(half.known.id, sink.pos)
    try {
      writeJsonAsAvro(half.known.schema, half.json, sink)
    } catch (e) {
      if (e instanceof NotOfSchema) throw unreadable(batch, offset, e)
      throw e
    }
    closeBlob(sink, mark, 2)
  }
}

/** The texts of `schema` and `payload`; null: the record has not this form. */
function split(bytes: Buffer): { readonly schema: string; readonly payload: string } | null {
  const scanner = new JsonScanner(bytes)
  if (scanner.kind() !== 'object') throw new NotOfSchema('it is no JSON object')
  let schema: string | null = null
  let payload: string | null = null
  let others = false
  scanner.object((name) => {
    if (name === 'schema') schema = scanner.raw()
    else if (name === 'payload') payload = scanner.raw()
    else {
      others = true
      scanner.skip()
    }
  })
  return schema === null || payload === null || others || schema === 'null' ? null : { schema, payload }
}

function unreadable(batch: StoredBatch, offset: number, e: Error): Failure {
  return new Failure('TRB-INGEST-007', { topic: batch.topic, partition: batch.partition, offset, reason: e.message }, e)
}
