/** Record keys of many rows: UTF-8, row i is data[offsets[i], offsets[i + 1]), with two 32-bit hashes each (`hashKeys`). */
export interface Keys {
  readonly data: Buffer
  readonly offsets: Int32Array
  readonly h0: Int32Array
  readonly h1: Int32Array
}

const C1 = 0xcc9e2d51 | 0
const C2 = 0x1b873593
const C3 = 0x239b961b
const C4 = 0xab0e9789 | 0

/**
 * Two seeded 32-bit lanes in murmur3's manner over bytes [from, to) of `data`. The seed is drawn per flush, so nobody can
 * choose keys that collide.
 */
export function hashKeys(data: Buffer, offsets: Int32Array, n: number, seed: number): Keys {
  const h0 = new Int32Array(n)
  const h1 = new Int32Array(n)
  for (let i = 0; i < n; i++) {
    hashInto(data, offsets[i], offsets[i + 1], seed, h0, h1, i)
  }
  return { data, offsets, h0, h1 }
}

export function hashInto(data: Uint8Array, from: number, to: number, seed: number, h0: Int32Array, h1: Int32Array, at: number): void {
  let a = seed | 0
  let b = ~seed
  let p = from
  for (; p + 4 <= to; p += 4) {
    const w = data[p] | (data[p + 1] << 8) | (data[p + 2] << 16) | (data[p + 3] << 24)
    let x = Math.imul(w, C1)
    x = (x << 15) | (x >>> 17)
    a ^= Math.imul(x, C2)
    a = (a << 13) | (a >>> 19)
    a = (Math.imul(a, 5) + 0xe6546b64) | 0
    let y = Math.imul(w, C3)
    y = (y << 16) | (y >>> 16)
    b ^= Math.imul(y, C4)
    b = (b << 17) | (b >>> 15)
    b = (Math.imul(b, 5) + 0x561ccd1b) | 0
  }
  for (; p < to; p++) {
    a = Math.imul(a ^ data[p], C1)
    b = Math.imul(b ^ data[p], C3)
    a ^= a >>> 15
    b ^= b >>> 13
  }
  h0[at] = mix(a ^ (to - from))
  h1[at] = mix(b ^ Math.imul(to - from, C4))
}

/** The first of the two hashes alone. `view` covers the bytes of `data`. */
export function firstHash(data: Uint8Array, view: DataView, from: number, to: number, seed: number): number {
  let a = seed | 0
  let p = from
  for (; p + 4 <= to; p += 4) {
    let x = Math.imul(view.getInt32(p, true), C1)
    x = (x << 15) | (x >>> 17)
    a ^= Math.imul(x, C2)
    a = (a << 13) | (a >>> 19)
    a = (Math.imul(a, 5) + 0xe6546b64) | 0
  }
  for (; p < to; p++) {
    a = Math.imul(a ^ data[p], C1)
    a ^= a >>> 15
  }
  return mix(a ^ (to - from))
}

function mix(x: number): number {
  let h = x
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}
