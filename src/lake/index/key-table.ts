/**
 * Keys → dense numbers: an open-addressing table over typed arrays, no object per key. Keys are compared by their two hashes and then by
 * bytes. The caller keeps what belongs to a number in arrays of its own.
 */
export interface KeySource {
  readonly data: Buffer
  readonly offsets: Int32Array
  readonly h0: Int32Array
  readonly h1: Int32Array
}

export class KeyTable {
  readonly #sources: readonly KeySource[]
  /** Pairs: number + 1 (0 empty), first hash. A key that is not there is mostly told apart without a look at the sources. */
  #slots: Int32Array
  #mask: number
  #size = 0
  /** Where a key's bytes are. */
  #source: Uint16Array | Int32Array
  #row: Int32Array
  #filter = new Int32Array(0)
  #filterMask = 0
  /** How many keys the filter knows. */
  #filtered = -1

  /** `expected`: about how many distinct keys. */
  constructor(sources: readonly KeySource[], expected: number) {
    this.#sources = sources
    let slots = 64
    while (slots < expected * 1.6) slots *= 2
    this.#slots = new Int32Array(slots * 2)
    this.#mask = slots - 1
    this.#source = new Int32Array(Math.max(16, expected))
    this.#row = new Int32Array(Math.max(16, expected))
  }

  get size(): number {
    return this.#size
  }

  /** Number of the key of row `row` of source `source`, added when it is new. */
  put(source: number, row: number): number {
    const s = this.#sources[source]
    const h0 = s.h0[row]
    const h1 = s.h1[row]
    let slot = h0 & this.#mask
    for (;;) {
      const k = this.#slots[slot * 2] - 1
      if (k < 0) break
      if (this.#slots[slot * 2 + 1] === h0 && this.#is(k, h1, s.data, s.offsets[row], s.offsets[row + 1])) return k
      slot = (slot + 1) & this.#mask
    }
    const k = this.#size++
    if (k === this.#row.length) this.#growRows()
    this.#source[k] = source
    this.#row[k] = row
    this.#slots[slot * 2] = k + 1
    this.#slots[slot * 2 + 1] = h0
    if (this.#size * 1.5 > this.#mask) this.#rehash()
    return k
  }

  /**
   * False: no key has this first hash. One bit for each of ten hashes per key, so that most of the keys that are not there cost neither a look into the
   * table nor a second hash.
   */
  may(h0: number): boolean {
    if (this.#filtered !== this.#size) this.#makeFilter()
    const h = h0 & this.#filterMask
    return (this.#filter[h >>> 5] & (1 << (h & 31))) !== 0
  }

  #makeFilter(): void {
    let bits = 1024
    while (bits < this.#size * 10 && bits < 1 << 28) bits *= 2
    this.#filter = new Int32Array(bits >> 5)
    this.#filterMask = bits - 1
    for (let k = 0; k < this.#size; k++) {
      const h = this.#sources[this.#source[k]].h0[this.#row[k]] & this.#filterMask
      this.#filter[h >>> 5] |= 1 << (h & 31)
    }
    this.#filtered = this.#size
  }

  /** Number of a key given by its bytes and hashes; −1: not there. */
  find(h0: number, h1: number, data: Buffer, from: number, to: number): number {
    let slot = h0 & this.#mask
    for (;;) {
      const k = this.#slots[slot * 2] - 1
      if (k < 0) return -1
      if (this.#slots[slot * 2 + 1] === h0 && this.#is(k, h1, data, from, to)) return k
      slot = (slot + 1) & this.#mask
    }
  }

  /** Source and row where key `k` was first seen. */
  sourceOf(k: number): number {
    return this.#source[k]
  }

  rowOf(k: number): number {
    return this.#row[k]
  }

  #is(k: number, h1: number, data: Buffer, from: number, to: number): boolean {
    const s = this.#sources[this.#source[k]]
    const r = this.#row[k]
    if (s.h1[r] !== h1) return false
    const at = s.offsets[r]
    if (s.offsets[r + 1] - at !== to - from) return false
    for (let i = 0, n = to - from; i < n; i++) if (s.data[at + i] !== data[from + i]) return false
    return true
  }

  #growRows(): void {
    const source = new Int32Array(this.#row.length * 2)
    const row = new Int32Array(this.#row.length * 2)
    source.set(this.#source)
    row.set(this.#row)
    this.#source = source
    this.#row = row
  }

  #rehash(): void {
    const slots = new Int32Array(this.#slots.length * 2)
    this.#mask = this.#mask * 2 + 1
    for (let i = 0; i < this.#slots.length; i += 2) {
      if (this.#slots[i] === 0) continue
      let slot = this.#slots[i + 1] & this.#mask
      while (slots[slot * 2] !== 0) slot = (slot + 1) & this.#mask
      slots[slot * 2] = this.#slots[i]
      slots[slot * 2 + 1] = this.#slots[i + 1]
    }
    this.#slots = slots
  }
}
