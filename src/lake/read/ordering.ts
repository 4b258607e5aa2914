import type { LakeColumn } from '../../contract/columns.ts'
import { Failure } from '../../failure/failure.ts'
import { decimalWidth } from '../../format/columns/decimal-width.ts'
import type { OrderingValue } from '../../format/hudi-log/delete-content.ts'
import { type Column, int32View } from '../../format/parquet/column.ts'
import { fixedWidth } from '../merge/gather.ts'
import { TextColumn } from './text-column.ts'

/** A delete that removes whatever was stored; a row without a value; a row or delete with one. */
export const UNCONDITIONAL = 0
export const NONE = 1
export const VALUE = 2

/** Ordering values of rows: signed 64 bits as two words, or bytes that compare as the values do. */
export interface Ordering {
  readonly state: Uint8Array
  readonly hi: Int32Array
  readonly lo: Int32Array
  /** Null: the values are in hi and lo. */
  readonly text: { readonly data: Buffer; readonly offsets: Int32Array } | null
}

/** Sign of value i of `a` less value j of `b`. A row without a value comes before all others. */
export function compareOrdering(a: Ordering, i: number, b: Ordering, j: number): number {
  if (a.state[i] !== VALUE || b.state[j] !== VALUE) return a.state[i] - b.state[j]
  if (a.text !== null && b.text !== null) {
    const { data, offsets } = a.text
    return data.compare(b.text.data, b.text.offsets[j], b.text.offsets[j + 1], offsets[i], offsets[i + 1])
  }
  if (a.hi[i] !== b.hi[j]) return a.hi[i] < b.hi[j] ? -1 : 1
  const x = a.lo[i] >>> 0
  const y = b.lo[j] >>> 0
  return x < y ? -1 : x > y ? 1 : 0
}

/** Rows that all have the same state. */
export function constantOrdering(count: number, state: number): Ordering {
  return { state: new Uint8Array(count).fill(state), hi: new Int32Array(count), lo: new Int32Array(count), text: null }
}

const INTEGERS: ReadonlySet<string> = new Set(['boolean', 'int', 'date', 'long', 'time-micros', 'timestamp-micros'])
/** Number of the binlog file and position in it, as Hudi's MySQL source writes them. */
const EVENT_SEQUENCE = /^(\d{1,9})\.(\d{1,10})$/

/** Makes ordering values of a table's ordering fields comparable: from columns, and from what delete blocks carry. */
export class OrderingFields {
  readonly columns: readonly LakeColumn[]
  readonly #table: string
  readonly #words: boolean

  /** A field of a type that has no order, or of which there is no column, fails with TRB-LAKE-023. */
  constructor(table: string, columns: readonly LakeColumn[]) {
    this.#table = table
    this.columns = columns
    for (const c of columns)
      if (c.type.kind === 'list' || c.type.kind === 'map' || c.type.kind === 'struct') throw this.#bad(c, `it is a ${c.type.kind}`)
    this.#words = columns.length === 1 && (isWord(columns[0]) || isEventSequence(columns[0]))
  }

  /** Values of rows; `columns` parallel to the fields, null where the file has none. */
  ofRows(columns: readonly (Column | null)[], count: number): Ordering {
    const out = constantOrdering(count, NONE)
    if (this.columns.length === 0) return out
    if (!this.#words) {
      const texts = columns.map((c) => (c === null || c.kind === 'fixed' ? null : new TextColumn(c)))
      return this.#texts(out, count, (i, f, sink) => this.#rowText(columns[f], texts[f], i, f, sink))
    }
    const v = columns[0]
    if (v === null) return out
    if (v.kind !== 'fixed') this.#sequences(v, count, out)
    else if (v.width === 8) longs(v.data, v.valid, count, out, this.columns[0].type.kind === 'double')
    else if (v.width === 4 && this.columns[0].type.kind !== 'float') ints(v.data, v.valid, count, out)
    else for (let i = 0; i < count; i++) if (v.valid === null || v.valid[i] === 1) putNumber(out, i, this.columns[0].type.kind, v.data, i)
    return out
  }

