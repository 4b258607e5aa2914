import type { ByteSink, ChangeBatch } from '../contract/change.ts'
import type { ConnectField, ConnectSchema } from '../contract/connect-schema.ts'
import { assert } from '../failure/failure.ts'
import { writeSlice } from '../format/bytes/growable-sink.ts'
import { writeVarint } from '../format/bytes/varint.ts'
import { TRANSACTION_BLOCK } from './envelope-schema.ts'

/** Form of a message's content: `binary.handling.mode`. */
export type MessageContent = 'bytes' | 'base64' | 'base64-url-safe' | 'hex'

const required = (name: string, type: ConnectSchema['type']): ConnectField => ({ name, schema: { type, optional: false } })
const optional = (name: string, type: ConnectSchema['type']): ConnectField => ({ name, schema: { type, optional: true } })

/** What the END record counts messages under: Debezium prints a Java object there, whose hash is another one each time. */
export const MESSAGE_COLLECTION = 'io.debezium.connector.postgresql.LogicalDecodingMessageMonitor$LogicalDecodingMessageId@0'

/** Key of the message topic (spec debezium §1.4). */
export const MESSAGE_KEY: ConnectSchema = {
  type: 'struct',
  optional: false,
  name: 'io.debezium.connector.postgresql.MessageKey',
  version: 1,
  fields: [optional('prefix', 'string')],
}

/** Its value. @param source schema of the source block */
export function messageValue(source: ConnectSchema, content: MessageContent): ConnectSchema {
  const message: ConnectSchema = {
    type: 'struct',
    optional: false,
    name: 'io.debezium.connector.postgresql.Message',
    version: 1,
    fields: [optional('prefix', 'string'), optional('content', content === 'bytes' ? 'bytes' : 'string')],
  }
  return {
    type: 'struct',
    optional: false,
    name: 'io.debezium.connector.postgresql.MessageValue',
    version: 1,
    fields: [
      required('op', 'string'),
      optional('ts_ms', 'int64'),
      { name: 'source', schema: source },
      { name: 'transaction', schema: TRANSACTION_BLOCK },
      { name: 'message', schema: message },
    ],
  }
}

/** Where prefix and content of a message lie in the arena. */
export interface MessageBody {
  readonly prefix: number
  readonly prefixLength: number
  readonly content: number
  readonly contentLength: number
}

/**
 * The message at `at`.
 *   body => flags:u8 lsn:u64be prefix:cstring length:u32be content
 */
export function messageBody({ arena }: ChangeBatch, at: number): MessageBody {
  const prefix = at + 9
  const end = arena.indexOf(0, prefix)
  assert(end >= prefix, 'the prefix of a message ends')
  return { prefix, prefixLength: end - prefix, content: end + 5, contentLength: arena.readUInt32BE(end + 1) }
}

/** The prefix, as a field that may be null. */
export function writePrefix(arena: Buffer, body: MessageBody, out: ByteSink): void {
  writeVarint(out, 2)
  writeVarint(out, body.prefixLength * 2)
  writeSlice(out, arena, body.prefix, body.prefixLength)
}

/** Prefix and content: the struct `message`. */
export function writeMessage(arena: Buffer, body: MessageBody, mode: MessageContent, out: ByteSink): void {
  writePrefix(arena, body, out)
  const bytes = arena.subarray(body.content, body.content + body.contentLength)
  const shown = mode === 'bytes' ? bytes : Buffer.from(bytes.toString(mode === 'base64-url-safe' ? 'base64url' : mode), 'latin1')
  writeVarint(out, 2)
  writeVarint(out, shown.length * 2)
  writeSlice(out, shown, 0, shown.length)
}
