import type { Column, TableSchema } from '../../contract/change.ts'
import { GrowableSink } from '../../format/bytes/growable-sink.ts'

const NULL = 0x6e
const UNCHANGED = 0x75

/** Position of the kind byte of column `c` of the tuple at `at`. */
function locate(arena: Buffer, at: number, c: number): number {
  let pos = at + 2
  for (let i = 0; i < c; i++) pos += arena[pos] === NULL || arena[pos] === UNCHANGED ? 1 : 5 + arena.readInt32BE(pos + 1)
  return pos
}

/** Bytes of a column of the tuple at `at`; null: it is null or not there. */
export function bytesOf(arena: Buffer, at: number, c: number): Buffer | null {
  const pos = locate(arena, at, c)
  if (arena[pos] === NULL || arena[pos] === UNCHANGED) return null
  return arena.subarray(pos + 5, pos + 5 + arena.readInt32BE(pos + 1))
}

/** Avro bytes of values, as texts that can be compared: equal rows of a snapshot and of the stream give the same. */
export class Identities {
  readonly #sink = new GrowableSink(128)

  /** The identity of the tuple at `at` by these columns; null: a value is not in the tuple. */
  of(schema: TableSchema, columns: readonly number[], arena: Buffer, at: number, snapshot: boolean): string | null {
    const s = this.#sink
    s.pos = 0
    for (const c of columns) {
      const pos = locate(arena, at, c)
      if (arena[pos] === UNCHANGED) return null
      s.reserve(1)
      s.buf[s.pos++] = arena[pos] === NULL ? 0 : 1
      if (arena[pos] === NULL) continue
      const column = unmasked(schema.columns[c])
      const encode = snapshot ? (column.encodeSnapshot ?? column.encode) : column.encode
      encode(arena, pos + 5, arena.readInt32BE(pos + 1), s)
    }
    return s.buf.toString('latin1', 0, s.pos)
  }

  /** Text of a column whose Avro type is string; null: it is null, or of another type. */
  text(schema: TableSchema, c: number, arena: Buffer, at: number, snapshot: boolean): string | null {
    const column = unmasked(schema.columns[c])
    const pos = locate(arena, at, c)
    if (column.connect.type !== 'string' || arena[pos] === NULL || arena[pos] === UNCHANGED) return null
    const s = this.#sink
    s.pos = 0
    const encode = snapshot ? (column.encodeSnapshot ?? column.encode) : column.encode
    if (!encode(arena, pos + 5, arena.readInt32BE(pos + 1), s)) return null
    let p = 0
    // length:zigzag varint, then the bytes
    while ((s.buf[p++] & 0x80) !== 0);
    return s.buf.toString('utf8', p, s.pos)
  }
}

/** Rows are told apart, and signals read, by what they are, not by what a mask makes of it. */
function unmasked(column: Column): Column {
  return column.asKey ?? column
}