  /** Values that came with deletes; null: all are unconditional. */
  ofDeletes(values: readonly OrderingValue[] | null, count: number): Ordering {
    const out = constantOrdering(count, UNCONDITIONAL)
    if (values === null || this.columns.length === 0) return out
    const parts = values.map((v) => (v === null ? null : this.columns.length === 1 && !Array.isArray(v) ? [v] : (v as OrderingValue[])))
    for (const p of parts) {
      if (p !== null && p.length !== this.columns.length) throw this.#bad(this.columns[0], `a delete has ${p.length} ordering values`)
    }
    if (!this.#words) {
      const texts = this.#texts(out, count, (i, f, sink) => {
        const p = parts[i]
        return p !== null && p[f] !== null && this.#deleteText(p[f], this.columns[f], sink)
      })
      for (let i = 0; i < count; i++) if (parts[i] === null) texts.state[i] = UNCONDITIONAL
      return texts
    }
    for (let i = 0; i < count; i++) {
      const p = parts[i]
      if (p === null) continue
      out.state[i] = p[0] === null ? NONE : VALUE
      if (p[0] !== null) putLong(out, i, this.#long(p[0], this.columns[0]))
    }
    return out
  }

  /** One byte string per row: for every field 0 (no value) or 1 and the value's bytes. `put` says whether there is a value. */
  #texts(out: Ordering, count: number, put: (i: number, field: number, sink: Sink) => boolean): Ordering {
    const offsets = new Int32Array(count + 1)
    const sink = new Sink()
    for (let i = 0; i < count; i++) {
      for (let f = 0; f < this.columns.length; f++) {
        const at = sink.length
        sink.byte(1)
        if (put(i, f, sink)) out.state[i] = VALUE
        else sink.cut(at, 0)
      }
      offsets[i + 1] = sink.length
    }
    return { ...out, text: { data: sink.bytes(), offsets } }
  }

  #rowText(v: Column | null, text: TextColumn | null, i: number, f: number, sink: Sink): boolean {
    if (v === null) return false
    const { type } = this.columns[f]
    if (v.kind === 'fixed') {
      if (v.valid !== null && v.valid[i] === 0) return false
      if (type.kind === 'decimal') sink.signed(v.data, i * v.width, (i + 1) * v.width)
      else sink.long(numberAt(type.kind, v.data, i))
      return true
    }
    if (text === null || !text.at(i)) return false
    sink.escaped(text.data, text.from, text.to)
    return true
  }

  #deleteText(value: OrderingValue, column: LakeColumn, sink: Sink): boolean {
    const { type } = column
    if (type.kind === 'string' || type.kind === 'bytes') {
      if (typeof value !== 'string' && !(value instanceof Uint8Array)) throw this.#mismatch(column)
      const bytes = Buffer.from(value as string)
      sink.escaped(bytes, 0, bytes.length)
    } else if (type.kind === 'decimal') {
      if (typeof value !== 'object' || value === null || !('decimal' in value)) throw this.#mismatch(column)
      const unscaled = rescaled(signedOf(value.decimal), type.scale)
      if (unscaled === null) throw this.#bad(column, `the value of a delete has more than ${type.scale} decimal places`)
      const width = decimalWidth(type.precision)
      const bytes = Buffer.from(
        BigInt.asUintN(width * 8, unscaled)
          .toString(16)
          .padStart(width * 2, '0'),
        'hex',
      )
      sink.signed(bytes, 0, width)
    } else sink.long(this.#long(value, column))
    return true
  }

  #long(value: OrderingValue, column: LakeColumn): bigint {
    if (isEventSequence(column)) {
      if (typeof value !== 'string') throw this.#mismatch(column)
      return this.#sequence(value)
    }
    const { kind } = column.type
    if (kind === 'float' || kind === 'double') {
      const x = typeof value === 'object' && value !== null && 'float' in value ? value.float : Number(value)
      return sortable(x)
    }
    if (typeof value === 'bigint') return value
    if (typeof value === 'number' || typeof value === 'boolean') return BigInt(value)
    throw this.#mismatch(column)
  }

  #sequences(v: Column, count: number, out: Ordering): void {
    const text = new TextColumn(v)
    for (let i = 0; i < count; i++) {
      if (!text.at(i)) continue
      out.state[i] = VALUE
      putLong(out, i, this.#sequence(text.data.toString('latin1', text.from, text.to)))
    }
  }

  #sequence(text: string): bigint {
    const m = EVENT_SEQUENCE.exec(text)
    if (m === null) throw this.#bad(this.columns[0], `"${text}" is not <file number>.<position>`)
    return (BigInt(m[1]) << 34n) + BigInt(m[2])
  }

  #mismatch(column: LakeColumn): Failure {
    return this.#bad(column, `a delete carries a value of another type than ${column.type.kind}`)
  }

  #bad(column: LakeColumn, problem: string): Failure {
    return new Failure('TRB-LAKE-023', { table: this.#table, column: column.name, problem })
  }
}

