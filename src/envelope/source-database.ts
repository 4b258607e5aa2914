import type { StoredBatch } from '../contract/log.ts'
import { isFailure } from '../failure/failure.ts'
import { type AvroNode, nonNull, parseAvroSchema } from '../format/avro/avro-node.ts'
import { compileSkip } from '../format/avro/skip.ts'
import { ByteCursor } from '../format/bytes/cursor.ts'
import { RecordReader } from '../format/record-batch/reader.ts'
import { isJsonObject, parseExactJson } from './exact-json.ts'

/**
 * The database that the first record with a value that can be read names in its `source` (Postgres: the one the schemas are in). Empty: the record has none (a
 * flattened event, another source). Null: no record of the batch has a value. Undefined: none that has one can be read.
 */
export async function sourceDatabase(batch: StoredBatch, schema: (id: number) => Promise<string>): Promise<string | null | undefined> {
  const r = new RecordReader()
  r.open(batch.records, batch.count)
  let unreadable = false
  let envelope: AvroNode | null = null
  while (r.next()) {
    if (r.valueStart < 0) continue
    if (batch.valueSchema >= 0) {
      envelope ??= await envelopeOf(batch.valueSchema, schema)
      if (envelope === null) return undefined
    }
    const database = envelope === null ? jsonDatabase(r.buf.toString('utf8', r.valueStart, r.valueEnd)) : valueDatabase(envelope, r)
    if (database !== undefined) return database
    unreadable = true
  }
  return unreadable ? undefined : null
}

/** Null: there is none that could be read. Whoever reads the record for its row says what is wrong with it. */
async function envelopeOf(id: number, schema: (id: number) => Promise<string>): Promise<AvroNode | null> {
  try {
    return parseAvroSchema(await schema(id))
  } catch (e) {
    // A registry that does not answer is another matter.
    if (isFailure(e, 'TRB-INGEST-010') || (isFailure(e) && e.entry.retry === 'timed')) throw e
    return null
  }
}

function valueDatabase(envelope: AvroNode, r: RecordReader): string | undefined {
  const c = new ByteCursor()
  c.reset(r.buf, r.valueStart + 5, r.valueEnd)
  try {
    return avroDatabase(envelope, c)
  } catch (_unreadable) {
    // As above.
    return undefined
  }
}

function avroDatabase(envelope: AvroNode, c: ByteCursor): string {
  if (envelope.kind !== 'record') return ''
  for (const field of envelope.fields) {
    if (field.name !== 'source' || field.node.kind !== 'record') {
      compileSkip(field.node)(c)
      continue
    }
    // Without `schema` the database is what the schema is elsewhere, and the topic's name has it already.
    if (!field.node.fields.some((f) => f.name === 'schema')) return ''
    for (const part of field.node.fields) {
      const { node, nullBranch } = nonNull(part.node)
      if (part.name !== 'db' || node.kind !== 'string') compileSkip(part.node)(c)
      else return nullBranch >= 0 && c.zigzag32() === nullBranch ? '' : text(c)
    }
    return ''
  }
  return ''
}

function text(c: ByteCursor): string {
  const n = c.length()
  return c.buf.toString('utf8', c.pos, c.pos + n)
}

function jsonDatabase(value: string): string | undefined {
  const json = parseExactJson(value)
  if (!isJsonObject(json)) return undefined
  const payload = 'payload' in json && 'schema' in json ? (json['payload'] ?? null) : json
  const source = isJsonObject(payload) ? (payload['source'] ?? null) : null
  if (!isJsonObject(source) || typeof source['schema'] !== 'string') return ''
  return typeof source['db'] === 'string' ? source['db'] : ''
}
