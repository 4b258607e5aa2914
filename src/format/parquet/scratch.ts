/** Where decoded and gathered column bytes go. */
export type Allocate = (bytes: number) => Buffer

/** Memory of its own for each result. */
export const ownMemory: Allocate = (bytes) => Buffer.allocUnsafeSlow(bytes)

/**
 * Memory that is used again for the next column: what was taken is only valid until `reset`. Without it every column would leave
 * tens of megabytes to the garbage collector, which then runs dozens of times per file.
 */
export class Scratch {
  #block = Buffer.allocUnsafeSlow(1 << 20)
  #used = 0
  #asked = 0

  readonly take: Allocate = (bytes) => {
    const size = (bytes + 7) & ~7
    this.#asked += size
    if (this.#used + size > this.#block.length) {
      this.#block = Buffer.allocUnsafeSlow(Math.max(size, this.#block.length))
      this.#used = 0
    }
    const out = this.#block.subarray(this.#used, this.#used + bytes)
    this.#used += size
    return out
  }

  reset(): void {
    // room for all of the last column at once, so that the next one of its size fits without a new block
    if (this.#asked > this.#block.length) this.#block = Buffer.allocUnsafeSlow(this.#asked + (this.#asked >> 2))
    this.#used = 0
    this.#asked = 0
  }
}
