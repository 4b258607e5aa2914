import { hash } from 'node:crypto'
import type { LakeColumn, LakeType, Vector } from '../../contract/columns.ts'
import { GrowableSink, writeAll, writeSlice } from '../../format/bytes/growable-sink.ts'
import { hashKeys, type Keys } from './keys.ts'

/**
 * Identity of rows in a table without a key. Equal rows are told apart by an ordinal only, so the table is a bag:
 *   row id  => digest '-' ordinal        column `_tributary_row_id`, the record key field
 *   digest  => first 128 bits of SHA-256 over the row's columns that are not null, 32 hex digits
 *   column  => nameLength:u16le name value
 *   value   => boolean:u8 | integer, date, time, timestamp:i64le | float, double:f64le | length:u32le bytes | decimal: shortest
 *              two's complement, big-endian, as bytes | list, map: count:u32le (0 | 1 value)*
 * Change columns don't count, nor do nulls: a column that is added later, or widened, leaves the digests of old rows as they are.
 * Ordinals of one digest are dense from 0: an insert takes the next one, a delete removes the highest. The bucket is that of the
 * digest, so all ordinals of a digest share a file group. One digest and one string per row: only tables without a key pay that.
 */
export const DIGEST_LENGTH = 32

/** Columns that say how a change came about; no part of a row's content (spec hudi §9.2). */
export const CHANGE_COLUMNS: ReadonlySet<string> = new Set([
  '_change_operation_type',
  '_event_origin_ts_ms',
  '_event_tx_id',
  '_event_lsn',
  '_event_seq',
])

/** Digests of rows `rows` (null: 0 … n − 1). `vectors[i]` is that of `columns[i]`; null: the chunk has no such column. */
export function bagKeys(
  columns: readonly LakeColumn[],
  vectors: readonly (Vector | null)[],
  rows: Int32Array | null,
  n: number,
  seed: number,
): Keys {
  const sink = new GrowableSink(4096)
  const content = columns
    .map((c, i) => ({ name: Buffer.from(c.name, 'utf8'), type: c.type, vector: vectors[i], counts: !CHANGE_COLUMNS.has(c.name) }))
    .filter((c) => c.counts && c.vector !== null)
    .sort((a, b) => Buffer.compare(a.name, b.name))
  const data = Buffer.allocUnsafeSlow(n * DIGEST_LENGTH)
  const offsets = new Int32Array(n + 1)
  for (let i = 0; i < n; i++) {
    const row = rows === null ? i : rows[i]
    sink.pos = 0
    for (const c of content) {
      const v = c.vector!
      if (v.valid !== null && v.valid[row] === 0) continue
      sink.reserve(2)
      sink.pos = sink.buf.writeUInt16LE(c.name.length, sink.pos)
      writeAll(sink, c.name)
      writeValue(c.type, v, row, sink)
    }
    data.write(hash('sha256', sink.buf.subarray(0, sink.pos), 'hex').slice(0, DIGEST_LENGTH), i * DIGEST_LENGTH, 'latin1')
    offsets[i + 1] = (i + 1) * DIGEST_LENGTH
  }
  return hashKeys(data, offsets, n, seed)
}

function writeValue(type: LakeType, v: Vector, row: number, out: GrowableSink): void {
  if (v.kind === 'bytes') {
    const length = v.offsets[row + 1] - v.offsets[row]
    putCount(length, out)
    writeSlice(out, v.data, v.offsets[row], length)
  } else if (v.kind === 'fixed') writeFixed(type, v.data, row * v.width, v.width, out)
  else if (v.kind === 'struct' && type.kind === 'struct') {
    for (let f = 0; f < v.fields.length; f++) writeNullable(type.fields[f].type, v.fields[f], row, out)
  } else if (v.kind === 'list' && type.kind === 'list') {
    writeEntries(v.offsets, row, out, (i) => writeNullable(type.element, v.element, i, out))
  } else if (v.kind === 'map' && type.kind === 'map') {
    writeEntries(v.offsets, row, out, (i) => {
      writeValue({ kind: 'string' }, v.key, i, out)
      writeNullable(type.value, v.value, i, out)
    })
  }
}

function writeEntries(offsets: Int32Array, row: number, out: GrowableSink, each: (i: number) => void): void {
  putCount(offsets[row + 1] - offsets[row], out)
  for (let i = offsets[row]; i < offsets[row + 1]; i++) each(i)
}

function writeNullable(type: LakeType, v: Vector, row: number, out: GrowableSink): void {
  const present = v.valid === null || v.valid[row] === 1
  out.reserve(1)
  out.buf[out.pos++] = present ? 1 : 0
  if (present) writeValue(type, v, row, out)
}

function writeFixed(type: LakeType, data: Buffer, at: number, width: number, out: GrowableSink): void {
  out.reserve(8)
  switch (type.kind) {
    case 'boolean':
      out.buf[out.pos++] = data[at]
      break
    case 'int':
    case 'date': {
      const x = data.readInt32LE(at)
      out.pos = out.buf.writeInt32LE(x, out.pos)
      out.pos = out.buf.writeInt32LE(x >> 31, out.pos)
      break
    }
    case 'float':
      out.pos = out.buf.writeDoubleLE(data.readFloatLE(at), out.pos)
      break
    case 'decimal': {
      let from = at
      const end = at + width
      while (from + 1 < end && ((data[from] === 0 && data[from + 1] < 128) || (data[from] === 255 && data[from + 1] >= 128))) from++
      putCount(end - from, out)
      writeSlice(out, data, from, end - from)
      break
    }
    default:
      writeSlice(out, data, at, 8)
  }
}

function putCount(n: number, out: GrowableSink): void {
  out.reserve(4)
  out.pos = out.buf.writeUInt32LE(n, out.pos)
}

/** Row id of ordinal `ordinal` of the digest at data[from, from + 32). */
export function rowId(data: Buffer, from: number, ordinal: number): Buffer {
  return Buffer.from(`${data.toString('latin1', from, from + DIGEST_LENGTH)}-${ordinal}`, 'latin1')
}

/** Ordinal of the row id at data[from, to); −1 when it is none of ours. */
export function ordinalOf(data: Uint8Array, from: number, to: number): number {
  let at = from + DIGEST_LENGTH
  if (at + 1 >= to || data[at] !== 0x2d) return -1
  let ordinal = 0
  for (at++; at < to; at++) {
    const digit = data[at] - 0x30
    if (digit < 0 || digit > 9) return -1
    ordinal = ordinal * 10 + digit
  }
  return ordinal
}
