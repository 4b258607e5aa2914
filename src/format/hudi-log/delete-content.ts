import type { BytesVector } from '../../contract/columns.ts'
import { Failure } from '../../failure/failure.ts'
import { ByteCursor } from '../bytes/cursor.ts'
import { BytesBuilder } from '../columns/builders.ts'
import { CONTENT_VERSION } from './writer.ts'

/**
 * The ordering value of a delete: one wrapped value by its branch in HoodieDeleteRecord's union (integers and dates as number or bigint, decimals
 * unscaled with 15 places), or several (one per ordering field).
 * IntWrapper(0) and null mean: whatever is stored goes.
 */
export type OrderingValue =
  | null
  | number
  | bigint
  | boolean
  | Uint8Array
  | string
  | { readonly decimal: Uint8Array }
  | { readonly float: number }
  | readonly OrderingValue[]

export interface DeleteKeys {
  readonly count: number
  readonly keys: BytesVector
  /** Null: every one is unconditional. */
  readonly ordering: readonly OrderingValue[] | null
}

/** What a delete without an ordering value of its own carries. */
export const UNCONDITIONAL: OrderingValue = null

/**
 * Reads the content of a delete block, version 3 (grammar: writer.ts). Branches of the ordering union: 0 null, 1 boolean, 2 int, 3 long, 4 float,
 * 5 double, 6 bytes, 7 string, 8 date, 9 decimal(30,15), 10 time-micros, 11 timestamp-micros, 12 a record with an optional array of these (in it,
 * 12 is another date).
 * Versions 1 and 2 hold Java objects (Kryo) and fail with TRB-LAKE-021, damage with TRB-LAKE-020.
 */
export function readDeleteContent(content: Buffer, file: string, at: number): DeleteKeys {
  const bad = (problem: string, cause?: unknown): Failure => new Failure('TRB-LAKE-020', { file, at, problem }, cause)
  if (content.length < 8) throw bad('a delete block is too short')
  const version = content.readInt32BE(0)
  if (version !== CONTENT_VERSION) throw new Failure('TRB-LAKE-021', { file, what: `a delete block of version ${version}` })
  const length = content.readInt32BE(4)
  if (length !== content.length - 8) throw bad('a delete block has another length than it says')
  const c = new ByteCursor()
  c.reset(content, 8, content.length)
  try {
    const out = readList(c)
    if (c.pos !== c.end) throw new Error('bytes are left over')
    return out
  } catch (e) {
    throw bad('a delete block cannot be decoded', e)
  }
}

function readList(c: ByteCursor): DeleteKeys {
  const keys = new BytesBuilder()
  const ordering: OrderingValue[] = []
  let plain = true
  for (let n = c.zigzag32(); n !== 0; n = c.zigzag32()) {
    if (n < 0) {
      n = -n
      c.zigzag64()
    }
    for (let i = 0; i < n; i++) {
      readKey(c, keys)
      if (c.zigzag32() === 1) c.skip(c.length())
      const branch = c.zigzag32()
      let value = readOrdering(c, branch)
      if (branch === 2 && value === 0) value = UNCONDITIONAL
      if (value !== UNCONDITIONAL && plain) {
        plain = false
        while (ordering.length < keys.count - 1) ordering.push(UNCONDITIONAL)
      }
      if (!plain) ordering.push(value)
    }
  }
  const { count } = keys
  return { count, keys: keys.take(), ordering: plain ? null : ordering }
}

function readKey(c: ByteCursor, keys: BytesBuilder): void {
  if (c.zigzag32() !== 1) throw new Error('a record key is null')
  const length = c.length()
  keys.append(c.buf, c.pos, length)
  c.pos += length
}

function readOrdering(c: ByteCursor, branch: number): OrderingValue {
  switch (branch) {
    case 0:
      return UNCONDITIONAL
    case 1:
      c.skip(1)
      return c.buf[c.pos - 1] === 1
    case 2:
    case 8:
      return c.zigzag32()
    case 3:
    case 10:
    case 11:
      c.zigzag64()
      return BigInt.asIntN(64, (BigInt(c.hi) << 32n) | BigInt(c.lo))
    case 4:
      c.skip(4)
      return { float: c.buf.readFloatLE(c.pos - 4) }
    case 5:
      c.skip(8)
      return { float: c.buf.readDoubleLE(c.pos - 8) }
    case 6:
      return bytes(c)
    case 7:
      return bytes(c).toString('utf8')
    case 9:
      return { decimal: bytes(c) }
    case 12:
      return c.zigzag32() === 1 ? readArray(c) : UNCONDITIONAL
    default:
      throw new Error(`ordering branch ${branch}`)
  }
}

function readArray(c: ByteCursor): OrderingValue {
  const out: OrderingValue[] = []
  for (let n = c.zigzag32(); n !== 0; n = c.zigzag32()) {
    if (n < 0) {
      n = -n
      c.zigzag64()
    }
    for (let i = 0; i < n; i++) {
      const branch = c.zigzag32()
      out.push(branch === 12 ? c.zigzag32() : readOrdering(c, branch))
    }
  }
  return out
}

function bytes(c: ByteCursor): Buffer {
  const length = c.length()
  c.pos += length
  return Buffer.from(c.buf.subarray(c.pos - length, c.pos))
}
