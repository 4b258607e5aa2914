import type { PlainVector } from '../../format/parquet/column.ts'
import { DIGEST_LENGTH, ordinalOf } from '../index/bag-key.ts'
import { type BucketHash, bucketOf } from '../index/bucket.ts'
import { hashInto } from '../index/keys.ts'
import { type BaseGroup, type KeyBlock, recordKeys } from '../merge/join.ts'
import type { BlockRef } from './scratch-file.ts'
import type { Spill } from './spill.ts'

/** Record keys of base files, split on disk by the same places as the changes, so that a unit meets only the keys that concern it. */
export class StoredKeys {
  readonly #spill: Spill
  readonly #bucket: BucketHash
  readonly #bag: boolean
  readonly #seed: number
  readonly #blocks = new Map<number, BlockRef[]>()

  constructor(spill: Spill, bucket: BucketHash, bag: boolean, seed: number) {
    this.#spill = spill
    this.#bucket = bucket
    this.#bag = bag
    this.#seed = seed
  }

  /** Reads the keys of a group; `number` is its place in the list that `join` is given. */
  async add(group: BaseGroup, number: number): Promise<void> {
    for (let rowGroup = 0; rowGroup < group.file.meta.rowGroups.length; rowGroup++) {
      await this.addBlock({ group: number, rowGroup, rows: null, keys: await recordKeys(group.file, rowGroup) }, group.bucket)
    }
  }

  /** Keys of a group of bucket `bucket` (−1: of any bucket). */
  async addBlock(block: KeyBlock, bucket: number): Promise<void> {
    for (const [place, which] of this.#split(block.keys, bucket)) {
      const rows = block.rows === null ? which : which.map((i) => block.rows![i])
      const part: KeyBlock = { ...block, rows, keys: pick(block.keys, which) }
      const list = this.#blocks.get(place) ?? []
      list.push(await this.#spill.file.append(part, rows.length, part.keys.data.length))
      this.#blocks.set(place, list)
    }
  }

  async *of(places: ReadonlySet<number>): AsyncGenerator<KeyBlock> {
    for (const place of places) {
      for (const ref of this.#blocks.get(place) ?? []) yield (await this.#spill.file.read(ref)) as KeyBlock
    }
  }

  /** Rows by place, places without changes left out. */
  #split(keys: PlainVector, bucket: number): Map<number, Int32Array> {
    const { data, starts } = keys
    const n = starts.length - 1
    const h0 = new Int32Array(1)
    const h1 = new Int32Array(1)
    const rows = new Map<number, number[]>()
    for (let i = 0; i < n; i++) {
      const from = starts[i] + 4
      let to = starts[i + 1]
      if (to < from) continue
      if (this.#bag) {
        if (ordinalOf(data, from, to) < 0) continue
        to = from + DIGEST_LENGTH
      }
      hashInto(data, from, to, this.#seed, h0, h1, 0)
      const place = this.#spill.places.of(bucket >= 0 ? bucket : bucketOf(this.#bucket, data, from, to), h1[0])
      if (!this.#spill.holds(place)) continue
      const list = rows.get(place)
      if (list === undefined) rows.set(place, [i])
      else list.push(i)
    }
    return new Map([...rows].map(([place, list]) => [place, Int32Array.from(list)]))
  }
}

function pick(keys: PlainVector, rows: Int32Array): PlainVector {
  const starts = new Int32Array(rows.length + 1)
  for (let i = 0; i < rows.length; i++) starts[i + 1] = starts[i] + keys.starts[rows[i] + 1] - keys.starts[rows[i]]
  const data = Buffer.allocUnsafeSlow(starts[rows.length])
  for (let i = 0; i < rows.length; i++) keys.data.copy(data, starts[i], keys.starts[rows[i]], keys.starts[rows[i] + 1])
  return { kind: 'plain', data, starts }
}
