import type { LogBlock } from '../../format/hudi-log/block.ts'
import { readPositions } from '../../format/hudi-log/positions.ts'
import type { ParquetFile } from '../../format/parquet/file.ts'
import { firstOrdinals, type KeyMatches } from './delta-base.ts'
import type { Reduced } from './delta-reduce.ts'

/**
 * Rows of the base file that the records of a block concern, in their order (Hudi 1.x writes records by position); null: it does not say, or speaks of
 * another base file than that of `base`. Positions are a shortcut past the key column only: whatever is wrong with them, keys are looked up.
 */
export function blockPositions(block: LogBlock, base: string | null): Int32Array | null {
  const text = block.header.get('positions')
  if (text === undefined || base === null || block.header.get('positionsBase') !== base) return null
  return readPositions(text)
}

/** The base rows of the log's keys, by the positions that came with its records; null: not all of them have one, or they contradict each other. */
export function positionMatches(file: ParquetFile, reduced: Reduced): KeyMatches[] | null {
  const { chunks, keys } = reduced
  if (chunks.some((c) => c.positions === null)) return null
  const first = firstOrdinals(file)
  const rows = first[first.length - 1]
  const at = new Int32Array(keys.size).fill(-1)
  for (const { keys: k, positions, count } of chunks) {
    for (let i = 0; i < count; i++) {
      const n = keys.find(k.h0[i], k.h1[i], k.data, k.offsets[i], k.offsets[i + 1])
      const p = positions![i]
      if (p >= rows || (at[n] >= 0 && at[n] !== p)) return null
      at[n] = p
    }
  }
  const order = Int32Array.from(at, (_, n) => n).sort((a, b) => at[a] - at[b])
  for (let i = 1; i < order.length; i++) if (at[order[i]] === at[order[i - 1]]) return null
  const out: KeyMatches[] = []
  for (let group = 0, i = 0; group + 1 < first.length; group++) {
    const from = i
    while (i < order.length && at[order[i]] < first[group + 1]) i++
    const key = order.slice(from, i)
    if (key.length > 0) out.push({ group, row: key.map((n) => at[n] - first[group]), key, ordering: null })
  }
  return out
}
