import type { LakeColumn, RowChanges, Vector } from '../../contract/columns.ts'
import type { TableSpec } from '../../contract/table.ts'
import { assert } from '../../failure/failure.ts'
import { bagKeys } from '../index/bag-key.ts'
import { type BucketHash, bucketHash, bucketOf } from '../index/bucket.ts'
import type { Keys } from '../index/keys.ts'
import { PartitionPaths, partitionColumns } from '../index/partition-path.ts'
import { type KeyWriter, keyWriter } from '../index/record-key.ts'
import { recordKeyFields } from '../layout/table-properties.ts'
import { widen } from './fit.ts'
import { gatherVector } from './gather.ts'

/**
 * Changes of a table in log order, one entry per effect: a row of a bag that changes is two entries (one taken away, one added).
 * Columns are those of the table, with its types.
 */
export interface Chunk {
  /** Null: the chunk has no such column (null in every row). */
  readonly columns: readonly (Vector | null)[]
  /** Per column, by row: 1 = not in the source's log, keep the stored value. */
  readonly unavailable: readonly (Uint8Array | null)[]
  readonly count: number
  readonly keys: Keys
  /** Entry → row of `columns`; −1 for entries that take away. */
  readonly row: Int32Array
  /** 1: the entry is a new row (c, r). One that lacks values then came of a change of key, right after the entry that took the old key away. */
  readonly creates: Uint8Array
  readonly bucket: Int32Array
  /** Number of the partition path; −1 not known. Null: the table is not partitioned. */
  readonly partition: Int32Array | null
  readonly bytes: number
}

const DELETE = 0x64
const TRUNCATE = 0x74
const UPDATE = 0x75
const CREATE = 0x63
const SNAPSHOT = 0x72

/** Turns the contract's chunks into entries. */
export class ChangePreparer {
  readonly paths: PartitionPaths
  readonly #spec: TableSpec
  readonly #columns: readonly LakeColumn[]
  readonly #keys: KeyWriter | null
  readonly #keyColumns: readonly number[]
  readonly #bucket: BucketHash
  readonly #partitionColumns: readonly number[]
  readonly #partitionInKey: boolean
  readonly #seed: number

