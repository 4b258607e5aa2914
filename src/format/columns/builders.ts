import type { BytesVector, FixedVector, LakeType, ListVector, MapVector, StructVector, Vector } from '../../contract/columns.ts'
import { decimalWidth } from './decimal-width.ts'

/** Grows one column of vectors (contract/columns.ts) value by value. `take` hands the vector over and starts a new one. */
export interface ColumnBuilder {
  readonly count: number
  /** Bytes held, nulls and offsets included. */
  readonly bytes: number
  appendNull(): void
  take(): Vector
}

const START_ROWS = 1024

/** Room for the next vector: what the last one needed and an eighth more, so that chunks of one size are filled without growing. */
const nextRoom = (used: number, least: number): number => Math.max(least, used + (used >> 3))

/** Which rows are null. Stays empty (no array) until the first null. */
class Validity {
  bits: Uint8Array | null = null
  #room = START_ROWS

  /** Row `index` is null. */
  clear(index: number): void {
    let bits = this.bits
    if (bits === null || index >= bits.length) bits = this.#grow(bits, index)
    bits[index] = 0
  }

  take(count: number): Uint8Array | null {
    const bits = this.bits
    this.bits = null
    this.#room = nextRoom(count, START_ROWS)
    if (bits === null) return null
    if (bits.length >= count) return bits.subarray(0, count)
    const out = new Uint8Array(count).fill(1)
    out.set(bits)
    return out
  }

  #grow(bits: Uint8Array | null, index: number): Uint8Array {
    const next = new Uint8Array(Math.max(this.#room, (index + 1) * 2)).fill(1)
    if (bits !== null) next.set(bits)
    this.bits = next
    return next
  }
}

export class FixedBuilder implements ColumnBuilder {
  count = 0
  data: Buffer
  readonly width: number
  readonly #valid = new Validity()

  constructor(width: number) {
    this.width = width
    this.data = Buffer.allocUnsafe(START_ROWS * width)
  }

  get bytes(): number {
    return this.count * this.width
  }

  appendNull(): void {
    const at = this.#slot()
    this.data.fill(0, at, at + this.width)
    this.#valid.clear(this.count - 1)
  }

  appendByte(value: number): void {
    const at = this.#slot()
    this.data[at] = value
  }

  /** Little-endian. */
  appendI32(value: number): void {
    const at = this.#slot()
    const d = this.data
    d[at] = value
    d[at + 1] = value >> 8
    d[at + 2] = value >> 16
    d[at + 3] = value >> 24
  }

  /** Little-endian, from two u32. */
  appendI64(hi: number, lo: number): void {
    const at = this.#slot()
    const d = this.data
    d[at] = lo
    d[at + 1] = lo >>> 8
    d[at + 2] = lo >>> 16
    d[at + 3] = lo >>> 24
    d[at + 4] = hi
    d[at + 5] = hi >>> 8
    d[at + 6] = hi >>> 16
    d[at + 7] = hi >>> 24
  }

  /** `width` bytes as they are. */
  appendRaw(src: Uint8Array, start: number): void {
    const at = this.#slot()
    const d = this.data
    for (let i = 0; i < this.width; i++) d[at + i] = src[start + i]
  }

  /** Two's complement of `length` ≤ width bytes, sign-extended to the width (big-endian). */
  appendSigned(src: Uint8Array, start: number, length: number): void {
    const at = this.#slot()
    const d = this.data
    const pad = this.width - length
    const fill = length > 0 && src[start] > 127 ? 255 : 0
    for (let i = 0; i < pad; i++) d[at + i] = fill
    for (let i = 0; i < length; i++) d[at + pad + i] = src[start + i]
  }

  take(): FixedVector {
    const v: FixedVector = {
      kind: 'fixed',
      width: this.width,
      data: this.data.subarray(0, this.count * this.width),
      valid: this.#valid.take(this.count),
    }
    this.data = Buffer.allocUnsafe(nextRoom(this.count, START_ROWS) * this.width)
    this.count = 0
    return v
  }

  #slot(): number {
    const at = this.count * this.width
    if (at + this.width > this.data.length) {
      const next = Buffer.allocUnsafe(this.data.length * 2)
      this.data.copy(next, 0, 0, at)
      this.data = next
    }
    this.count++
    return at
  }
}

export class BytesBuilder implements ColumnBuilder {
  count = 0
  data: Buffer = Buffer.allocUnsafe(START_ROWS * 16)
  #used = 0
  #offsets = new Int32Array(START_ROWS + 1)
  readonly #valid = new Validity()

  get bytes(): number {
    return this.#used + this.count * 4
  }

  appendNull(): void {
    this.#end()
    this.#valid.clear(this.count - 1)
  }

  append(src: Uint8Array, start: number, length: number): void {
    const at = this.#used
    if (at + length > this.data.length) this.#grow(at + length)
    const d = this.data
    if (length <= 24) for (let i = 0; i < length; i++) d[at + i] = src[start + i]
    else Buffer.prototype.copy.call(src, d, at, start, start + length)
    this.#used = at + length
    this.#end()
  }

