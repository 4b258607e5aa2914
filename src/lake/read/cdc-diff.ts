import type { LakeColumn, Vector } from '../../contract/columns.ts'
import type { RowChunk } from '../../contract/slice.ts'
import { assert } from '../../failure/failure.ts'
import { KeyTable } from '../index/key-table.ts'
import { hashInto, hashKeys, type Keys } from '../index/keys.ts'
import { gatherVector } from '../merge/gather.ts'
import { IntList } from '../merge/int-list.ts'
import { selectRows } from './base-rows.ts'
import { rowsOfCommits } from './incremental.ts'

/** Changes of one kind: i has `after`, d has `before`, u has both, row for row. */
export interface ChangeChunk {
  readonly op: 'i' | 'u' | 'd'
  readonly count: number
  readonly before: RowChunk | null
  readonly after: RowChunk | null
}

const META_COLUMNS = 5
const KEY = 2
const SEED = 0x5bd1e995

/**
 * What `commit` did to a file group: its rows before and after, meta columns first. Rows that the commit wrote are those with its time; keys that
 * are gone were deleted. Held in memory: the keys of the group, and the rows that the commit wrote.
 */
export async function* diffSlices(
  commit: string,
  before: () => AsyncIterable<RowChunk>,
  after: () => AsyncIterable<RowChunk>,
  columns: readonly LakeColumn[],
): AsyncGenerator<ChangeChunk> {
  const now = new Written(commit, columns)
  for await (const chunk of after()) now.add(chunk)
  for await (const chunk of before()) yield* now.meet(chunk)
  const inserted = now.inserted()
  if (inserted !== null) yield { op: 'i', count: inserted.count, before: null, after: inserted }
  // A row of an earlier commit may come back to life: a late row in a log takes the place of the delete before it, and loses against the base.
  if (now.revived) for await (const chunk of after()) yield* now.reviveds(chunk)
}

/** The group after the commit. */
class Written {
  readonly #commit: string
  readonly #columns: readonly LakeColumn[]
  readonly #sources: Keys[] = []
  readonly #keys = new KeyTable(this.#sources, 1024)
  /** By key: number of the row that the commit wrote; −1: another commit's. */
  readonly #row = new IntList()
  readonly #chunks: RowChunk[] = []
  readonly #source = new IntList()
  readonly #at = new IntList()
  readonly #met = new IntList()
  /** By key: 1 when it was there before. */
  readonly #before = new IntList()

  constructor(commit: string, columns: readonly LakeColumn[]) {
    this.#commit = commit
    this.#columns = columns
  }

  add(chunk: RowChunk): void {
    this.#note(keysOf(chunk), () => -1)
    const written = rowsOfCommits(chunk, (c) => c === this.#commit)
    if (written === null) return
    const source = this.#chunks.push(withoutMeta(written, this.#columns)) - 1
    this.#note(keysOf(written), (i) => {
      this.#source.push(source)
      this.#at.push(i)
      this.#met.push(0)
      return this.#at.length - 1
    })
  }

  /** Which rows of before were deleted, and which updated. */
  *meet(chunk: RowChunk): Generator<ChangeChunk> {
    const v = chunk.vectors[KEY]
    assert(v.kind === 'bytes', 'record keys are texts')
    const h0 = new Int32Array(1)
    const h1 = new Int32Array(1)
    const deleted = new IntList()
    const updated = new IntList()
    const rows = new IntList()
    for (let i = 0; i < chunk.count; i++) {
      hashInto(v.data, v.offsets[i], v.offsets[i + 1], SEED, h0, h1, 0)
      const k = this.#keys.find(h0[0], h1[0], v.data, v.offsets[i], v.offsets[i + 1])
      if (k >= 0) this.#before.set(k, 1)
      if (k < 0) deleted.push(i)
      else if (this.#row.at(k) >= 0 && this.#met.at(this.#row.at(k)) === 0) {
        this.#met.set(this.#row.at(k), 1)
        updated.push(i)
        rows.push(this.#row.at(k))
      }
    }
    const images = withoutMeta(chunk, this.#columns)
    if (deleted.length > 0) yield { op: 'd', count: deleted.length, before: selectRows(images, deleted.view()), after: null }
    if (updated.length > 0) {
      yield { op: 'u', count: updated.length, before: selectRows(images, updated.view()), after: this.#gather(rows.view()) }
    }
  }

  /** Rows of keys that were not there before; null: none. */
  inserted(): RowChunk | null {
    const rows = new IntList()
    for (let r = 0; r < this.#at.length; r++) if (this.#met.at(r) === 0) rows.push(r)
    return rows.length === 0 ? null : this.#gather(rows.view())
  }

  /** Some row is there again that the commit has not written. */
  get revived(): boolean {
    for (let k = 0; k < this.#keys.size; k++) if (this.#row.at(k) < 0 && this.#before.at(k) === 0) return true
    return false
  }

  /** Those rows of a chunk of after. */
  *reviveds(chunk: RowChunk): Generator<ChangeChunk> {
    const { data, offsets, h0, h1 } = keysOf(chunk)
    const rows = new IntList()
    for (let i = 0; i < chunk.count; i++) {
      const k = this.#keys.find(h0[i], h1[i], data, offsets[i], offsets[i + 1])
      if (this.#row.at(k) < 0 && this.#before.at(k) === 0) rows.push(i)
    }
    const after = selectRows(withoutMeta(chunk, this.#columns), rows.view())
    if (after.count > 0) yield { op: 'i', count: after.count, before: null, after }
  }

  #note(keys: Keys, rowOf: (i: number) => number): void {
    const source = this.#sources.push(keys) - 1
    for (let i = 0; i + 1 < keys.offsets.length; i++) {
      const known = this.#keys.size
      const k = this.#keys.put(source, i)
      const row = rowOf(i)
      if (k === known) {
        this.#row.push(row)
        this.#before.push(0)
      } else if (row >= 0) this.#row.set(k, row)
    }
  }

  #gather(rows: Int32Array): RowChunk {
    const pick = { source: new Int32Array(rows.length), row: new Int32Array(rows.length), count: rows.length }
    rows.forEach((r, i) => {
      pick.source[i] = this.#source.at(r)
      pick.row[i] = this.#at.at(r)
    })
    const vectors = this.#columns.map(
      (c, n): Vector =>
        gatherVector(
          c.type,
          this.#chunks.map((x) => x.vectors[n]),
          pick,
        ),
    )
    return { columns: this.#columns, count: rows.length, vectors }
  }
}

function keysOf(chunk: RowChunk): Keys {
  const v = chunk.vectors[KEY]
  assert(v.kind === 'bytes', 'record keys are texts')
  return hashKeys(v.data, v.offsets, chunk.count, SEED)
}

function withoutMeta({ count, vectors }: RowChunk, columns: readonly LakeColumn[]): RowChunk {
  return { columns, count, vectors: vectors.slice(META_COLUMNS) }
}