function isWord({ type }: LakeColumn): boolean {
  return INTEGERS.has(type.kind) || type.kind === 'float' || type.kind === 'double'
}

function isEventSequence({ name, type }: LakeColumn): boolean {
  return name === '_event_seq' && type.kind === 'string'
}

function longs(data: Buffer, valid: Uint8Array | null, count: number, out: Ordering, double: boolean): void {
  const words = int32View(data, count * 2)
  for (let i = 0; i < count; i++) {
    if (valid !== null && valid[i] === 0) continue
    out.state[i] = VALUE
    const hi = words[i * 2 + 1]
    // of two negative doubles the one with the larger bits is smaller
    const flip = double && hi < 0
    out.hi[i] = flip ? hi ^ 0x7fffffff : hi
    out.lo[i] = flip ? ~words[i * 2] : words[i * 2]
  }
}

function ints(data: Buffer, valid: Uint8Array | null, count: number, out: Ordering): void {
  const words = int32View(data, count)
  for (let i = 0; i < count; i++) {
    if (valid !== null && valid[i] === 0) continue
    out.state[i] = VALUE
    out.hi[i] = words[i] >> 31
    out.lo[i] = words[i]
  }
}

function putNumber(out: Ordering, i: number, kind: string, data: Buffer, row: number): void {
  out.state[i] = VALUE
  putLong(out, i, numberAt(kind, data, row))
}

/** The value of a fixed-width column as an integer that compares like it. */
function numberAt(kind: string, data: Buffer, row: number): bigint {
  const width = fixedWidth({ kind } as LakeColumn['type'])
  if (kind === 'boolean') return BigInt(data[row])
  if (kind === 'float') return sortable(data.readFloatLE(row * 4))
  if (kind === 'double') return sortable(data.readDoubleLE(row * 8))
  return width === 4 ? BigInt(data.readInt32LE(row * 4)) : data.readBigInt64LE(row * 8)
}

function sortable(x: number): bigint {
  const bits = Buffer.alloc(8)
  bits.writeDoubleLE(x)
  const v = bits.readBigInt64LE()
  return v < 0n ? v ^ 0x7fffffffffffffffn : v
}

function putLong(out: Ordering, i: number, value: bigint): void {
  out.hi[i] = Number(BigInt.asIntN(32, value >> 32n))
  out.lo[i] = Number(BigInt.asIntN(32, value))
}

function signedOf(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).toString('hex')}`))
}

/** Decimals of delete blocks have 15 places. Null: not without a remainder. */
function rescaled(value: bigint, scale: number): bigint | null {
  if (scale >= 15) return value * 10n ** BigInt(scale - 15)
  const down = 10n ** BigInt(15 - scale)
  return value % down === 0n ? value / down : null
}

/** Bytes that compare as the values in them do. */
class Sink {
  #data = Buffer.allocUnsafe(1024)
  length = 0

  byte(b: number): void {
    if (this.length === this.#data.length) {
      const next = Buffer.allocUnsafe(this.length * 2)
      this.#data.copy(next)
      this.#data = next
    }
    this.#data[this.length++] = b
  }

  /** Goes back to `at` and writes `b` there. */
  cut(at: number, b: number): void {
    this.length = at
    this.byte(b)
  }

  long(value: bigint): void {
    const v = BigInt.asUintN(64, value) ^ (1n << 63n)
    for (let shift = 56n; shift >= 0n; shift -= 8n) this.byte(Number((v >> shift) & 255n))
  }

  /** Two's complement, of the same width for all values. */
  signed(src: Uint8Array, from: number, to: number): void {
    for (let i = from; i < to; i++) this.byte(i === from ? src[i] ^ 128 : src[i])
  }

  /** A byte string that ends: 0 becomes 0 255, and the end is 0 0. */
  escaped(src: Uint8Array, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      this.byte(src[i])
      if (src[i] === 0) this.byte(255)
    }
    this.byte(0)
    this.byte(0)
  }

  bytes(): Buffer {
    return this.#data.subarray(0, this.length)
  }
}
