import { createHash } from 'node:crypto'
import { GrowableSink } from '../../../format/bytes/growable-sink.ts'
import { writeZigzag32 } from '../../../format/bytes/varint.ts'
import { avroBytes, binaryText } from '../../types/text.ts'
import type { TypeOptions } from './options.ts'

/** The placeholder as an Avro string; bytes that are no UTF-8 become U+FFFD, as in Java. */
export function textPlaceholder(options: TypeOptions): Uint8Array {
  return avroBytes(Buffer.from(options.placeholder.toString('utf8'), 'utf8'))
}

/**
 * Avro binary of the placeholder of bytea, hstore and array types, by type name (spec debezium §2.3, B.22); null: Debezium shows null.
 */
export function arrayPlaceholder(name: string, options: TypeOptions): Uint8Array | null {
  switch (name) {
    case 'bytea':
      return byteaPlaceholder(options)
    case '_bytea': {
      const one = byteaPlaceholder(options)
      return one === null ? null : arrayOf([one])
    }
    case 'hstore': {
      const text = options.placeholder.toString('utf8')
      if (options.hstore === 'json') return avroBytes(Buffer.from(JSON.stringify({ [text]: text }), 'utf8'))
      const one = textPlaceholder(options)
      return Buffer.concat([Buffer.from([2]), one, Buffer.from([2]), one, Buffer.from([0])])
    }
    case '_text':
    case '_varchar':
    case '_bpchar':
    case '_json':
    case '_jsonb':
      return arrayOf([textPlaceholder(options)])
    case '_int4':
    case '_int8':
    case '_date':
      return arrayOf([...options.placeholder].map((b) => zigzag(b > 127 ? b - 256 : b)))
    case '_uuid':
      return arrayOf([avroBytes(Buffer.from(nameUuid(options.placeholder)))])
    default:
      return null
  }
}

function byteaPlaceholder(options: TypeOptions): Uint8Array | null {
  if (options.binary === 'bytes') return avroBytes(options.placeholder)
  if (options.binary === 'hex') return avroBytes(Buffer.from(binaryText(options.placeholder, 'hex'), 'latin1'))
  return null
}

/** One block of optional elements. */
function arrayOf(elements: readonly Uint8Array[]): Buffer {
  return Buffer.concat([zigzag(elements.length), ...elements.flatMap((e) => [Buffer.from([2]), e]), Buffer.from([0])])
}

function zigzag(n: number): Buffer {
  const out = new GrowableSink(8)
  writeZigzag32(out, n)
  return out.copy()
}

/** java.util.UUID.nameUUIDFromBytes: version 3 over the bytes alone. */
function nameUuid(bytes: Uint8Array): string {
  const h = createHash('md5').update(bytes).digest()
  h[6] = (h[6] & 0x0f) | 0x30
  h[8] = (h[8] & 0x3f) | 0x80
  const x = h.toString('hex')
  return `${x.slice(0, 8)}-${x.slice(8, 12)}-${x.slice(12, 16)}-${x.slice(16, 20)}-${x.slice(20)}`
}
