import type { LakeColumn, LakeType, Vector } from '../../contract/columns.ts'
import { ByteCursor } from '../bytes/cursor.ts'
import {
  BytesBuilder,
  type ColumnBuilder,
  columnBuilder,
  FixedBuilder,
  ListBuilder,
  MapBuilder,
  StructBuilder,
} from '../columns/builders.ts'
import { parseWriterSchema, type WriterShape } from './writer-shape.ts'

type Step = (c: ByteCursor) => void

/** A stored type that a column's type cannot hold: `from` as the schema says it. */
export class Unreadable extends Error {
  readonly column: string
  readonly from: string

  constructor(column: string, from: string) {
    super(`${column} is a ${from}`)
    this.column = column
    this.from = from
  }
}

/**
 * Decodes Avro datums of one record schema into columns, by name: fields that no column wants are skipped, columns that the schema lacks are
 * not there (null vector). Types widen as Avro's resolution and Hudi's schema evolution allow: int → long → float → double, string ⇄ bytes,
 * decimals to more digits, milliseconds to microseconds. The functions are put together once per schema; no object is made per row.
 */
export class RowColumns {
  readonly #steps: readonly Step[]
  readonly #builders: readonly (ColumnBuilder | null)[]
  readonly #cursor = new ByteCursor()
  /** Per column: the schema has it. */
  readonly present: readonly boolean[]
  count = 0

