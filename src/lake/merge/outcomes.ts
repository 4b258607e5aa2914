import type { PlainVector } from '../../format/parquet/column.ts'
import { DIGEST_LENGTH, ordinalOf } from '../index/bag-key.ts'
import { KeyTable } from '../index/key-table.ts'
import { firstHash, hashInto } from '../index/keys.ts'
import type { Chunk } from './changes.ts'
import { IntList } from './int-list.ts'

export const NOWHERE = -1
export const STORED = -2

/** Entries that are merged together, in log order: entry j is entry `entry[j]` of chunk `chunk[j]`. */
export interface Unit {
  readonly chunks: readonly Chunk[]
  readonly chunk: Int32Array
  readonly entry: Int32Array
  readonly count: number
}

/**
 * What a unit's changes come to, one outcome per key: the last change wins. `prev` leads back through the changes of a key, for
 * values that the later one does not have. In a bag, keys are digests and `net` is how many rows of that content come or go.
 */
export class Outcomes {
  readonly unit: Unit
  readonly keys: KeyTable
  /** Key number → its last entry. */
  readonly last: IntList
  /** Entry → the entry before it with the same key, −1 none. */
  readonly prev: Int32Array
  /** Entry → number of its key. */
  readonly keyOf: Int32Array
  /** Bags only. */
  readonly net: IntList | null
  readonly #seed: number

  constructor(unit: Unit, bag: boolean, seed: number) {
    this.unit = unit
    this.#seed = seed
    this.keys = new KeyTable(
      unit.chunks.map((c) => c.keys),
      unit.count,
    )
    this.last = new IntList(Math.max(16, unit.count))
    this.prev = new Int32Array(unit.count)
    this.keyOf = new Int32Array(unit.count)
    this.net = bag ? new IntList(Math.max(16, unit.count)) : null
    const net = new Int32Array(bag ? unit.count : 0)
    const last = new Int32Array(unit.count)
    for (let j = 0; j < unit.count; j++) {
      const known = this.keys.size
      const k = this.keys.put(unit.chunk[j], unit.entry[j])
      this.prev[j] = k === known ? -1 : last[k]
      last[k] = j
      this.keyOf[j] = k
      if (bag) net[k] += this.removes(j) ? -1 : 1
    }
    for (let k = 0; k < this.keys.size; k++) {
      this.last.push(last[k])
      this.net?.push(net[k])
    }
  }

  /** Entries that are new rows, each of its own key: nothing is looked up, nothing leads back. */
  static ofNewRows(unit: Unit): Outcomes {
    const none: Unit = { ...unit, count: 0 }
    const out = new Outcomes(none, false, 0)
    return Object.assign(out, { unit })
  }

  /** Entry j takes its row away. */
  removes(j: number): boolean {
    const c = this.unit.chunks[this.unit.chunk[j]]
    return c.row[this.unit.entry[j]] < 0
  }

  bucketOf(j: number): number {
    return this.unit.chunks[this.unit.chunk[j]].bucket[this.unit.entry[j]]
  }

  /** Number of the partition path of entry j, −1 not known, 0 when the table is not partitioned. */
  partitionOf(j: number): number {
    const { partition } = this.unit.chunks[this.unit.chunk[j]]
    return partition === null ? 0 : partition[this.unit.entry[j]]
  }

  /**
   * Looks up the record keys of base rows. Calls back for each that a change concerns: its row, the key's number, and (bags) its
   * ordinal.
   */
  match(keys: PlainVector, found: (row: number, k: number, ordinal: number) => void): void {
    const { data, starts } = keys
    const n = starts.length - 1
    const h0 = new Int32Array(1)
    const h1 = new Int32Array(1)
    const view = new DataView(data.buffer, data.byteOffset, data.length)
    for (let i = 0; i < n; i++) {
      const from = starts[i] + 4
      let to = starts[i + 1]
      if (to < from) continue
      let ordinal = -1
      if (this.net !== null) {
        ordinal = ordinalOf(data, from, to)
        if (ordinal < 0) continue
        to = from + DIGEST_LENGTH
      }
      if (!this.keys.may(firstHash(data, view, from, to, this.#seed))) continue
      hashInto(data, from, to, this.#seed, h0, h1, 0)
      const k = this.keys.find(h0[0], h1[0], data, from, to)
      if (k >= 0) found(i, k, ordinal)
    }
  }

  /**
   * Where the value of column `c` of entry j comes from: the number of this or an earlier entry that has it; or STORED − k: the stored row of
   * key k (the entry's own, or the one it had before its key changed); or NOWHERE: the key was taken away in between.
   */
  origin(c: number, j: number): number {
    for (let e = j; ; ) {
      const chunk = this.unit.chunks[this.unit.chunk[e]]
      const at = this.unit.entry[e]
      const row = chunk.row[at]
      if (row < 0) return NOWHERE
      const missing = chunk.unavailable[c]
      if (missing === null || missing[row] === 0) return e
      let before = e
      if (chunk.creates[at] === 1) {
        before = e - 1
        if (before < 0 || !this.removes(before)) return NOWHERE
      }
      if (this.prev[before] < 0) return STORED - this.keyOf[before]
      e = this.prev[before]
    }
  }

  /** Some change lacks values of column c. */
  lacks(c: number): boolean {
    return this.unit.chunks.some((chunk) => chunk.unavailable[c] !== null)
  }
}
