import type { PlainVector } from '../../format/parquet/column.ts'

/** Values of `_hoodie_commit_seqno` of one file: `<instant>_<number of the file in its commit>_<row>`. */
export class SequenceNumbers {
  readonly #prefix: Buffer
  #next = 0

  constructor(instant: string, file: number) {
    this.#prefix = Buffer.from(`${instant}_${file}_`, 'latin1')
  }

  /** Those of the next `count` rows. */
  next(count: number): PlainVector {
    const prefix = this.#prefix
    const starts = new Int32Array(count + 1)
    const most = 4 + prefix.length + digits(this.#next + count)
    const data = Buffer.allocUnsafeSlow(count * most)
    let at = 0
    for (let i = 0; i < count; i++) {
      const n = this.#next++
      const length = prefix.length + digits(n)
      data[at] = length
      data[at + 1] = 0
      data[at + 2] = 0
      data[at + 3] = 0
      at += 4
      for (let b = 0; b < prefix.length; b++) data[at + b] = prefix[b]
      at += length
      for (let rest = n, p = at - 1, d = length - prefix.length; d > 0; d--, p--) {
        data[p] = 0x30 + (rest % 10)
        rest = Math.floor(rest / 10)
      }
      starts[i + 1] = at
    }
    return { kind: 'plain', data: data.subarray(0, at), starts }
  }
}

function digits(n: number): number {
  let d = 1
  for (let limit = 10; n >= limit; limit *= 10) d++
  return d
}
