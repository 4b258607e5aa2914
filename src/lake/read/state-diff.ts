import type { Clock } from '../../contract/clock.ts'
import type { LakeColumn, Vector } from '../../contract/columns.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { FileSlice, RowChunk } from '../../contract/slice.ts'
import { assert } from '../../failure/failure.ts'
import { rowObject } from '../../format/json/row-lines.ts'
import { KeyTable } from '../index/key-table.ts'
import { hashInto, hashKeys, type Keys } from '../index/keys.ts'
import { checkHistory } from '../layout/table-properties.ts'
import { gatherVector } from '../merge/gather.ts'
import { IntList } from '../merge/int-list.ts'
import { TimelineStore } from '../timeline-store.ts'
import { selectRows } from './base-rows.ts'
import type { ChangeChunk } from './cdc-diff.ts'
import { scanTable, type TableScan } from './table-scan.ts'

/** The difference between two states of a table. */
export interface StateDiff {
  /** Columns of the rows without meta columns: those of the later state, then those that only the earlier one has. */
  readonly columns: readonly LakeColumn[]
  /** Newest writes in the two states; null: nothing had been committed. */
  readonly from: string | null
  readonly to: string | null
  changes(): AsyncGenerator<ChangeChunk>
}

const META_COLUMNS = 5
const KEY = 2
const SEED = 0x1b873593

/**
 * Compares the states as of two instants (null: now) by key and by values, not by who wrote a row: what was written anew with the same values, or
 * moved by a service, is no difference. File slices that both states have are not read. Held in memory: the keys of all other rows with a hash
 * each, and the older images of the rows that differ.
 */
export async function diffStates(
  store: ObjectStore,
  table: string,
  clock: Clock,
  from: string | null,
  to: string | null,
): Promise<StateDiff> {
  checkHistory(await new TimelineStore(store, table, clock).properties(), table)
  const later = await scanTable(store, table, clock, { kind: 'snapshot', asOf: to })
  const earlier = await scanTable(store, table, clock, { kind: 'snapshot', asOf: from })
  const names = new Set(later.columns.map((c) => c.name))
  const all = [...later.columns, ...earlier.columns.filter((c) => !names.has(c.name))]
  const columns = all.slice(META_COLUMNS)
  const kept = new Set(earlier.slices.flatMap((s) => baseOf(s) ?? []))
  const both = new Set(later.slices.flatMap((s) => baseOf(s) ?? []).filter((base) => kept.has(base)))
  const read = (scan: TableScan) => (): AsyncIterable<RowChunk> => rowsOf(scan, both, all)
  return { columns, from: earlier.instant, to: later.instant, changes: () => compare(read(earlier), read(later), columns) }
}

/** The base file of a slice that consists of it alone. (A log file may have grown since, so slices with logs are always looked into.) */
function baseOf(s: FileSlice): string | null {
  return s.logs.length === 0 && s.base !== null ? s.base.key : null
}

async function* rowsOf(scan: TableScan, without: ReadonlySet<string>, columns: readonly LakeColumn[]): AsyncGenerator<RowChunk> {
  for (const slice of scan.slices) if (!without.has(baseOf(slice) ?? '')) yield* scan.slice(slice, columns)
}

async function* compare(
  earlier: () => AsyncIterable<RowChunk>,
  later: () => AsyncIterable<RowChunk>,
  columns: readonly LakeColumn[],
): AsyncGenerator<ChangeChunk> {
  const rows = new LaterRows(columns)
  for await (const chunk of later()) rows.add(chunk)
  for await (const chunk of earlier()) {
    const deleted = rows.meet(chunk)
    if (deleted !== null) yield { op: 'd', count: deleted.count, before: deleted, after: null }
  }
  for await (const chunk of later()) yield* rows.changed(chunk)
}

const NEW = 0
const SAME = 1
const DIFFERENT = 2

