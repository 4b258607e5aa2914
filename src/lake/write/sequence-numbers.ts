import type { PlainVector } from '../../format/parquet/column.ts'
import { type Allocate, int32s } from '../../format/parquet/scratch.ts'

/** `_hoodie_commit_seqno` of the rows of one file, in order: `<instant>_<ordinal of the file>_<row>`. */
export class SequenceNumbers {
  /** Length prefix and text of the next number. */
  #next: Buffer
  /** Where the row's digits begin. */
  readonly #digits: number
  #row = 0

  constructor(instant: string, ordinal: number) {
    this.#next = plain(`${instant}_${ordinal}_0`)
    this.#digits = this.#next.length - 1
  }

  /** The next `count` numbers. */
  take(count: number, allocate: Allocate): PlainVector {
    const most = this.#digits + String(this.#row + count).length
    const starts = int32s(allocate, count + 1)
    const data = allocate(count * most)
    const out = new DataView(data.buffer, data.byteOffset, data.length)
    starts[0] = 0
    for (let i = 0, p = 0; i < count; i++) {
      const length = this.#next.length
      const from = new DataView(this.#next.buffer, this.#next.byteOffset, length)
      // as many as have the same number of digits
      for (const size = length; i < count && this.#next.length === size; i++) {
        let k = 0
        for (; k + 4 <= size; k += 4) out.setInt32(p + k, from.getInt32(k, true), true)
        for (; k < size; k++) out.setUint8(p + k, from.getUint8(k))
        p += size
        starts[i + 1] = p
        this.#increment()
      }
      i--
    }
    this.#row += count
    return { kind: 'plain', data, starts }
  }

  #increment(): void {
    const text = this.#next
    let p = text.length - 1
    for (; p >= this.#digits && text[p] === 0x39; p--) text[p] = 0x30
    if (p >= this.#digits) text[p]++
    else this.#next = plain(`${text.toString('latin1', 4, this.#digits)}1${text.toString('latin1', this.#digits)}`)
  }
}

function plain(text: string): Buffer {
  const out = Buffer.alloc(4 + text.length)
  out.writeInt32LE(text.length, 0)
  out.write(text, 4, 'latin1')
  return out
}
