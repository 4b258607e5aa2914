import type { ConnectSchema } from '../../contract/connect-schema.ts'
import { assert } from '../../failure/failure.ts'
import { ByteCursor } from '../../format/bytes/cursor.ts'
import { GrowableSink } from '../../format/bytes/growable-sink.ts'
import { writeText } from '../transaction-tracker.ts'

/** Moves behind one value of the schema, its union branch included. */
export function skipValue(schema: ConnectSchema, c: ByteCursor): void {
  if (schema.optional && c.varint() >>> 1 !== valueBranch(schema)) return
  skipPresent(schema, c)
}

/** Number of the branch that is not null: a default comes first. */
function valueBranch(schema: ConnectSchema): 0 | 1 {
  return schema.default === undefined ? 1 : 0
}

/** Moves behind a value that is not null, behind its branch. */
export function skipPresent(schema: ConnectSchema, c: ByteCursor): void {
  switch (schema.type) {
    case 'int8':
    case 'int16':
    case 'int32':
      c.zigzag32()
      return
    case 'int64':
      c.zigzag64()
      return
    case 'boolean':
      c.skip(1)
      return
    case 'float32':
      c.skip(4)
      return
    case 'float64':
      c.skip(8)
      return
    case 'string':
    case 'bytes':
      c.skip(c.length())
      return
    case 'struct':
      for (const f of schema.fields!) skipValue(f.schema, c)
      return
    case 'array':
      skipBlocks(c, () => skipValue(schema.items!, c))
      return
    case 'map':
      skipBlocks(c, () => {
        c.skip(c.length())
        skipValue(schema.items!, c)
      })
  }
}

function skipBlocks(c: ByteCursor, item: () => void): void {
  for (let n = c.zigzag32(); n !== 0; n = c.zigzag32()) {
    if (n < 0) c.zigzag32()
    for (let i = Math.abs(n); i > 0; i--) item()
  }
}

/** The fields of one struct after another: where each one starts and ends in the Avro binary. */
export class StructFields {
  readonly schema: ConnectSchema
  readonly #starts: Int32Array
  readonly #cursor = new ByteCursor()
  #avro: Buffer = Buffer.alloc(0)

  constructor(schema: ConnectSchema) {
    assert(schema.type === 'struct', 'only a struct has fields')
    this.schema = schema
    this.#starts = new Int32Array(schema.fields!.length + 1)
  }

  /** Opens a struct that is not null (without union branch). */
  open(avro: Buffer): void {
    const c = this.#cursor
    c.reset(avro, 0, avro.length)
    this.#avro = avro
    for (const [i, f] of this.schema.fields!.entries()) {
      this.#starts[i] = c.pos
      skipValue(f.schema, c)
    }
    this.#starts[this.schema.fields!.length] = c.pos
  }

  /** Ordinal of a field, −1: there is none. */
  indexOf(name: string): number {
    return this.schema.fields!.findIndex((f) => f.name === name)
  }

  /** The field's bytes, union branch included. */
  bytes(i: number): Buffer {
    return this.#avro.subarray(this.#starts[i], this.#starts[i + 1])
  }

  /** The field's bytes without union branch; null when the value is. */
  present(i: number): Buffer | null {
    const { schema } = this.schema.fields![i]
    const bytes = this.bytes(i)
    if (!schema.optional) return bytes
    return bytes[0] >>> 1 === valueBranch(schema) ? bytes.subarray(1) : null
  }

  /** Text of a string field; null when it is null. */
  text(i: number): string | null {
    const bytes = this.present(i)
    return bytes === null ? null : textOf(bytes)
  }
}

/** Avro string of a text. */
export function avroText(text: string): Buffer {
  const out = new GrowableSink(text.length * 3 + 16)
  writeText(out, text)
  return out.copy()
}

/** Text of an Avro string. */
export function textOf(avro: Buffer): string {
  const c = new ByteCursor(avro)
  const n = c.length()
  return avro.toString('utf8', c.pos, c.pos + n)
}

const NULL = Buffer.from([0])
const PRESENT = Buffer.from([2])

/** Bytes of a value in a field that may be null and has no default. */
export function optionalBytes(present: Buffer | null): readonly Buffer[] {
  return present === null ? [NULL] : [PRESENT, present]
}

/** The same kind of value, in a field that may be null and has no default. */
export function optionalCopy(schema: ConnectSchema): ConnectSchema {
  const { default: _, ...rest } = schema
  return { ...rest, optional: true }
}
