import { type PlainVector, plainOfBytes, plainOfDictionary } from '../../format/parquet/column.ts'
import type { ParquetFile } from '../../format/parquet/file.ts'
import { ownMemory, Scratch } from '../../format/parquet/scratch.ts'
import type { BaseFile } from '../read/slices.ts'
import { IntList } from './int-list.ts'
import type { Outcomes } from './outcomes.ts'

export const RECORD_KEY = '_hoodie_record_key'

/** An existing file group: its newest base file, opened. */
export interface BaseGroup {
  readonly info: BaseFile
  readonly file: ParquetFile
  /** Bucket of a group of ours; −1: written by someone else without buckets. */
  readonly bucket: number
  /** Number of its partition path. */
  readonly partition: number
}

/** Changes to the rows of a base file, in file order. */
export class Edits {
  readonly rowGroup = new IntList()
  readonly row = new IntList()
  /** Entry that replaces the row; −1: the row goes. */
  readonly entry = new IntList()

  push(rowGroup: number, row: number, entry: number): void {
    this.rowGroup.push(rowGroup)
    this.row.push(row)
    this.entry.push(entry)
  }
}

/** Rows to add to a file group (existing or new). */
export interface Inserts {
  readonly partition: number
  readonly bucket: number
  readonly entry: IntList
  /** Bags: ordinal of each row. */
  readonly ordinal: IntList
}

/** Where the stored row of each key is; kept only when changes lack values. */
export interface StoredRows {
  readonly group: Int32Array
  readonly rowGroup: Int32Array
  readonly row: Int32Array
}

export interface Joined {
  /** Per base group, in the order given. */
  readonly edits: readonly Edits[]
  readonly inserts: readonly Inserts[]
  readonly stored: StoredRows | null
}

export async function recordKeys(file: ParquetFile, rowGroup: number, allocate = ownMemory): Promise<PlainVector> {
  const column = await file.read(rowGroup, RECORD_KEY, { kind: 'string' }, allocate)
  if (column === null) return { kind: 'plain', data: Buffer.alloc(0), starts: new Int32Array(file.meta.rowGroups[rowGroup].rows + 1) }
  if (column.kind === 'dictionary') return plainOfDictionary(column)
  if (column.kind === 'bytes') return plainOfBytes(column, 0, column.offsets.length - 1)
  return column as PlainVector
}

/** Record keys of rows of a base group: all rows of a row group in order (rows null), or those named. */
export interface KeyBlock {
  readonly group: number
  readonly rowGroup: number
  readonly rows: Int32Array | null
  readonly keys: PlainVector
}

/** The keys of all rows of these groups; each block is valid until the next one is asked for. */
export async function* storedKeys(groups: readonly BaseGroup[]): AsyncGenerator<KeyBlock> {
  const scratch = new Scratch()
  for (const [group, { file }] of groups.entries()) {
    for (let rowGroup = 0; rowGroup < file.meta.rowGroups.length; rowGroup++) {
      scratch.reset()
      yield { group, rowGroup, rows: null, keys: await recordKeys(file, rowGroup, scratch.take) }
    }
  }
  scratch.release()
}

/**
 * Finds the stored rows of a unit's keys in the base groups and decides what becomes of each: a stored key is updated where it
 * is; it moves when its partition is another now; a key that is stored twice (another writer's mistake) stays once. `keys`: those of the
 * groups' rows that may concern the unit.
 */
export async function join(outcomes: Outcomes, groups: readonly BaseGroup[], keys: AsyncIterable<KeyBlock>): Promise<Joined> {
  return outcomes.net === null ? joinKeyed(outcomes, groups, keys) : joinBag(outcomes, groups, keys)
}

async function joinKeyed(outcomes: Outcomes, groups: readonly BaseGroup[], keys: AsyncIterable<KeyBlock>): Promise<Joined> {
  const done = new Uint8Array(outcomes.keys.size)
  const edits = groups.map(() => new Edits())
  const size = outcomes.unit.chunks.some((c) => c.unavailable.some((u) => u !== null)) ? outcomes.keys.size : -1
  const stored = size < 0 ? null : { group: new Int32Array(size).fill(-1), rowGroup: new Int32Array(size), row: new Int32Array(size) }
  for await (const { group: g, rowGroup, rows, keys: block } of keys) {
    outcomes.match(block, (i, k) => {
      const row = rows === null ? i : rows[i]
      if (stored !== null && stored.group[k] < 0) {
        stored.group[k] = g
        stored.rowGroup[k] = rowGroup
        stored.row[k] = row
      }
      const j = outcomes.last.at(k)
      const stays = done[k] === 0 && !outcomes.removes(j) && outcomes.partitionOf(j) === groups[g].partition
      edits[g].push(rowGroup, row, stays ? j : -1)
      if (stays) done[k] = 1
    })
  }
  const inserts = new InsertTable()
  for (let k = 0; k < outcomes.keys.size; k++) {
    const j = outcomes.last.at(k)
    if (done[k] === 0 && !outcomes.removes(j)) inserts.add(outcomes, j, -1)
  }
  return { edits, inserts: inserts.all, stored }
}

async function joinBag(outcomes: Outcomes, groups: readonly BaseGroup[], keys: AsyncIterable<KeyBlock>): Promise<Joined> {
  const net = outcomes.net!
  const stored = new Int32Array(outcomes.keys.size)
  const found = { group: new IntList(), rowGroup: new IntList(), row: new IntList(), key: new IntList(), ordinal: new IntList() }
  for await (const { group, rowGroup, rows, keys: block } of keys) {
    outcomes.match(block, (i, k, ordinal) => {
      stored[k]++
      if (net.at(k) >= 0) return
      found.group.push(group)
      found.rowGroup.push(rowGroup)
      found.row.push(rows === null ? i : rows[i])
      found.key.push(k)
      found.ordinal.push(ordinal)
    })
  }
  const edits = groups.map(() => new Edits())
  for (let i = 0; i < found.row.length; i++) {
    const k = found.key.at(i)
    if (found.ordinal.at(i) >= stored[k] + net.at(k)) edits[found.group.at(i)].push(found.rowGroup.at(i), found.row.at(i), -1)
  }
  const inserts = new InsertTable()
  for (let k = 0; k < outcomes.keys.size; k++) {
    // the newest rows of that content, so that their change columns are the newest
    for (let more = net.at(k), j = outcomes.last.at(k); more > 0; j = outcomes.prev[j]) {
      if (!outcomes.removes(j)) inserts.add(outcomes, j, stored[k] + --more)
    }
  }
  return { edits, inserts: inserts.all, stored: null }
}

class InsertTable {
  readonly all: Inserts[] = []
  readonly #byHome = new Map<string, Inserts>()
  #last: Inserts | null = null

  add(outcomes: Outcomes, j: number, ordinal: number): void {
    const partition = outcomes.partitionOf(j)
    const bucket = outcomes.bucketOf(j)
    let home = this.#last
    if (home === null || home.partition !== partition || home.bucket !== bucket) home = this.#home(partition, bucket)
    this.#last = home
    home.entry.push(j)
    home.ordinal.push(ordinal)
  }

  #home(partition: number, bucket: number): Inserts {
    const id = `${partition}/${bucket}`
    let home = this.#byHome.get(id)
    if (home === undefined) {
      home = { partition, bucket, entry: new IntList(), ordinal: new IntList() }
      this.#byHome.set(id, home)
      this.all.push(home)
    }
    return home
  }
}
