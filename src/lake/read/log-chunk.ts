import { Failure } from '../../failure/failure.ts'
import type { DeleteKeys } from '../../format/hudi-log/delete-content.ts'
import { type Column, toVector } from '../../format/parquet/column.ts'
import { hashKeys, type Keys } from '../index/keys.ts'
import type { LogColumns } from './log-columns.ts'
import type { Ordering } from './ordering.ts'
import { TextColumn } from './text-column.ts'

/** Rows, or deletes, of one log block, or of a part of it. */
export interface LogChunk {
  readonly count: number
  readonly keys: Keys
  readonly ordering: Ordering
  /** 1: the entry takes its row away; null: none does. */
  readonly deleted: Uint8Array | null
  /** Parallel to LogColumns.wanted; null: no such column, or the chunk has deletes only. */
  readonly columns: readonly (Column | null)[]
  /** Parallel to columns: 1 = the row does not have this value, the one before it stays. */
  readonly missing: readonly (Uint8Array | null)[]
  /** Rows of the slice's base file that the entries concern; null: not known. */
  readonly positions: Int32Array | null
  /** What it costs in memory, about. */
  readonly bytes: number
}

/** Any number: keys of one table are all hashed with it. */
const SEED = 0x2f0b4c47

/** Memory per entry for keys, ordering and what merging keeps of it. */
const ENTRY_BYTES = 48

/** A chunk of `count` rows read from the columns `all` of `of`. `partial`: columns that are not there keep their stored values. */
export function rowsChunk(of: LogColumns, all: readonly (Column | null)[], count: number, partial: boolean, file: string): LogChunk {
  const keys = of.made === null ? storedKeys(all[of.key], count, file) : madeKeys(of.made, all, count, file)
  const ordering = of.fields.ofRows(
    of.ordering.map((c) => all[c]),
    count,
  )
  const columns = all.slice(0, of.wanted.length)
  const missing = columns.map((c) => (of.rules.nulls === undefined ? missingOf(c, count, partial, of.unavailable) : nullsOf(c, count)))
  const bytes = columns.reduce((n, c) => n + (c === null ? 0 : columnBytes(c)), count * ENTRY_BYTES + keys.data.length)
  return { count, keys, ordering, deleted: deletedOf(of, all, count), columns, missing, positions: null, bytes }
}

function storedKeys(column: Column | null, count: number, file: string): Keys {
  const key = column === null ? null : toVector(column)
  if (key === null || key.kind !== 'bytes' || (key.valid !== null && key.valid.indexOf(0) >= 0)) {
    throw new Failure('TRB-LAKE-021', { file, what: 'rows without record keys (hoodie.populate.meta.fields=false)' })
  }
  return hashKeys(key.data, key.offsets, count, SEED)
}

/** Record keys made of the columns of their fields, of a log or a base file. */
export function madeKeys(
  { writer, places }: NonNullable<LogColumns['made']>,
  all: readonly (Column | null)[],
  count: number,
  file: string,
): Keys {
  const vectors = places.map((p) => {
    const column = all[p]
    if (column === null) throw new Failure('TRB-LAKE-021', { file, what: 'rows without the columns of their record keys' })
    return toVector(column)
  })
  return writer.write(vectors, null, count, SEED)
}

/** The keys of a delete block. */
export function deletesChunk(of: LogColumns, block: DeleteKeys): LogChunk {
  const { count, keys } = block
  return {
    count,
    keys: hashKeys(keys.data, keys.offsets, count, SEED),
    ordering: of.fields.ofDeletes(block.ordering, count),
    deleted: new Uint8Array(count).fill(1),
    columns: of.wanted.map(() => null),
    missing: of.wanted.map(() => null),
    positions: null,
    bytes: count * ENTRY_BYTES + keys.data.length,
  }
}

/** Hashes of base keys, made as those of log keys are. */
export const KEY_SEED = SEED

function missingOf(column: Column | null, count: number, partial: boolean, unavailable: Buffer | null): Uint8Array | null {
  if (column === null) return partial ? new Uint8Array(count).fill(1) : null
  if (unavailable === null || column.kind === 'fixed' || column.kind === 'list' || column.kind === 'map' || column.kind === 'struct')
    return null
  return equalTo(column, count, unavailable)
}

/** 1 for rows without a value; null: all have one. */
function nullsOf(column: Column | null, count: number): Uint8Array | null {
  if (column === null) return new Uint8Array(count).fill(1)
  const { valid } = toVector(column)
  return valid === null || !valid.includes(0) ? null : Uint8Array.from(valid, (v) => 1 - v)
}

/** 1 for rows with exactly these bytes; null: none has. */
function equalTo(column: Column, count: number, value: Buffer): Uint8Array | null {
  let out: Uint8Array | null = null
  const text = new TextColumn(column)
  for (let i = 0; i < count; i++) {
    if (!text.at(i) || text.length !== value.length || text.data.compare(value, 0, value.length, text.from, text.to) !== 0) continue
    out ??= new Uint8Array(count)
    out[i] = 1
  }
  return out
}

function deletedOf(of: LogColumns, all: readonly (Column | null)[], count: number): Uint8Array | null {
  let out: Uint8Array | null = null
  for (const { column, value } of of.deletes) {
    const v = all[column]
    if (v === null) continue
    const marks = value === true ? trueOf(v, count) : equalTo(v, count, value)
    if (marks === null) continue
    if (out === null) out = marks
    else for (let i = 0; i < count; i++) out[i] |= marks[i]
  }
  return out
}

function trueOf(v: Column, count: number): Uint8Array | null {
  if (v.kind !== 'fixed' || v.width !== 1) return null
  let out: Uint8Array | null = null
  for (let i = 0; i < count; i++) {
    if (v.data[i] !== 1 || (v.valid !== null && v.valid[i] === 0)) continue
    out ??= new Uint8Array(count)
    out[i] = 1
  }
  return out
}

/** Bytes that a column holds, about. */
export function columnBytes(c: Column): number {
  switch (c.kind) {
    case 'fixed':
      return c.data.length + (c.valid?.length ?? 0)
    case 'plain':
      return c.data.length + c.starts.length * 4
    case 'dictionary':
      return c.values.data.length + c.indexes.length * 4
    case 'bytes':
      return c.data.length + c.offsets.length * 4
    case 'struct':
      return c.fields.reduce((n, f) => n + columnBytes(f), c.valid?.length ?? 0)
    case 'list':
      return c.offsets.length * 4 + columnBytes(c.element)
    case 'map':
      return c.offsets.length * 4 + columnBytes(c.key) + columnBytes(c.value)
  }
}
