import type { LakeColumn, LakeType, Vector } from '../../contract/columns.ts'
import { assert } from '../../failure/failure.ts'
import { dateText, decimalText, doubleJson, floatJson, longJson, timestampText, timeText } from './value-text.ts'

/** JSON of slot `i` of a vector; slots may be null. */
export type CellWriter = (v: Vector, i: number) => string

/**
 * Turns chunks of rows with these columns into JSON lines, one object per row with its keys in column order: 64-bit integers beyond
 * 2^53 and decimals as strings, points in time ISO with six digits and Z, bytes base64, maps and structs as objects, null for null. Of rows [from, to).
 */
export function rowLines(columns: readonly LakeColumn[]): (vectors: readonly Vector[], to: number, from?: number) => string {
  const object = rowObject(columns)
  return (vectors, to, from = 0) => {
    let out = ''
    for (let r = from; r < to; r++) out += `${object(vectors, r)}\n`
    return out
  }
}

/** The same of one row, without a line feed. */
export function rowObject(columns: readonly LakeColumn[]): (vectors: readonly Vector[], row: number) => string {
  if (columns.length === 0) return () => '{}'
  const names = columns.map((c, i) => `${i === 0 ? '{' : ','}${JSON.stringify(c.name)}:`)
  const writers = columns.map((c) => cellWriter(c.type))
  return (vectors, row) => {
    let out = ''
    for (let c = 0; c < writers.length; c++) out += names[c] + writers[c](vectors[c], row)
    return `${out}}`
  }
}

/** Writer of the values of a column, chosen by its type once. */
export function cellWriter(type: LakeType): CellWriter {
  const write = presentWriter(type)
  return (v, i) => (v.valid !== null && v.valid[i] === 0 ? 'null' : write(v, i))
}

function presentWriter(type: LakeType): CellWriter {
  switch (type.kind) {
    case 'string':
      return bytesWriter((data, from, to) => JSON.stringify(data.toString('utf8', from, to)))
    case 'bytes':
      return bytesWriter((data, from, to) => `"${data.toString('base64', from, to)}"`)
    case 'list': {
      const item = cellWriter(type.element)
      return (v, i) => {
        assert(v.kind === 'list', 'a list column has list vectors')
        return `[${span(v.offsets[i], v.offsets[i + 1], (k) => item(v.element, k))}]`
      }
    }
    case 'map': {
      const item = cellWriter(type.value)
      return (v, i) => {
        assert(v.kind === 'map', 'a map column has map vectors')
        const { key } = v
        const name = (k: number): string => JSON.stringify(key.data.toString('utf8', key.offsets[k], key.offsets[k + 1]))
        return `{${span(v.offsets[i], v.offsets[i + 1], (k) => `${name(k)}:${item(v.value, k)}`)}}`
      }
    }
    case 'struct': {
      const names = type.fields.map((f, i) => `${i === 0 ? '{' : ','}${JSON.stringify(f.name)}:`)
      const items = type.fields.map((f) => cellWriter(f.type))
      return (v, i) => {
        assert(v.kind === 'struct', 'a struct column has struct vectors')
        let out = ''
        for (let f = 0; f < items.length; f++) out += names[f] + items[f](v.fields[f], i)
        return `${out}}`
      }
    }
    case 'decimal': {
      const { scale } = type
      return fixedWriter((data, at, width) => `"${decimalText(data, at, width, scale)}"`)
    }
    case 'boolean':
      return fixedWriter((data, at) => (data[at] === 0 ? 'false' : 'true'))
    case 'int':
      return fixedWriter((data, at) => String(data.readInt32LE(at)))
    case 'long':
      return fixedWriter((data, at) => longJson(data.readBigInt64LE(at)))
    case 'float':
      return fixedWriter((data, at) => floatJson(data.readFloatLE(at)))
    case 'double':
      return fixedWriter((data, at) => doubleJson(data.readDoubleLE(at)))
    case 'date':
      return fixedWriter((data, at) => `"${dateText(data.readInt32LE(at))}"`)
    case 'time-micros':
      return fixedWriter((data, at) => `"${timeText(data.readBigInt64LE(at))}"`)
    case 'timestamp-micros':
      return fixedWriter((data, at) => `"${timestampText(data.readBigInt64LE(at))}"`)
  }
}

function bytesWriter(write: (data: Buffer, from: number, to: number) => string): CellWriter {
  return (v, i) => {
    assert(v.kind === 'bytes', 'a column of texts or bytes has bytes vectors')
    return write(v.data, v.offsets[i], v.offsets[i + 1])
  }
}

function fixedWriter(write: (data: Buffer, at: number, width: number) => string): CellWriter {
  return (v, i) => {
    assert(v.kind === 'fixed', 'a fixed-width column has fixed vectors')
    return write(v.data, i * v.width, v.width)
  }
}

function span(from: number, to: number, write: (k: number) => string): string {
  let out = ''
  for (let k = from; k < to; k++) out += k === from ? write(k) : `,${write(k)}`
  return out
}
