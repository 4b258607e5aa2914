/**
 * Hudi's simple bucket index: `(hash & 0x7fffffff) % buckets`, hash = Java's List<String>.hashCode() of the values of the hash
 * fields, which Hudi takes from the record key text again (0.14 and 0.15):
 *   no ':' in the key      the key itself is the one value
 *   else                   split at ',' (trailing empty pieces dropped), each piece at its first ':'; a piece without ':' is a value;
 *                          the others count when their name is one of the fields; `__null__` is null, `__empty__` is ''
 * String.hashCode runs over UTF-16 code units. 1.x reads a single key that holds ':' but no ',' as one value.
 */
export interface BucketHash {
  readonly fields: readonly Buffer[]
  readonly buckets: number
}

const COLON = 0x3a
const COMMA = 0x2c
const NULL = Buffer.from('__null__')
const EMPTY = Buffer.from('__empty__')

export function bucketHash(fields: readonly string[], buckets: number): BucketHash {
  return { fields: fields.map((f) => Buffer.from(f, 'utf8')), buckets }
}

/** Bucket of the record key data[from, to). */
export function bucketOf(hash: BucketHash, data: Buffer, from: number, to: number): number {
  let plain = true
  for (let i = from; i < to; i++) {
    if (data[i] === COLON) {
      plain = false
      break
    }
  }
  const h = plain ? (31 + javaHash(data, from, to)) | 0 : pieces(hash, data, from, to)
  return (h & 0x7fffffff) % hash.buckets
}

function pieces(hash: BucketHash, data: Buffer, from: number, to: number): number {
  let end = to
  while (end > from && data[end - 1] === COMMA) end--
  let h = 1
  for (let p = from; p <= end; ) {
    let stop = p
    while (stop < end && data[stop] !== COMMA) stop++
    let colon = p
    while (colon < stop && data[colon] !== COLON) colon++
    if (colon === stop) h = (Math.imul(h, 31) + javaHash(data, p, stop)) | 0
    else if (hash.fields.some((f) => same(f, data, p, colon))) h = (Math.imul(h, 31) + valueHash(data, colon + 1, stop)) | 0
    p = stop + 1
  }
  return h
}

function valueHash(data: Buffer, from: number, to: number): number {
  if (same(NULL, data, from, to) || same(EMPTY, data, from, to)) return 0
  return javaHash(data, from, to)
}

function same(text: Buffer, data: Buffer, from: number, to: number): boolean {
  if (text.length !== to - from) return false
  for (let i = 0; i < text.length; i++) if (text[i] !== data[from + i]) return false
  return true
}

/** String.hashCode of UTF-8 bytes. */
export function javaHash(data: Uint8Array, from: number, to: number): number {
  let h = 0
  for (let i = from; i < to; ) {
    const b = data[i]
    if (b < 0x80) {
      h = (Math.imul(h, 31) + b) | 0
      i++
    } else if (b < 0xe0) {
      h = (Math.imul(h, 31) + (((b & 31) << 6) | (data[i + 1] & 63))) | 0
      i += 2
    } else if (b < 0xf0) {
      h = (Math.imul(h, 31) + (((b & 15) << 12) | ((data[i + 1] & 63) << 6) | (data[i + 2] & 63))) | 0
      i += 3
    } else {
      const c = (((b & 7) << 18) | ((data[i + 1] & 63) << 12) | ((data[i + 2] & 63) << 6) | (data[i + 3] & 63)) - 0x10000
      h = (Math.imul(h, 31) + (0xd800 + (c >> 10))) | 0
      h = (Math.imul(h, 31) + (0xdc00 + (c & 1023))) | 0
      i += 4
    }
  }
  return h
}
