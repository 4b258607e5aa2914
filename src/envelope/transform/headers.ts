import type { ConnectSchema } from '../../contract/connect-schema.ts'
import type { RecordHeader } from '../../format/record-batch/reader.ts'
import { payloadJson, schemaJson } from '../connect-json.ts'
import { textOf } from './avro-fields.ts'
import type { HeaderFormat } from './record.ts'

/**
 * A header with a value of the row or envelope. simple: text as SimpleHeaderConverter prints it, null as null. json: as JsonConverter does.
 * @param present Avro binary without union branch, null for null
 */
export function valueHeader(format: HeaderFormat, name: string, schema: ConnectSchema, present: Buffer | null): RecordHeader {
  const plain: ConnectSchema = { ...schema, optional: false }
  if (format === 'json') {
    const payload = present === null ? 'null' : payloadJson(plain, present)
    return { name, value: Buffer.from(`{"schema":${schemaJson(schema)},"payload":${payload}}`, 'utf8') }
  }
  if (present === null) return { name, value: null }
  const text = schema.type === 'string' ? textOf(present) : payloadJson(plain, present)
  return { name, value: Buffer.from(text, 'utf8') }
}
