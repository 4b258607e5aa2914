import type { Chunk } from '../merge/changes.ts'
import type { BaseGroup, Inserts } from '../merge/join.ts'
import type { Unit } from '../merge/outcomes.ts'

/** The file group that new rows of a bucket and partition belong to: an existing one, or none yet. */
export function homeOf(groups: readonly BaseGroup[], inserts: Inserts): BaseGroup | Inserts {
  return groups.find((g) => g.bucket === inserts.bucket && g.partition === inserts.partition) ?? inserts
}

/** All entries of these chunks, in order. */
export function wholeUnit(chunks: readonly Chunk[]): Unit {
  const count = chunks.reduce((sum, c) => sum + c.count, 0)
  const chunk = new Int32Array(count)
  const entry = new Int32Array(count)
  let j = 0
  chunks.forEach((c, n) => {
    for (let i = 0; i < c.count; i++, j++) {
      chunk[j] = n
      entry[j] = i
    }
  })
  return { chunks, chunk, entry, count }
}