  /** `columns`: the table's row and change columns (no row id of a bag). `seed`: of the key hashes. */
  constructor(spec: TableSpec, columns: readonly LakeColumn[], seed: number) {
    this.#spec = spec
    this.#columns = columns
    this.#seed = seed
    this.paths = new PartitionPaths({ ...spec, columns })
    this.#keyColumns = spec.key.map((k) => columns.findIndex((c) => c.name === k))
    assert(!this.#keyColumns.includes(-1), 'key columns are columns of the table')
    this.#keys =
      spec.key.length === 0
        ? null
        : keyWriter(
            spec.path,
            this.#keyColumns.map((i) => columns[i]),
            spec.namedKey,
          )
    this.#bucket = bucketHash(recordKeyFields(spec), spec.buckets)
    this.#partitionColumns = partitionColumns(spec.partition).map((name) => columns.findIndex((c) => c.name === name))
    this.#partitionInKey = spec.partition !== null && partitionColumns(spec.partition).every((name) => spec.key.includes(name))
  }

  /** A key may be stored in another partition than the one its newest row belongs to. */
  get movesBetweenPartitions(): boolean {
    return this.#spec.partition !== null && !this.#partitionInKey
  }

  /** `truncated`: the chunk holds a truncate; only what follows the last one is in `chunk`. */
  prepare(changes: RowChanges): { readonly chunk: Chunk; readonly truncated: boolean } {
    const first = changes.op.lastIndexOf(TRUNCATE, changes.count - 1) + 1
    const truncated = first > 0
    const vectors = this.#fitted(changes.columns, changes.vectors)
    const byName = new Map(changes.columns.map((c, i) => [c.name, i]))
    const unavailable = this.#columns.map((c) => {
      const i = byName.get(c.name)
      return i === undefined ? null : changes.unavailable[i]
    })
    const chunk = this.#keys === null ? this.#bag(changes, vectors, unavailable, first) : this.#keyed(changes, vectors, unavailable, first)
    return { chunk, truncated }
  }

  #fitted(columns: readonly LakeColumn[], vectors: readonly Vector[]): (Vector | null)[] {
    const byName = new Map(columns.map((c, i) => [c.name, i]))
    const fitted = this.#columns.map((c) => {
      const i = byName.get(c.name)
      if (i === undefined) return null
      byName.delete(c.name)
      return widen(vectors[i], columns[i].type, c.type)
    })
    assert(byName.size === 0, `evolve was called before changes with new columns (${[...byName.keys()].join(', ')})`)
    return fitted
  }

  #keyed(changes: RowChanges, columns: (Vector | null)[], unavailable: (Uint8Array | null)[], first: number): Chunk {
    const count = changes.count - first
    const rows = new Int32Array(count)
    const row = new Int32Array(count)
    for (let i = 0; i < count; i++) {
      rows[i] = first + i
      row[i] = changes.op[first + i] === DELETE ? -1 : first + i
    }
    const keyVectors = this.#keyColumns.map((i) => {
      const v = columns[i]
      assert(v !== null, 'changes hold the key columns')
      return v
    })
    const keys = this.#keys!.write(keyVectors, rows, count, this.#seed)
    return this.#chunk(columns, unavailable, keys, row, rows, changes)
  }

  #bag(changes: RowChanges, columns: (Vector | null)[], unavailable: (Uint8Array | null)[], first: number): Chunk {
    const { op, count } = changes
    const before = changes.before === null ? null : this.#fitted(changes.columns, changes.before)
    const values = columns.map((v, c) => {
      const missing = unavailable[c]
      if (v === null || missing === null) return v
      assert(before !== null, 'tables without a key come with the rows before their changes')
      return withStored(this.#columns[c], v, before[c], missing, count)
    })
    const after = bagKeys(this.#columns, values, null, count, this.#seed)
    const previous = before === null ? null : bagKeys(this.#columns, before, null, count, this.#seed)
    let entries = 0
    for (let i = first; i < count; i++) entries += op[i] === UPDATE ? 2 : 1
    const picks = { source: new Int32Array(entries), row: new Int32Array(entries) }
    const row = new Int32Array(entries)
    const rows = new Int32Array(entries)
    for (let i = first, e = 0; i < count; i++) {
      if (op[i] === UPDATE) {
        assert(previous !== null, 'tables without a key come with the rows before their changes')
        picks.source[e] = 1
        picks.row[e] = i
        rows[e] = i
        row[e++] = -1
      }
      picks.row[e] = i
      rows[e] = i
      row[e++] = op[i] === DELETE ? -1 : i
    }
    const keys = pickKeys(previous === null ? [after] : [after, previous], picks.source, picks.row)
    return this.#chunk(
      values,
      values.map(() => null),
      keys,
      row,
      rows,
      changes,
    )
  }

  #chunk(
    columns: readonly (Vector | null)[],
    unavailable: readonly (Uint8Array | null)[],
    keys: Keys,
    row: Int32Array,
    rows: Int32Array,
    changes: RowChanges,
  ): Chunk {
    const count = row.length
    const creates = new Uint8Array(count)
    for (let i = 0; i < count; i++) if (changes.op[rows[i]] === CREATE || changes.op[rows[i]] === SNAPSHOT) creates[i] = 1
    const bucket = new Int32Array(count)
    if (this.#bucket.buckets > 1) {
      for (let i = 0; i < count; i++) bucket[i] = bucketOf(this.#bucket, keys.data, keys.offsets[i], keys.offsets[i + 1])
    }
    let partition: Int32Array | null = null
    if (this.#partitionColumns.length > 0) {
      partition = new Int32Array(count)
      const v = this.#partitionColumns.map((c) => columns[c])
      for (let i = 0; i < count; i++) {
        const known = row[i] >= 0 || this.#partitionInKey
        partition[i] = known ? this.paths.of(v, rows[i]) : -1
      }
    }
    const bytes = changes.bytes + keys.data.length + count * 25
    return { columns, unavailable, count, keys, row, creates, bucket, partition, bytes }
  }
}

/** The value before the change where the log does not hold the one after it. */
function withStored(column: LakeColumn, after: Vector, before: Vector | null, missing: Uint8Array, count: number): Vector {
  const source = new Int32Array(count)
  const row = new Int32Array(count)
  for (let i = 0; i < count; i++) {
    source[i] = missing[i]
    row[i] = i
  }
  return gatherVector(column.type, [after, before], { source, row, count })
}

function pickKeys(from: readonly Keys[], source: Int32Array, row: Int32Array): Keys {
  const n = row.length
  const offsets = new Int32Array(n + 1)
  const h0 = new Int32Array(n)
  const h1 = new Int32Array(n)
  for (let i = 0; i < n; i++) {
    const k = from[source[i]]
    offsets[i + 1] = offsets[i] + k.offsets[row[i] + 1] - k.offsets[row[i]]
    h0[i] = k.h0[row[i]]
    h1[i] = k.h1[row[i]]
  }
  const data = Buffer.allocUnsafeSlow(offsets[n])
  for (let i = 0; i < n; i++) {
    const k = from[source[i]]
    k.data.copy(data, offsets[i], k.offsets[row[i]], k.offsets[row[i] + 1])
  }
  return { data, offsets, h0, h1 }
}
