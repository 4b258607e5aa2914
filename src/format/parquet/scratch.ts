/** Where decoded and gathered column bytes go. */
export type Allocate = (bytes: number) => Buffer

/** Memory of its own for each result. */
export const ownMemory: Allocate = (bytes) => Buffer.allocUnsafeSlow(bytes)

/** `n` 32-bit integers in memory from `allocate`, with whatever it held. */
export function int32s(allocate: Allocate, n: number): Int32Array<ArrayBuffer> {
  if (allocate === ownMemory) return new Int32Array(n)
  const bytes = allocate(n * 4)
  return new Int32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, n)
}

/**
 * Memory that is used again for the next column: what was taken is only valid until `reset`. Without it every column would leave
 * tens of megabytes to the garbage collector, which then runs dozens of times per file.
 */
export class Scratch {
  #block: Buffer = takeBlock(1 << 20)
  #used = 0
  #asked = 0

  /** Aligned to 8 bytes. */
  readonly take: Allocate = (bytes) => {
    const size = (bytes + 7) & ~7
    this.#asked += size
    if (this.#used + size > this.#block.length) {
      this.#block = takeBlock(Math.max(size, this.#block.length))
      this.#used = 0
    }
    const out = this.#block.subarray(this.#used, this.#used + bytes)
    this.#used += size
    return out
  }

  reset(): void {
    // room for all of the last column at once, so that the next one of its size fits without a new block
    if (this.#asked > this.#block.length) {
      giveBack(this.#block)
      this.#block = takeBlock(this.#asked + (this.#asked >> 2))
    }
    this.#used = 0
    this.#asked = 0
  }

  /** For the next file: nothing that was taken is valid afterwards. */
  release(): void {
    giveBack(this.#block)
    this.#block = NONE
    this.#used = 0
    this.#asked = 0
  }
}

const NONE = Buffer.alloc(0)
const KEEP_BLOCKS = 4
const KEEP_BYTES = 64 << 20
/** Blocks that files left behind. Fresh ones of this size cost page faults, and a run of the garbage collector each 64 MB. */
const kept: Buffer[] = []

/** Memory of at least `bytes`, with whatever it held. */
export function takeBlock(bytes: number): Buffer {
  let best = -1
  for (let i = 0; i < kept.length; i++) {
    if (kept[i].length >= bytes && (best < 0 || kept[i].length < kept[best].length)) best = i
  }
  return best < 0 ? Buffer.allocUnsafeSlow(bytes) : kept.splice(best, 1)[0]
}

/** Nobody looks into the block any more. */
export function giveBack(block: Buffer): void {
  if (block.length === 0) return
  kept.push(block)
  kept.sort((a, b) => b.length - a.length)
  while (kept.length > KEEP_BLOCKS || kept.reduce((n, b) => n + b.length, 0) > KEEP_BYTES) kept.pop()
}
