import type { ConnectSchema } from '../contract/connect-schema.ts'
import { GrowableSink } from '../format/bytes/growable-sink.ts'
import { writeHeaders } from '../format/record-batch/writer.ts'
import { connectJson, connectText } from './connect-json.ts'
import { jsonStringAsBytes } from './json-text.ts'
import type { EnvelopeOptions } from './options.ts'

/** Header list with the four context headers that every data record carries, or null when they are off. */
export function contextHeaders(options: EnvelopeOptions): Uint8Array | null {
  if (!options.contextHeaders) return null
  const value = (text: string): Buffer =>
    Buffer.from(
      options.headerFormat === 'simple' ? text : `{"schema":{"type":"string","optional":false},"payload":${jsonStringAsBytes(text)}}`,
    )
  const out = new GrowableSink(512)
  writeHeaders(out, [
    { name: '__debezium.context.connectorLogicalName', value: value(options.prefix) },
    { name: '__debezium.context.taskId', value: value('0') },
    { name: '__debezium.context.connectorName', value: value(options.connector) },
    { name: '__debezium.context.runId', value: value(options.runId) },
  ])
  return out.copy()
}

/** Value of a `__debezium.newkey` or `__debezium.oldkey` header: the key struct in the format of the headers. */
export function keyHeader(format: EnvelopeOptions['headerFormat'], schema: ConnectSchema, avro: Buffer): Buffer {
  return Buffer.from(format === 'simple' ? connectText(schema, avro) : connectJson(schema, avro), 'utf8')
}
