import { hashInto } from '../index/keys.ts'

const SEED = 0x7215
const h0 = new Int32Array(1)
const h1 = new Int32Array(1)

/** Hashes of all keys of a table, 8 bytes each, to find those that may be there twice. */
export class KeyHashes {
  #values = new Float64Array(1024)
  #count = 0

  /** 53 bits, so that it fits a double. */
  static of(data: Uint8Array, from: number, to: number): number {
    hashInto(data, from, to, SEED, h0, h1, 0)
    return (h0[0] >>> 0) * 0x200000 + (h1[0] >>> 11)
  }

  add(data: Uint8Array, from: number, to: number): void {
    if (this.#count === this.#values.length) {
      const more = new Float64Array(this.#count * 2)
      more.set(this.#values)
      this.#values = more
    }
    this.#values[this.#count++] = KeyHashes.of(data, from, to)
  }

  /** Hashes that were added more than once. */
  repeated(): ReadonlySet<number> {
    const sorted = this.#values.subarray(0, this.#count).sort()
    const out = new Set<number>()
    for (let i = 1; i < sorted.length; i++) if (sorted[i] === sorted[i - 1]) out.add(sorted[i])
    return out
  }
}
