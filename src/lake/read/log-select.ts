import type { LakeColumn } from '../../contract/columns.ts'
import { type Column, toVector } from '../../format/parquet/column.ts'
import type { Keys } from '../index/keys.ts'
import { gather, type Selection } from '../merge/gather.ts'
import type { LogChunk } from './log-chunk.ts'
import type { Ordering } from './ordering.ts'

/** Entries of several log chunks as one: entry i is entry `row[i]` of chunk `chunk[i]`. */
export function selectEntries(chunks: readonly LogChunk[], chunk: Int32Array, row: Int32Array, columns: readonly LakeColumn[]): LogChunk {
  const count = row.length
  const pick: Selection = { source: chunk, row, count }
  const flags = (of: (c: LogChunk) => Uint8Array | null): Uint8Array | null => selectFlags(chunks.map(of), pick)
  const selected = columns.map(({ type }, c): Column | null => {
    const sources = chunks.map((x) => x.columns[c])
    return sources.every((s) => s === null) ? null : toVector(gather(type, sources, pick))
  })
  const share = chunks.map((c) => (c.count === 0 ? 0 : c.bytes / c.count))
  let bytes = 0
  for (let i = 0; i < count; i++) bytes += share[chunk[i]]
  return {
    count,
    keys: selectKeys(
      chunks.map((c) => c.keys),
      pick,
    ),
    ordering: selectOrdering(
      chunks.map((c) => c.ordering),
      pick,
    ),
    deleted: flags((c) => c.deleted),
    columns: selected,
    missing: columns.map((_, c) => flags((x) => x.missing[c])),
    positions: null,
    bytes: Math.ceil(bytes),
  }
}

/** The entries of a chunk that `wanted` says yes to, by the bytes of their keys. */
export function selectWanted(
  chunk: LogChunk,
  wanted: (data: Buffer, from: number, to: number) => boolean,
  columns: readonly LakeColumn[],
): LogChunk {
  const { data, offsets } = chunk.keys
  const row = new Int32Array(chunk.count)
  let n = 0
  for (let i = 0; i < chunk.count; i++) if (wanted(data, offsets[i], offsets[i + 1])) row[n++] = i
  if (n === chunk.count) return chunk
  return selectEntries([chunk], new Int32Array(n), row.subarray(0, n), columns)
}

function selectFlags(sources: readonly (Uint8Array | null)[], { source, row, count }: Selection): Uint8Array | null {
  if (sources.every((s) => s === null)) return null
  const out = new Uint8Array(count)
  for (let i = 0; i < count; i++) out[i] = sources[source![i]]?.[row[i]] ?? 0
  return out
}

function selectKeys(sources: readonly Keys[], { source, row, count }: Selection): Keys {
  const h0 = new Int32Array(count)
  const h1 = new Int32Array(count)
  for (let i = 0; i < count; i++) {
    h0[i] = sources[source![i]].h0[row[i]]
    h1[i] = sources[source![i]].h1[row[i]]
  }
  return { ...selectBytes(sources, { source, row, count }), h0, h1 }
}

function selectBytes(
  sources: readonly { readonly data: Buffer; readonly offsets: Int32Array }[],
  { source, row, count }: Selection,
): { data: Buffer; offsets: Int32Array } {
  const offsets = new Int32Array(count + 1)
  for (let i = 0; i < count; i++) {
    const s = sources[source === null ? 0 : source[i]]
    offsets[i + 1] = offsets[i] + s.offsets[row[i] + 1] - s.offsets[row[i]]
  }
  const data = Buffer.allocUnsafeSlow(offsets[count])
  for (let i = 0; i < count; i++) {
    const s = sources[source === null ? 0 : source[i]]
    s.data.copy(data, offsets[i], s.offsets[row[i]], s.offsets[row[i] + 1])
  }
  return { data, offsets }
}

/** The selected ordering values; `source` null: all of the first. */
export function selectOrdering(sources: readonly Ordering[], pick: Selection): Ordering {
  const { source, row, count } = pick
  const state = new Uint8Array(count)
  const hi = new Int32Array(count)
  const lo = new Int32Array(count)
  for (let i = 0; i < count; i++) {
    const s = sources[source === null ? 0 : source[i]]
    state[i] = s.state[row[i]]
    hi[i] = s.hi[row[i]]
    lo[i] = s.lo[row[i]]
  }
  // deletes without ordering values have no texts beside those that have
  const some = sources.some((s) => s.text !== null)
  const texts = sources.map((s) => s.text ?? { data: EMPTY, offsets: new Int32Array(s.state.length + 1) })
  return { state, hi, lo, text: some ? selectBytes(texts, pick) : null }
}

const EMPTY = Buffer.alloc(0)