  /** Throws Unreadable for a column of a type that does not fit, a plain Error for what is no record schema. */
  constructor(schemaText: string, columns: readonly LakeColumn[]) {
    const shape = parseWriterSchema(schemaText)
    if (shape.kind !== 'record') throw new Error('the Avro schema is no record')
    const stored = new Set(shape.fields.map((f) => f.name))
    const place = new Map(columns.map((c, i) => [c.name, i]))
    this.#builders = columns.map((c) => (stored.has(c.name) ? columnBuilder(c.type) : null))
    this.present = this.#builders.map((b) => b !== null)
    this.#steps = shape.fields.map((f) => {
      const at = place.get(f.name)
      return at === undefined ? skip(f.shape) : into(f.shape, columns[at].type, this.#builders[at]!, f.name)
    })
  }

  /** Bytes held so far. */
  get bytes(): number {
    let n = 0
    for (const b of this.#builders) if (b !== null) n += b.bytes
    return n
  }

  /** Adds the datum buf[from, to). Throws when it is none of this schema. */
  add(buf: Buffer, from: number, to: number): void {
    const c = this.#cursor
    c.reset(buf, from, to)
    for (let i = 0; i < this.#steps.length; i++) this.#steps[i](c)
    if (c.pos !== to) throw new Error('an Avro record has another length than it says')
    this.count++
  }

  /** The rows added so far; starts over. */
  take(): (Vector | null)[] {
    this.count = 0
    return this.#builders.map((b) => (b === null ? null : b.take()))
  }
}

/** Reads a value of `shape` and adds it to the builder of `type`. */
function into(shape: WriterShape, type: LakeType, b: ColumnBuilder, column: string): Step {
  if (shape.kind === 'union') {
    const branches = shape.branches.map((s): Step => (s.kind === 'null' ? () => b.appendNull() : into(s, type, b, column)))
    return (c) => branch(branches, c)(c)
  }
  const step = nested(shape, b, type, column) ?? fixed(shape, type, b) ?? text(shape, b)
  if (step === null) throw new Unreadable(column, nameOf(shape))
  return step
}

function nested(shape: WriterShape, b: ColumnBuilder, type: LakeType, column: string): Step | null {
  if (type.kind === 'list' && shape.kind === 'array' && b instanceof ListBuilder) {
    const item = into(shape.items, type.element, b.element, column)
    return blocks(item, () => b.end())
  }
  if (type.kind === 'map' && shape.kind === 'map' && b instanceof MapBuilder) {
    const value = into(shape.items, type.value, b.value, column)
    const entry: Step = (c) => {
      appendBytes(c, b.key)
      value(c)
    }
    return blocks(entry, () => b.end())
  }
  if (type.kind === 'struct' && shape.kind === 'record' && b instanceof StructBuilder) return record(shape, type, b, column)
  return null
}

/** Fields by name: those that the type lacks are skipped, those that the record lacks are null. */
function record(
  shape: Extract<WriterShape, { kind: 'record' }>,
  type: Extract<LakeType, { kind: 'struct' }>,
  b: StructBuilder,
  column: string,
): Step {
  const steps = shape.fields.map((f) => {
    const at = type.fields.findIndex((x) => x.name === f.name)
    return at < 0 ? skip(f.shape) : into(f.shape, type.fields[at].type, b.fields[at], `${column}.${f.name}`)
  })
  return (c) => {
    for (let i = 0; i < steps.length; i++) steps[i](c)
    b.end()
  }
}

function fixed(shape: WriterShape, type: LakeType, b: ColumnBuilder): Step | null {
  if (!(b instanceof FixedBuilder)) return null
  if (type.kind === 'decimal') return decimal(shape, type.scale, b)
  const from = shape.kind
  switch (type.kind) {
    case 'boolean':
      return from === 'boolean' ? (c) => b.appendByte(oneByte(c)) : null
    case 'int':
    case 'date':
      return from === 'int' ? (c) => b.appendI32(c.zigzag32()) : null
    case 'long':
      return from === 'long' || from === 'int' ? (c) => appendLong(c, b) : null
    case 'time-micros':
    case 'timestamp-micros':
      return time(shape, b)
    case 'float':
      if (from === 'float') return (c) => raw(c, b, 4)
      return from === 'int' || from === 'long' ? (c) => appendFloat(b, c.zigzagNumber()) : null
    case 'double':
      return double(shape, b)
    default:
      return null
  }
}

function time(shape: WriterShape, b: FixedBuilder): Step | null {
  if (shape.kind !== 'long' && shape.kind !== 'int') return null
  const millis = shape.logical?.name.endsWith('-millis') === true
  if (!millis) return shape.kind === 'long' ? (c) => appendLong(c, b) : null
  return (c) => {
    c.zigzag64()
    const v = BigInt.asUintN(64, ((BigInt(c.hi | 0) << 32n) | BigInt(c.lo)) * 1000n)
    b.appendI64(Number(v >> 32n), Number(v & 0xffffffffn))
  }
}

function double(shape: WriterShape, b: FixedBuilder): Step | null {
  switch (shape.kind) {
    case 'double':
      return (c) => raw(c, b, 8)
    case 'float':
      return (c) => {
        c.skip(4)
        appendDouble(b, c.buf.readFloatLE(c.pos - 4))
      }
    case 'int':
    case 'long':
      return (c) => appendDouble(b, c.zigzagNumber())
    default:
      return null
  }
}

function decimal(shape: WriterShape, scale: number, b: FixedBuilder): Step | null {
  if ((shape.kind !== 'fixed' && shape.kind !== 'bytes') || shape.logical?.name !== 'decimal') return null
  const up = scale - shape.logical.scale
  if (up < 0) return null
  const size = shape.kind === 'fixed' ? shape.size : -1
  return (c) => {
    const length = size < 0 ? c.length() : size
    c.skip(length)
    let from = c.pos - length
    let bytes: Uint8Array = c.buf
    let n = length
    if (up > 0) {
      bytes = scaledUp(c.buf.subarray(from, c.pos), up)
      from = 0
      n = bytes.length
    }
    // leading sign bytes that the column's width has no room for
    while (n > b.width && (bytes[from] === 0 || bytes[from] === 255) && bytes[from] >> 7 === bytes[from + 1] >> 7) {
      from++
      n--
    }
    if (n > b.width) throw new Error('a decimal has more digits than its column')
    b.appendSigned(bytes, from, n)
  }
}

function scaledUp(bytes: Uint8Array, digits: number): Buffer {
  const bits = bytes.length * 8
  const value = bits === 0 ? 0n : BigInt.asIntN(bits, BigInt(`0x${Buffer.from(bytes).toString('hex')}`))
  const wide = BigInt.asUintN(256, value * 10n ** BigInt(digits))
  return Buffer.from(wide.toString(16).padStart(64, '0'), 'hex')
}

function text(shape: WriterShape, b: ColumnBuilder): Step | null {
  if (!(b instanceof BytesBuilder)) return null
  if (shape.kind === 'string' || (shape.kind === 'bytes' && shape.logical === null)) return (c) => appendBytes(c, b)
  if (shape.kind === 'enum') {
    const symbols = shape.symbols.map((s) => Buffer.from(s, 'utf8'))
    return (c) => {
      const symbol = symbols[c.zigzag32()]
      if (symbol === undefined) throw new Error('an enum value has no symbol')
      b.append(symbol, 0, symbol.length)
    }
  }
  if (shape.kind !== 'fixed' || shape.logical !== null) return null
  const { size } = shape
  return (c) => {
    c.skip(size)
    b.append(c.buf, c.pos - size, size)
  }
}

/** A function that moves a cursor over one value of this shape. */
export function skip(shape: WriterShape): Step {
  switch (shape.kind) {
    case 'null':
      return () => undefined
    case 'boolean':
      return (c) => c.skip(1)
    case 'int':
    case 'enum':
    case 'long':
      return (c) => c.zigzag64()
    case 'float':
      return (c) => c.skip(4)
    case 'double':
      return (c) => c.skip(8)
    case 'string':
    case 'bytes':
      return (c) => c.skip(c.length())
    case 'fixed':
      return (c) => c.skip(shape.size)
    case 'union': {
      const branches = shape.branches.map(skip)
      return (c) => branch(branches, c)(c)
    }
    case 'array':
      return blocks(skip(shape.items), () => undefined)
    case 'map': {
      const value = skip(shape.items)
      return blocks(
        (c) => {
          c.skip(c.length())
          value(c)
        },
        () => undefined,
      )
    }
    case 'record':
      return skipRecord(shape)
  }
}

/** A record may hold itself: its steps are made when they are first needed. */
function skipRecord(shape: Extract<WriterShape, { kind: 'record' }>): Step {
  let steps: Step[] | null = null
  return (c) => {
    steps ??= shape.fields.map((f) => skip(f.shape))
    for (const s of steps) s(c)
  }
}

function branch(branches: readonly Step[], c: ByteCursor): Step {
  const step = branches[c.zigzag32()]
  if (step === undefined) throw new Error('a union has no such branch')
  return step
}

/** Arrays and maps: (count item*)* 0; a negative count is followed by the size of its items in bytes. */
function blocks(item: Step, end: () => void): Step {
  return (c) => {
    for (let n = c.zigzag32(); n !== 0; n = c.zigzag32()) {
      if (n < 0) {
        c.zigzag64()
        n = -n
      }
      if (n > c.end - c.pos + 1024) throw new Error('an array is longer than its record')
      for (let i = 0; i < n; i++) item(c)
    }
    end()
  }
}

function appendBytes(c: ByteCursor, b: BytesBuilder): void {
  const n = c.length()
  b.append(c.buf, c.pos, n)
  c.pos += n
}

function appendLong(c: ByteCursor, b: FixedBuilder): void {
  c.zigzag64()
  b.appendI64(c.hi, c.lo)
}

function oneByte(c: ByteCursor): number {
  c.skip(1)
  return c.buf[c.pos - 1] === 0 ? 0 : 1
}

function raw(c: ByteCursor, b: FixedBuilder, size: number): void {
  c.skip(size)
  b.appendRaw(c.buf, c.pos - size)
}

const NUMBER = Buffer.alloc(8)

function appendDouble(b: FixedBuilder, x: number): void {
  NUMBER.writeDoubleLE(x)
  b.appendRaw(NUMBER, 0)
}

function appendFloat(b: FixedBuilder, x: number): void {
  NUMBER.writeFloatLE(x)
  b.appendRaw(NUMBER, 0)
}

function nameOf(shape: WriterShape): string {
  if ('logical' in shape && shape.logical !== null) return shape.logical.name
  return shape.kind === 'record' ? `record ${shape.name}` : shape.kind
}
