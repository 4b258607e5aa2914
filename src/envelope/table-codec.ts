import type { ByteSink, Column, TableId, TableSchema, ValueEncoder } from '../contract/change.ts'
import { assert, Failure } from '../failure/failure.ts'
import { writeAll } from '../format/bytes/growable-sink.ts'

const T_NULL = 110
const T_UNCHANGED = 117
const T_TEXT = 116
const T_BINARY = 98

const NO_UNION = -1

/** In `side`: the column is null and shows its default. */
export const DEFAULTED = 0x8000

/**
 * Writes keys and rows of one table version straight from tuples (grammar in contract/change.ts) to Avro binary. All that depends on the
 * schema alone (union branches, what stands for null, placeholders) is laid out in arrays when the codec is made.
 */
export class TableCodec {
  readonly table: TableSchema
  /** Ordinals of columns whose value was not in the log, of the last `writeRow`. */
  readonly side: Uint16Array
  sideCount = 0
  readonly #count: number
  readonly #omitted: Uint8Array
  /** Branch byte before a value, −1 for none. */
  readonly #branch: Int8Array
  /** All bytes of a null, branch included. */
  readonly #nulls: Uint8Array[]
  readonly #encode: readonly ValueEncoder[]
  readonly #snapshot: readonly ValueEncoder[]
  readonly #columns: readonly Column[]
  /** Columns whose nulls show a default and are told of. */
  readonly #marked: Uint8Array
  /** The columns as the key has them. */
  readonly #asKey: readonly KeyShape[]
  /** The row that is written repeats values that were counted with another one: `onUnshown` is not told of them. */
  repeats = false
  readonly #onUnshown: ((table: TableId, column: string) => void) | undefined

