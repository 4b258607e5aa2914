import type { PlainVector } from '../../format/parquet/column.ts'
import { type Allocate, int32s } from '../../format/parquet/scratch.ts'

/** Numbers that are alike but for their last three digits. */
const BLOCK = 1000

/**
 * `_hoodie_commit_seqno` of the rows of one file, in order: `<instant>_<ordinal of the file>_<row>`. Written a thousand at a time: a block of them is kept, in
 * which only the digits before the last three change, and is copied as a whole.
 */
export class SequenceNumbers {
  readonly #prefix: string
  #row = 0
  /** The texts of rows `#blockRow` … + 999, with their lengths before them; all of one size. */
  #block = Buffer.alloc(0)
  #blockRow = -1

  constructor(instant: string, ordinal: number) {
    this.#prefix = `${instant}_${ordinal}_`
  }

  /** The next `count` numbers. */
  take(count: number, allocate: Allocate): PlainVector {
    const first = this.#row
    const most = 4 + this.#prefix.length + String(first + count).length
    const starts = int32s(allocate, count + 1)
    const data = allocate(count * most)
    starts[0] = 0
    for (let i = 0, p = 0; i < count; ) {
      const row = first + i
      const digits = String(row).length
      const size = 4 + this.#prefix.length + digits
      const from = row % BLOCK
      // a block holds numbers of one length
      const end = row < BLOCK ? 10 ** digits : row - from + BLOCK
      const n = Math.min(count - i, end - row)
      if (row < BLOCK) for (let k = 0; k < n; k++) data.set(plain(`${this.#prefix}${row + k}`), p + k * size)
      else data.set(this.#blockOf(row - from, size).subarray(from * size, (from + n) * size), p)
      for (let k = 0; k < n; k++) {
        p += size
        starts[++i] = p
      }
    }
    this.#row += count
    return { kind: 'plain', data, starts, extremes: extremesOf(first, count) }
  }

  /** The block that begins with this row, a multiple of BLOCK. */
  #blockOf(row: number, size: number): Buffer {
    if (this.#blockRow === row) return this.#block
    const text = plain(`${this.#prefix}${row}`)
    if (this.#block.length !== BLOCK * size) {
      this.#block = Buffer.alloc(BLOCK * size)
      for (let k = 0; k < BLOCK; k++) this.#block.set(plain(`${this.#prefix}${row + k}`), k * size)
    } else {
      // only digits that are others than in the block before, in each of its texts
      for (let d = size - 4; d >= 4 + this.#prefix.length; d--) {
        if (this.#block[d] === text[d]) continue
        for (let at = d; at < this.#block.length; at += size) this.#block[at] = text[d]
      }
    }
    this.#blockRow = row
    return this.#block
  }
}

/**
 * Which of `count` numbers from `first` on are the least and the greatest as texts: of each length the first and the last one come into question.
 */
function extremesOf(first: number, count: number): readonly [number, number] | undefined {
  if (count === 0) return undefined
  let min = first
  let max = first
  for (let from = first; from < first + count; ) {
    const to = Math.min(first + count, 10 ** String(from).length) - 1
    if (String(from) < String(min)) min = from
    if (String(to) > String(max)) max = to
    from = to + 1
  }
  return [min - first, max - first]
}

function plain(text: string): Buffer {
  const out = Buffer.alloc(4 + text.length)
  out.writeInt32LE(text.length, 0)
  out.write(text, 4, 'latin1')
  return out
}
