import type { MergeRules } from '../../contract/slice.ts'
import { KeyTable } from '../index/key-table.ts'
import type { LogChunk } from './log-chunk.ts'
import { compareOrdering, UNCONDITIONAL } from './ordering.ts'

/** Nothing before it: what comes next is the row of the base file. */
export const BASE = -1

/**
 * What the entries of some log chunks come to among themselves: for each key the entry that survives. Entries are numbered over the chunks,
 * in the order in which they are merged.
 */
export class Reduced {
  readonly chunks: readonly LogChunk[]
  readonly keys: KeyTable
  readonly rules: MergeRules
  /** Key → its surviving entry, which may be a delete. */
  readonly winner: Int32Array
  /** Entry → the one that it stands on, for values that it does not have; null: no entry lacks values. */
  readonly below: Int32Array | null
  readonly count: number
  readonly #chunkOf: Int32Array
  readonly #first: Int32Array
  readonly #eventTime: boolean

  constructor(chunks: readonly LogChunk[], rules: MergeRules) {
    this.chunks = chunks
    this.#eventTime = rules.mode === 'event-time'
    this.rules = rules
    this.#first = new Int32Array(chunks.length + 1)
    for (const [c, chunk] of chunks.entries()) this.#first[c + 1] = this.#first[c] + chunk.count
    this.count = this.#first[chunks.length]
    this.#chunkOf = new Int32Array(this.count)
    this.keys = new KeyTable(
      chunks.map((c) => c.keys),
      this.count,
    )
    this.below = chunks.some((c) => c.missing.some((m) => m !== null)) ? new Int32Array(this.count).fill(BASE) : null
    const winner = new Int32Array(this.count)
    for (let c = 0, e = 0; c < chunks.length; c++) {
      const n = chunks[c].count
      for (let i = 0; i < n; i++, e++) {
        this.#chunkOf[e] = c
        const known = this.keys.size
        const k = this.keys.put(c, i)
        if (k === known || this.#replaces(e, winner[k])) {
          if (this.below !== null && k < known) this.below[e] = winner[k]
          winner[k] = e
        } else if (this.below !== null) this.#slipUnder(e, winner[k])
      }
    }
    this.winner = winner.subarray(0, this.keys.size)
  }

  chunkOf(e: number): number {
    return this.#chunkOf[e]
  }

  rowOf(e: number): number {
    return e - this.#first[this.#chunkOf[e]]
  }

  removes(e: number): boolean {
    const { deleted } = this.chunks[this.#chunkOf[e]]
    return deleted !== null && deleted[this.rowOf(e)] === 1
  }

  /** A delete that takes away whatever was stored. */
  unconditional(e: number): boolean {
    return this.chunks[this.#chunkOf[e]].ordering.state[this.rowOf(e)] === UNCONDITIONAL
  }

  /** Whether entry e lacks the value of wanted column c. */
  lacks(e: number, c: number): boolean {
    const missing = this.chunks[this.#chunkOf[e]].missing[c]
    return missing !== null && missing[this.rowOf(e)] === 1
  }

  /** The later entry e takes the place of `old`: later and not older by its ordering value; a delete without one always, and so does what follows one. */
  #replaces(e: number, old: number): boolean {
    if (!this.#eventTime || this.unconditional(e) || this.unconditional(old)) return true
    if (this.rules.overDelete === 'always' && this.removes(old)) return true
    return this.#compare(e, old) >= 0
  }

  /** Puts an entry that came late where its ordering value belongs: what stands above may lack values that it has. */
  #slipUnder(e: number, top: number): void {
    const below = this.below!
    let above = top
    while (below[above] !== BASE && !this.unconditional(below[above]) && this.#compare(e, below[above]) < 0) above = below[above]
    below[e] = below[above]
    below[above] = e
  }

  #compare(a: number, b: number): number {
    const x = this.chunks[this.#chunkOf[a]].ordering
    const y = this.chunks[this.#chunkOf[b]].ordering
    return compareOrdering(x, this.rowOf(a), y, this.rowOf(b))
  }
}
