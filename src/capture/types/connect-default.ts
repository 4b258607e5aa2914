import type { ConnectType, ConnectValue } from '../../contract/connect-schema.ts'
import { ByteCursor } from '../../format/bytes/cursor.ts'

/** A column default as the schema shows it: the Connect value and its Avro binary (no union branch). */
export interface SchemaDefault {
  readonly value: ConnectValue
  readonly bytes: Uint8Array
}

/** The Connect value of a default given as Avro binary. */
export function connectDefault(bytes: Uint8Array, type: ConnectType): ConnectValue {
  const buf = Buffer.from(bytes)
  const c = new ByteCursor(buf)
  switch (type) {
    case 'boolean':
      return buf[0] === 1
    case 'int8':
    case 'int16':
    case 'int32':
      return c.zigzag32()
    case 'int64':
      c.zigzag64()
      return (BigInt(c.hi | 0) << 32n) | BigInt(c.lo)
    case 'float32':
      return buf.readFloatLE(0)
    case 'float64':
      return buf.readDoubleLE(0)
    case 'string': {
      const n = c.length()
      return buf.toString('utf8', c.pos, c.pos + n)
    }
    default: {
      const n = c.length()
      return buf.subarray(c.pos, c.pos + n)
    }
  }
}
