import type { FileSlice } from '../../contract/slice.ts'
import type { PlainVector } from '../../format/parquet/column.ts'
import { DIGEST_LENGTH, ordinalOf } from '../index/bag-key.ts'
import { hashInto } from '../index/keys.ts'
import { IntList } from '../merge/int-list.ts'
import type { KeyBlock, StoredRows } from '../merge/join.ts'
import type { Outcomes } from '../merge/outcomes.ts'

/** An existing file group of a merge-on-read table. */
export interface MorGroup {
  readonly slice: FileSlice
  /** Bucket of a group of ours; −1: written by someone else without buckets. */
  readonly bucket: number
  /** Number of its partition path. */
  readonly partition: number
}

/** What a unit of changes does to one file group. No key is among both `data` and `deletes`. */
export interface GroupWork {
  /** Null: the group does not exist yet. */
  readonly group: MorGroup | null
  readonly partition: number
  readonly bucket: number
  /** Entries whose rows are written. */
  readonly data: IntList
  /** Keys (by number) that go. */
  readonly deletes: IntList
  /** Bags: ordinal of each row of `data`, and of each of `deletes`. */
  readonly ordinals: IntList
  readonly deleteOrdinals: IntList
  /** How many of `data` have a key that is not stored in this partition; of tables in which keys move between partitions only. */
  arrivals: number
}

/** File groups by the place of their keys: partition and bucket. */
export class Homes {
  readonly groups: readonly MorGroup[]
  readonly #byPlace = new Map<number, MorGroup>()
  readonly #buckets: number

  constructor(groups: readonly MorGroup[], buckets: number) {
    this.groups = groups
    this.#buckets = buckets
    for (const g of groups) if (g.bucket >= 0) this.#byPlace.set(g.partition * buckets + g.bucket, g)
  }

  at(partition: number, bucket: number): MorGroup | null {
    return this.#byPlace.get(partition * this.#buckets + bucket) ?? null
  }

  /** Unique per place. */
  place(partition: number, bucket: number): number {
    return partition * this.#buckets + bucket
  }
}

/** Gathers the work of a unit, group by group. */
export class GroupWorks {
  readonly #homes: Homes
  readonly #byPlace = new Map<number, GroupWork>()
  readonly #foreign = new Map<MorGroup, GroupWork>()

  constructor(homes: Homes) {
    this.#homes = homes
  }

