/**
 * Hudi's Bloom filter of record keys in a base file's footer, base64 of (big-endian):
 *   SIMPLE => −1:i32 hashes:i32 1:u8 (murmur) bits:i32 bytes        bit i is bytes[i >> 3] >> (i & 7)
 * Hash: Hadoop's MurmurHash (version 2, seed chained: h0 = hash(key, 0), h1 = hash(key, h0) …), bit |h mod bits|.
 * Only writers whose index is BLOOM use it, and only to skip files: one key in twenty is looked for in vain.
 */
export const BLOOM_KEY = 'org.apache.hudi.bloomfilter'
export const BLOOM_TYPE_KEY = 'hoodie_bloom_filter_type_code'
export const MIN_KEY = 'hoodie_min_record_key'
export const MAX_KEY = 'hoodie_max_record_key'
/** Our own: keys added so far and keys it was made for, so that a filter can be carried on instead of being made anew. */
export const BLOOM_FILL_KEY = 'tributary.bloom.fill'

const ERROR_RATE = 0.05
const MOST_KEYS = 2_000_000
const LEAST_KEYS = 256

export class BloomFilter {
  readonly bits: number
  readonly hashes: number
  readonly capacity: number
  readonly bytes: Buffer
  added: number

  private constructor(bits: number, hashes: number, capacity: number, bytes: Buffer, added: number) {
    this.bits = bits
    this.hashes = hashes
    this.capacity = capacity
    this.bytes = bytes
    this.added = added
  }

  /** For `rows` keys and a quarter more. */
  static sized(rows: number): BloomFilter {
    const capacity = Math.min(MOST_KEYS, Math.max(LEAST_KEYS, Math.ceil(rows * 1.25)))
    const bits = Math.ceil((capacity * -Math.log(ERROR_RATE)) / Math.LN2 ** 2)
    const hashes = Math.ceil((Math.LN2 * bits) / capacity)
    return new BloomFilter(bits, hashes, capacity, Buffer.alloc((bits + 7) >> 3), 0)
  }

  /** The filter of an earlier file, when it is one of ours with room for `more` keys, or as large as filters get; else null. */
  static carriedOn(keyValues: ReadonlyMap<string, string>, more: number): BloomFilter | null {
    const fill = /^(\d+)\/(\d+)$/.exec(keyValues.get(BLOOM_FILL_KEY) ?? '')
    const text = keyValues.get(BLOOM_KEY)
    if (fill === null || text === undefined || keyValues.get(BLOOM_TYPE_KEY) !== 'SIMPLE') return null
    const added = Number(fill[1])
    const capacity = Number(fill[2])
    const raw = Buffer.from(text, 'base64')
    if (raw.length < 13 || (added + more > capacity && capacity < MOST_KEYS)) return null
    const bits = raw.readInt32BE(9)
    const bytes = Buffer.from(raw.subarray(13))
    if (bytes.length !== (bits + 7) >> 3) return null
    return new BloomFilter(bits, raw.readInt32BE(4), capacity, bytes, added)
  }

  /** A filter of the simple form, whoever wrote it, to look keys up in; null: there is none, or of another form. */
  static simple(text: string | undefined): BloomFilter | null {
    const raw = Buffer.from(text ?? '', 'base64')
    if (raw.length < 13 || raw.readInt32BE(0) !== -1 || raw[8] !== 1) return null
    const bits = raw.readInt32BE(9)
    const bytes = raw.subarray(13)
    return bytes.length === (bits + 7) >> 3 ? new BloomFilter(bits, raw.readInt32BE(4), 0, bytes, 0) : null
  }

  add(data: Uint8Array, from: number, to: number): void {
    const words = premixed(data, from, to)
    let h = 0
    for (let i = 0; i < this.hashes; i++) {
      h = murmur2Of(words, to - from, h)
      const bit = Math.abs(h % this.bits)
      this.bytes[bit >> 3] |= 1 << (bit & 7)
    }
    this.added++
  }

  /** False: the key is certainly not in the file. */
  mayHold(data: Uint8Array, from: number, to: number): boolean {
    const words = premixed(data, from, to)
    let h = 0
    for (let i = 0; i < this.hashes; i++) {
      h = murmur2Of(words, to - from, h)
      const bit = Math.abs(h % this.bits)
      if ((this.bytes[bit >> 3] & (1 << (bit & 7))) === 0) return false
    }
    return true
  }

  base64(): string {
    const head = Buffer.alloc(13)
    head.writeInt32BE(-1, 0)
    head.writeInt32BE(this.hashes, 4)
    head[8] = 1
    head.writeInt32BE(this.bits, 9)
    return Buffer.concat([head, this.bytes]).toString('base64')
  }

  /** Footer entries: the filter, its type, and its fill. */
  entries(): [string, string][] {
    return [
      [BLOOM_KEY, this.base64()],
      [BLOOM_TYPE_KEY, 'SIMPLE'],
      [BLOOM_FILL_KEY, `${this.added}/${this.capacity}`],
    ]
  }
}

/** What murmur2 makes of each four bytes before the seed comes in, then the tail: the same for all hashes of a key. */
let mixed = new Int32Array(64)

/** Valid until the next call. Bytes of the tail are taken from the end and signed, as Hadoop's code has it. */
function premixed(data: Uint8Array, from: number, to: number): Int32Array {
  const words = (to - from) >> 2
  if (words >= mixed.length) mixed = new Int32Array(words * 2)
  let p = from
  for (let i = 0; i < words; i++, p += 4) {
    let k = data[p] | (data[p + 1] << 8) | (data[p + 2] << 16) | (data[p + 3] << 24)
    k = Math.imul(k, 0x5bd1e995)
    k ^= k >>> 24
    mixed[i] = Math.imul(k, 0x5bd1e995)
  }
  const left = to - p
  let tail = 0
  if (left >= 3) tail ^= ((data[to - 3] << 24) >> 24) << 16
  if (left >= 2) tail ^= ((data[to - 2] << 24) >> 24) << 8
  if (left >= 1) tail ^= (data[to - 1] << 24) >> 24
  mixed[words] = tail
  return mixed
}

function murmur2Of(words: Int32Array, length: number, seed: number): number {
  const n = length >> 2
  let h = seed ^ length
  for (let i = 0; i < n; i++) h = Math.imul(h, 0x5bd1e995) ^ words[i]
  if ((length & 3) > 0) h = Math.imul(h ^ words[n], 0x5bd1e995)
  h ^= h >>> 13
  h = Math.imul(h, 0x5bd1e995)
  return h ^ (h >>> 15)
}

/** Hadoop's MurmurHash, version 2. */
export function murmur2(data: Uint8Array, from: number, to: number, seed: number): number {
  return murmur2Of(premixed(data, from, to), to - from, seed)
}