/** Keys of the later state with what is known of each. */
class LaterRows {
  readonly #columns: readonly LakeColumn[]
  readonly #object: (vectors: readonly Vector[], row: number) => string
  readonly #sources: Keys[] = []
  readonly #keys = new KeyTable(this.#sources, 1024)
  readonly #hash = new IntList()
  readonly #hash2 = new IntList()
  readonly #state = new IntList()
  /** By key: place of its older image in `images`. */
  readonly #image = new IntList()
  readonly #images: RowChunk[] = []
  readonly #imageChunk = new IntList()
  readonly #imageRow = new IntList()

  constructor(columns: readonly LakeColumn[]) {
    this.#columns = columns
    this.#object = rowObject(columns)
  }

  add(chunk: RowChunk): void {
    const keys = keysOf(chunk)
    const source = this.#sources.push(keys) - 1
    const { h0, h1 } = this.#hashes(chunk)
    for (let i = 0; i < chunk.count; i++) {
      const known = this.#keys.size
      if (this.#keys.put(source, i) !== known) continue
      this.#hash.push(h0[i])
      this.#hash2.push(h1[i])
      this.#state.push(NEW)
      this.#image.push(-1)
    }
  }

  /** Rows of the earlier state whose keys are gone; null: none. */
  meet(chunk: RowChunk): RowChunk | null {
    const { data, offsets, h0: k0, h1: k1 } = keysOf(chunk)
    const { h0, h1 } = this.#hashes(chunk)
    const deleted = new IntList()
    const different = new IntList()
    for (let i = 0; i < chunk.count; i++) {
      const k = this.#keys.find(k0[i], k1[i], data, offsets[i], offsets[i + 1])
      if (k < 0) deleted.push(i)
      else if (this.#hash.at(k) === h0[i] && this.#hash2.at(k) === h1[i]) this.#state.set(k, SAME)
      else {
        this.#state.set(k, DIFFERENT)
        this.#image.set(k, this.#imageRow.length)
        this.#imageChunk.push(this.#images.length)
        this.#imageRow.push(different.length)
        different.push(i)
      }
    }
    const images = withoutMeta(chunk, this.#columns)
    if (different.length > 0) this.#images.push(selectRows(images, different.view()))
    return deleted.length === 0 ? null : selectRows(images, deleted.view())
  }

  /** Rows of the later state that are new, or differ from what they were. */
  *changed(chunk: RowChunk): Generator<ChangeChunk> {
    const { data, offsets, h0, h1 } = keysOf(chunk)
    const inserted = new IntList()
    const updated = new IntList()
    const images = new IntList()
    for (let i = 0; i < chunk.count; i++) {
      const k = this.#keys.find(h0[i], h1[i], data, offsets[i], offsets[i + 1])
      if (this.#state.at(k) === NEW) inserted.push(i)
      else if (this.#state.at(k) === DIFFERENT) {
        updated.push(i)
        images.push(this.#image.at(k))
      }
    }
    const rows = withoutMeta(chunk, this.#columns)
    if (updated.length > 0) {
      yield { op: 'u', count: updated.length, before: this.#gather(images.view()), after: selectRows(rows, updated.view()) }
    }
    if (inserted.length > 0) yield { op: 'i', count: inserted.length, before: null, after: selectRows(rows, inserted.view()) }
  }

  #gather(images: Int32Array): RowChunk {
    const source = Int32Array.from(images, (i) => this.#imageChunk.at(i))
    const row = Int32Array.from(images, (i) => this.#imageRow.at(i))
    const pick = { source, row, count: images.length }
    const vectors = this.#columns.map(
      (c, n): Vector =>
        gatherVector(
          c.type,
          this.#images.map((x) => x.vectors[n]),
          pick,
        ),
    )
    return { columns: this.#columns, count: images.length, vectors }
  }

  #hashes(chunk: RowChunk): { h0: Int32Array; h1: Int32Array } {
    const h0 = new Int32Array(chunk.count)
    const h1 = new Int32Array(chunk.count)
    const { vectors } = withoutMeta(chunk, this.#columns)
    for (let i = 0; i < chunk.count; i++) {
      const text = Buffer.from(this.#object(vectors, i))
      hashInto(text, 0, text.length, SEED, h0, h1, i)
    }
    return { h0, h1 }
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