  /** @param marksDefaults see EnvelopeOptions */
  constructor(table: TableSchema, onUnshown?: (table: TableId, column: string) => void, marksDefaults = false) {
    this.table = table
    this.#marked = Uint8Array.from(table.columns, (c) => (marksDefaults && branchOf(c) === 0 ? 1 : 0))
    this.#onUnshown = onUnshown
    this.#columns = table.columns
    this.#count = table.columns.length
    this.side = new Uint16Array(this.#count)
    this.#omitted = Uint8Array.from(table.columns, (c) => (c.omitted === true ? 1 : 0))
    this.#branch = Int8Array.from(table.columns, branchOf)
    this.#asKey = table.columns.map((c) => keyShape(c.asKey ?? c))
    this.#nulls = table.columns.map(nullBytes)
    this.#encode = table.columns.map((c) => c.encode)
    this.#snapshot = table.columns.map((c) => c.encodeSnapshot ?? c.encode)
  }

  /**
   * Appends the row struct of the tuple at `at`.
   * @param old the old row's tuple when it is whole (its values fill in for unchanged ones), else −1
   */
  writeRow(arena: Buffer, at: number, old: number, snapshot: boolean, out: ByteSink): void {
    const encoders = snapshot ? this.#snapshot : this.#encode
    const branches = this.#branch
    const omitted = this.#omitted
    const count = this.#count
    let pos = at + 2
    this.sideCount = 0
    assert((arena[at] << 8) + arena[at + 1] === count, `a tuple of ${this.table.id.table} has ${count} columns`)
    for (let c = 0; c < count; c++) {
      const tag = arena[pos++]
      if (tag === T_TEXT || tag === T_BINARY) {
        const length = (arena[pos] << 24) | (arena[pos + 1] << 16) | (arena[pos + 2] << 8) | arena[pos + 3]
        pos += 4
        if (omitted[c] === 0) {
          const mark = out.pos
          const branch = branches[c]
          if (branch >= 0) {
            out.reserve(1)
            out.buf[out.pos++] = branch
          }
          if (!encoders[c](arena, pos, length, out)) {
            out.pos = mark
            this.#writeUnshowable(c, arena, pos, length, out)
          }
        }
        pos += length
      } else if (omitted[c] === 0) this.#writeAbsent(c, tag, arena, old, out)
      else assert(tag === T_NULL || tag === T_UNCHANGED, 'a tuple column has a known kind')
    }
  }

  /** Appends the key struct of the tuple at `at`; a key value that is not in this tuple is taken from the old one. */
  writeKey(arena: Buffer, at: number, old: number, snapshot: boolean, out: ByteSink): void {
    for (const c of this.table.key) {
      const shape = this.#asKey[c]
      let pos = locate(arena, at, c)
      if (arena[pos] === T_UNCHANGED && old >= 0) pos = locate(arena, old, c)
      const mark = out.pos
      if (arena[pos] === T_TEXT || arena[pos] === T_BINARY) {
        writeBranch(shape.branch, out)
        const encode = snapshot ? shape.snapshot : shape.encode
        if (encode(arena, pos + 5, arena.readInt32BE(pos + 1), out)) continue
        out.pos = mark
      }
      if (arena[pos] !== T_UNCHANGED || shape.unavailable === null) writeAll(out, shape.nulls)
      else {
        writeBranch(shape.branch, out)
        writeAll(out, shape.unavailable)
      }
    }
  }

  /** Null, or a value that is not in the log: from the whole old row, else Debezium's placeholder. */
  #writeAbsent(c: number, tag: number, arena: Buffer, old: number, out: ByteSink): void {
    if (tag === T_NULL) {
      if (this.#marked[c] === 1) this.side[this.sideCount++] = c | DEFAULTED
      writeAll(out, this.#nulls[c])
      return
    }
    assert(tag === T_UNCHANGED, 'a tuple column has a known kind')
    const column = this.#columns[c]
    if (old >= 0) {
      const pos = locate(arena, old, c)
      if (arena[pos] === T_NULL) {
        writeAll(out, this.#nulls[c])
        return
      }
      if (arena[pos] === T_TEXT || arena[pos] === T_BINARY) {
        const mark = out.pos
        writeBranch(this.#branch[c], out)
        if (column.encode(arena, pos + 5, arena.readInt32BE(pos + 1), out)) return
        out.pos = mark
      }
    }
    this.side[this.sideCount++] = c
    if (column.unavailable === null) {
      writeAll(out, this.#nulls[c])
      return
    }
    writeBranch(this.#branch[c], out)
    writeAll(out, column.unavailable)
  }

  /** A value that the mode cannot show is null (numeric NaN in precise mode); in a NOT NULL column it is refused. */
  #writeUnshowable(c: number, arena: Buffer, pos: number, length: number, out: ByteSink): void {
    const column = this.#columns[c]
    if (!column.connect.optional) {
      const table = `${this.table.id.schema}.${this.table.id.table}`
      const value = arena.toString('latin1', pos, pos + Math.min(length, 40))
      throw new Failure('TRB-ENV-005', { column: column.name, table, value })
    }
    if (!this.repeats) this.#onUnshown?.(this.table.id, column.name)
    writeAll(out, this.#nulls[c])
  }
}

interface KeyShape {
  readonly branch: number
  readonly nulls: Uint8Array
  readonly encode: ValueEncoder
  readonly snapshot: ValueEncoder
  readonly unavailable: Uint8Array | null
}

function keyShape(c: Column): KeyShape {
  const { encode, unavailable } = c
  return { branch: branchOf(c), nulls: nullBytes(c), encode, snapshot: c.encodeSnapshot ?? encode, unavailable }
}

/** Branch byte before a value that is not null, −1 for none. */
function branchOf(c: Column): number {
  return !c.connect.optional ? NO_UNION : c.connect.default === undefined ? 2 : 0
}

function writeBranch(branch: number, out: ByteSink): void {
  if (branch < 0) return
  out.reserve(1)
  out.buf[out.pos++] = branch
}

/** Position of the kind byte of column `c` of the tuple at `at`. */
function locate(arena: Buffer, at: number, c: number): number {
  let pos = at + 2
  for (let i = 0; i < c; i++) {
    const tag = arena[pos]
    pos += tag === T_TEXT || tag === T_BINARY ? 5 + arena.readInt32BE(pos + 1) : 1
  }
  return pos
}

/** Null in a column with a default shows the default: AvroConverter writes it so (spec debezium §1.6). */
function nullBytes(column: Column): Uint8Array {
  if (column.instead !== undefined) {
    const branch = branchOf(column)
    return branch < 0 ? column.instead : Buffer.concat([Buffer.from([branch]), column.instead])
  }
  if (!column.connect.optional) return column.fallback ?? Buffer.alloc(0)
  if (column.connect.default === undefined) return Buffer.from([0])
  return Buffer.concat([Buffer.from([0]), column.fallback!])
}