  /** Whether the last value has these bytes (and at least one). */
  lastIs(bytes: Buffer): boolean {
    const start = this.#offsets[this.count - 1]
    return this.#used - start === bytes.length && bytes.compare(this.data, start, this.#used) === 0
  }

  take(): BytesVector {
    const v: BytesVector = {
      kind: 'bytes',
      data: this.data.subarray(0, this.#used),
      offsets: this.#offsets.subarray(0, this.count + 1),
      valid: this.#valid.take(this.count),
    }
    this.data = Buffer.allocUnsafe(nextRoom(this.#used, START_ROWS * 16))
    this.#offsets = new Int32Array(nextRoom(this.count, START_ROWS) + 1)
    this.count = 0
    this.#used = 0
    return v
  }

  #grow(need: number): void {
    let size = this.data.length * 2
    while (size < need) size *= 2
    const next = Buffer.allocUnsafe(size)
    this.data.copy(next, 0, 0, this.#used)
    this.data = next
  }

  #end(): void {
    const n = ++this.count
    if (n >= this.#offsets.length) this.#offsets = grown(this.#offsets)
    this.#offsets[n] = this.#used
  }
}

/** The elements go into `element`; `end` closes one list. */
export class ListBuilder implements ColumnBuilder {
  count = 0
  readonly element: ColumnBuilder
  #offsets = new Int32Array(START_ROWS + 1)
  readonly #valid = new Validity()

  constructor(element: ColumnBuilder) {
    this.element = element
  }

  get bytes(): number {
    return this.count * 4 + this.element.bytes
  }

  appendNull(): void {
    this.end()
    this.#valid.clear(this.count - 1)
  }

  end(): void {
    const n = ++this.count
    if (n >= this.#offsets.length) this.#offsets = grown(this.#offsets)
    this.#offsets[n] = this.element.count
  }

  take(): ListVector {
    const v: ListVector = {
      kind: 'list',
      offsets: this.#offsets.subarray(0, this.count + 1),
      valid: this.#valid.take(this.count),
      element: this.element.take(),
    }
    this.#offsets = new Int32Array(nextRoom(this.count, START_ROWS) + 1)
    this.count = 0
    return v
  }
}

export class MapBuilder implements ColumnBuilder {
  count = 0
  readonly key = new BytesBuilder()
  readonly value: ColumnBuilder
  #offsets = new Int32Array(START_ROWS + 1)
  readonly #valid = new Validity()

  constructor(value: ColumnBuilder) {
    this.value = value
  }

  get bytes(): number {
    return this.count * 4 + this.key.bytes + this.value.bytes
  }

  appendNull(): void {
    this.end()
    this.#valid.clear(this.count - 1)
  }

  end(): void {
    const n = ++this.count
    if (n >= this.#offsets.length) this.#offsets = grown(this.#offsets)
    this.#offsets[n] = this.key.count
  }

  take(): MapVector {
    const v: MapVector = {
      kind: 'map',
      offsets: this.#offsets.subarray(0, this.count + 1),
      valid: this.#valid.take(this.count),
      key: this.key.take(),
      value: this.value.take(),
    }
    this.#offsets = new Int32Array(nextRoom(this.count, START_ROWS) + 1)
    this.count = 0
    return v
  }
}

/** Each row's values go into `fields`; `end` closes it. */
export class StructBuilder implements ColumnBuilder {
  count = 0
  readonly fields: readonly ColumnBuilder[]
  readonly #valid = new Validity()

  constructor(fields: readonly ColumnBuilder[]) {
    this.fields = fields
  }

  get bytes(): number {
    return this.fields.reduce((n, f) => n + f.bytes, this.count)
  }

  appendNull(): void {
    this.end()
    this.#valid.clear(this.count - 1)
  }

  /** Fields without a value in this row become null. */
  end(): void {
    this.count++
    for (const f of this.fields) if (f.count < this.count) f.appendNull()
  }

  take(): StructVector {
    const { count } = this
    this.count = 0
    return { kind: 'struct', count, valid: this.#valid.take(count), fields: this.fields.map((f) => f.take()) }
  }
}

/** The builder that holds values of `type` in the form of contract/columns.ts. */
export function columnBuilder(type: LakeType): ColumnBuilder {
  switch (type.kind) {
    case 'boolean':
      return new FixedBuilder(1)
    case 'int':
    case 'float':
    case 'date':
      return new FixedBuilder(4)
    case 'long':
    case 'double':
    case 'time-micros':
    case 'timestamp-micros':
      return new FixedBuilder(8)
    case 'decimal':
      return new FixedBuilder(decimalWidth(type.precision))
    case 'string':
    case 'bytes':
      return new BytesBuilder()
    case 'list':
      return new ListBuilder(columnBuilder(type.element))
    case 'map':
      return new MapBuilder(columnBuilder(type.value))
    case 'struct':
      return new StructBuilder(type.fields.map((f) => columnBuilder(f.type)))
  }
}

function grown(offsets: Int32Array): Int32Array<ArrayBuffer> {
  const next = new Int32Array(offsets.length * 2)
  next.set(offsets)
  return next
}
