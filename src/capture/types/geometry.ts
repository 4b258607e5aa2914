import type { ByteSink } from '../../contract/change.ts'
import type { ConnectSchema } from '../../contract/connect-schema.ts'
import { badValue } from './bad-value.ts'

/** io.debezium.data.geometry.Point. */
export function pointSchema(optional: boolean): ConnectSchema {
  return {
    type: 'struct',
    optional,
    name: 'io.debezium.data.geometry.Point',
    version: 1,
    doc: 'Geometry (POINT)',
    fields: [
      { name: 'x', schema: { type: 'float64', optional: false } },
      { name: 'y', schema: { type: 'float64', optional: false } },
      { name: 'wkb', schema: { type: 'bytes', optional: true } },
      { name: 'srid', schema: { type: 'int32', optional: true } },
    ],
  }
}

/** `(x,y)` → {x, y, wkb: little-endian POINT, srid: null}. */
export function encodePoint(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  const comma = src.indexOf(44, start)
  const end = start + length
  if (src[start] !== 40 || src[end - 1] !== 41 || comma < 0 || comma >= end) throw badValue('point', src, start, length)
  const x = Number(src.toString('latin1', start + 1, comma))
  const y = Number(src.toString('latin1', comma + 1, end - 1))
  writePoint(out, x, y)
  return true
}

/** The struct of one point. */
export function writePoint(out: ByteSink, x: number, y: number): void {
  out.reserve(48)
  const buf = out.buf
  let pos = buf.writeDoubleLE(x, out.pos)
  pos = buf.writeDoubleLE(y, pos)
  buf[pos++] = 2
  buf[pos++] = 42
  buf[pos++] = 1
  pos = buf.writeUInt32LE(1, pos)
  pos = buf.writeDoubleLE(x, pos)
  pos = buf.writeDoubleLE(y, pos)
  buf[pos++] = 0
  out.pos = pos
}