  /** Work of the group that holds keys of this place, existing or not. */
  home(partition: number, bucket: number): GroupWork {
    const place = this.#homes.place(partition, bucket)
    let work = this.#byPlace.get(place)
    if (work === undefined) {
      work = newWork(this.#homes.at(partition, bucket), partition, bucket)
      this.#byPlace.set(place, work)
    }
    return work
  }

  of(group: MorGroup): GroupWork {
    if (group.bucket >= 0) return this.home(group.partition, group.bucket)
    let work = this.#foreign.get(group)
    if (work === undefined) {
      work = newWork(group, group.partition, -1)
      this.#foreign.set(group, work)
    }
    return work
  }

  all(): GroupWork[] {
    return [...this.#byPlace.values(), ...this.#foreign.values()]
  }
}

function newWork(group: MorGroup | null, partition: number, bucket: number): GroupWork {
  return {
    group,
    partition,
    bucket,
    data: new IntList(),
    deletes: new IntList(),
    ordinals: new IntList(),
    deleteOrdinals: new IntList(),
    arrivals: 0,
  }
}

/** Keyed rows with all their values, each in the group of its bucket: what is stored need not be known. */
export function planBlindly(outcomes: Outcomes, works: GroupWorks): void {
  let work: GroupWork | null = null
  for (let k = 0; k < outcomes.keys.size; k++) {
    const j = outcomes.last.at(k)
    const partition = outcomes.partitionOf(j)
    const bucket = outcomes.bucketOf(j)
    if (work === null || work.partition !== partition || work.bucket !== bucket) work = works.home(partition, bucket)
    if (!outcomes.removes(j)) work.data.push(j)
    else if (work.group !== null) work.deletes.push(k)
  }
}

/**
 * The same with a look at the stored keys: `blocks` are those of `groups`. A stored key is updated where it is; it moves when its
 * partition is another now. Groups that were not looked at (`whole` false) may still hold keys that go: those of their own place.
 */
export async function planKeyed(
  outcomes: Outcomes,
  works: GroupWorks,
  groups: readonly MorGroup[],
  blocks: AsyncIterable<KeyBlock>,
  whole: boolean,
): Promise<StoredRows> {
  const { size } = outcomes.keys
  /** Group that the key's row is written to, that its stored row was last deleted from: number + 1. */
  const written = new Int32Array(size)
  const deleted = new Int32Array(size)
  const stored = { group: new Int32Array(size).fill(-1), rowGroup: new Int32Array(size), row: new Int32Array(size) }
  for await (const { group: g, rowGroup, rows, keys } of blocks) {
    const { partition } = groups[g]
    const work = works.of(groups[g])
    outcomes.match(keys, (i, k) => {
      if (stored.group[k] < 0) {
        stored.group[k] = g
        stored.rowGroup[k] = rowGroup
        stored.row[k] = rows === null ? i : rows[i]
      }
      if (written[k] === g + 1 || deleted[k] === g + 1) return
      const j = outcomes.last.at(k)
      if (written[k] === 0 && !outcomes.removes(j) && outcomes.partitionOf(j) === partition) {
        written[k] = g + 1
        work.data.push(j)
      } else {
        deleted[k] = g + 1
        work.deletes.push(k)
      }
    })
  }
  for (let k = 0; k < size; k++) {
    if (written[k] !== 0) continue
    const j = outcomes.last.at(k)
    const partition = outcomes.partitionOf(j)
    if (!outcomes.removes(j)) {
      const home = works.home(partition, outcomes.bucketOf(j))
      home.data.push(j)
      home.arrivals++
    } else if (!whole && deleted[k] === 0 && partition >= 0) {
      const work = works.home(partition, outcomes.bucketOf(j))
      if (work.group !== null) work.deletes.push(k)
    }
  }
  return stored
}

/** A bag: rows of one content are counted, so the stored ones must be known. See merge/join.ts for which of them go. */
export async function planBag(
  outcomes: Outcomes,
  works: GroupWorks,
  groups: readonly MorGroup[],
  blocks: AsyncIterable<KeyBlock>,
): Promise<void> {
  const net = outcomes.net!
  const stored = new Int32Array(outcomes.keys.size)
  const found = { group: new IntList(), key: new IntList(), ordinal: new IntList() }
  for await (const { group, keys } of blocks) {
    outcomes.match(keys, (_, k, ordinal) => {
      stored[k]++
      if (net.at(k) >= 0) return
      found.group.push(group)
      found.key.push(k)
      found.ordinal.push(ordinal)
    })
  }
  for (let i = 0; i < found.key.length; i++) {
    const k = found.key.at(i)
    if (found.ordinal.at(i) < stored[k] + net.at(k)) continue
    const work = works.of(groups[found.group.at(i)])
    work.deletes.push(k)
    work.deleteOrdinals.push(found.ordinal.at(i))
  }
  for (let k = 0; k < outcomes.keys.size; k++) {
    // the newest rows of that content, so that their change columns are the newest
    for (let more = net.at(k), j = outcomes.last.at(k); more > 0; j = outcomes.prev[j]) {
      if (outcomes.removes(j)) continue
      const work = works.home(outcomes.partitionOf(j), outcomes.bucketOf(j))
      work.data.push(j)
      work.ordinals.push(stored[k] + --more)
    }
  }
}

/** Record keys of `work.deletes`. */
export function deletedKeys(outcomes: Outcomes, work: GroupWork): PlainVector {
  const { unit, keys } = outcomes
  const numbers = work.deletes.view()
  const suffix = outcomes.net === null ? null : Array.from(work.deleteOrdinals.view(), (o) => Buffer.from(`-${o}`, 'latin1'))
  const starts = new Int32Array(numbers.length + 1)
  for (let i = 0; i < numbers.length; i++) {
    const { offsets } = unit.chunks[keys.sourceOf(numbers[i])].keys
    const row = keys.rowOf(numbers[i])
    const length = suffix === null ? offsets[row + 1] - offsets[row] : DIGEST_LENGTH + suffix[i].length
    starts[i + 1] = starts[i] + 4 + length
  }
  const data = Buffer.allocUnsafeSlow(starts[numbers.length])
  for (let i = 0; i < numbers.length; i++) {
    const from = unit.chunks[keys.sourceOf(numbers[i])].keys
    const row = keys.rowOf(numbers[i])
    data.writeInt32LE(starts[i + 1] - starts[i] - 4, starts[i])
    from.data.copy(data, starts[i] + 4, from.offsets[row], from.offsets[row + 1])
    if (suffix !== null) suffix[i].copy(data, starts[i] + 4 + DIGEST_LENGTH)
  }
  return { kind: 'plain', data, starts }
}

/**
 * How many rows of `work.data` are new: by what is stored, where that has been looked at everywhere (`known`), as two writers go by it to keep keys
 * unique (lock/conflicts.ts); else new to the source: the first change of their key in the unit created it.
 */
export function insertedOf(outcomes: Outcomes, work: GroupWork, known: boolean): number {
  if (outcomes.net !== null) return work.data.length
  if (known) return work.arrivals
  const { unit, prev } = outcomes
  let inserted = 0
  for (const last of work.data.view()) {
    let j = last
    while (prev[j] >= 0) j = prev[j]
    inserted += unit.chunks[unit.chunk[j]].creates[unit.entry[j]]
  }
  return inserted
}

/** Whether a record key is one that the changes concern. */
export function concerned(outcomes: Outcomes, seed: number): (data: Buffer, from: number, to: number) => boolean {
  const bag = outcomes.net !== null
  const h0 = new Int32Array(1)
  const h1 = new Int32Array(1)
  return (data, from, to) => {
    if (bag && ordinalOf(data, from, to) < 0) return false
    const end = bag ? from + DIGEST_LENGTH : to
    hashInto(data, from, end, seed, h0, h1, 0)
    return outcomes.keys.find(h0[0], h1[0], data, from, end) >= 0
  }
}

/** Record keys from `min` to `max`, as bytes. */
export interface KeyRange {
  readonly min: Buffer
  readonly max: Buffer
}

/** The range of the record keys that the changes concern; null: there are none. */
export function rangeOf(outcomes: Outcomes): KeyRange | null {
  const { unit, keys } = outcomes
  let min: Buffer | null = null
  let max: Buffer | null = null
  for (let k = 0; k < keys.size; k++) {
    const { data, offsets } = unit.chunks[keys.sourceOf(k)].keys
    const row = keys.rowOf(k)
    const from = offsets[row]
    const to = offsets[row + 1]
    if (min === null || data.compare(min, 0, min.length, from, to) < 0) min = data.subarray(from, to)
    if (max === null || data.compare(max, 0, max.length, from, to) > 0) max = data.subarray(from, to)
  }
  if (min === null || max === null) return null
  // row ids of a bag go on after the digest
  return { min, max: outcomes.net === null ? max : Buffer.concat([max, Buffer.of(0xff)]) }
}
