import type { LakeColumn } from '../../contract/columns.ts'
import type { Keys } from '../index/keys.ts'
import type { Chunk } from './changes.ts'
import { gatherVector, type Selection } from './gather.ts'

/** Entries of several chunks as one chunk: entry i is entry `entry[i]` of chunk `chunk[i]`. */
export function selectChunk(chunks: readonly Chunk[], chunk: Int32Array, entry: Int32Array, columns: readonly LakeColumn[]): Chunk {
  const count = entry.length
  const row = new Int32Array(count)
  const source = new Int32Array(count)
  const from = new Int32Array(count)
  let rows = 0
  for (let i = 0; i < count; i++) {
    const r = chunks[chunk[i]].row[entry[i]]
    row[i] = r < 0 ? -1 : rows
    if (r < 0) continue
    source[rows] = chunk[i]
    from[rows++] = r
  }
  const pick: Selection = { source: source.subarray(0, rows), row: from.subarray(0, rows), count: rows }
  const vectors = columns.map((column, c) => {
    const sources = chunks.map((x) => x.columns[c])
    return sources.every((v) => v === null) ? null : gatherVector(column.type, sources, pick)
  })
  const take = (of: (c: Chunk) => Int32Array | Uint8Array): Int32Array => {
    const out = new Int32Array(count)
    for (let i = 0; i < count; i++) out[i] = of(chunks[chunk[i]])[entry[i]]
    return out
  }
  const keys = selectKeys(chunks, chunk, entry)
  return {
    columns: vectors,
    unavailable: columns.map((_, c) =>
      selectFlags(
        chunks.map((x) => x.unavailable[c]),
        pick,
      ),
    ),
    count,
    keys,
    row,
    creates: Uint8Array.from(take((c) => c.creates)),
    bucket: take((c) => c.bucket),
    partition: chunks.some((c) => c.partition !== null) ? take((c) => c.partition!) : null,
    bytes: sizeOf(chunks, chunk),
  }
}

function selectFlags(sources: readonly (Uint8Array | null)[], pick: Selection): Uint8Array | null {
  if (sources.every((s) => s === null)) return null
  const out = new Uint8Array(pick.count)
  for (let i = 0; i < pick.count; i++) out[i] = sources[pick.source![i]]?.[pick.row[i]] ?? 0
  return out
}

function selectKeys(chunks: readonly Chunk[], chunk: Int32Array, entry: Int32Array): Keys {
  const n = entry.length
  const offsets = new Int32Array(n + 1)
  const h0 = new Int32Array(n)
  const h1 = new Int32Array(n)
  for (let i = 0; i < n; i++) {
    const k = chunks[chunk[i]].keys
    const e = entry[i]
    offsets[i + 1] = offsets[i] + k.offsets[e + 1] - k.offsets[e]
    h0[i] = k.h0[e]
    h1[i] = k.h1[e]
  }
  const data = Buffer.allocUnsafeSlow(offsets[n])
  for (let i = 0; i < n; i++) {
    const k = chunks[chunk[i]].keys
    k.data.copy(data, offsets[i], k.offsets[entry[i]], k.offsets[entry[i] + 1])
  }
  return { data, offsets, h0, h1 }
}

/** About: each entry costs what the entries of its chunk cost on average. */
function sizeOf(chunks: readonly Chunk[], chunk: Int32Array): number {
  const each = chunks.map((c) => (c.count === 0 ? 0 : c.bytes / c.count))
  let bytes = 0
  for (const c of chunk) bytes += each[c]
  return Math.ceil(bytes)
}
