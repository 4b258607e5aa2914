/**
 * Snappy streams without back references, for pages that don't compress (digests, hex, encrypted or compressed values): a
 * memory copy instead of a search for matches.
 *   stream  => rawLength:varint literal*
 *   literal => 61 << 2 (length − 1):u16le bytes        (longer lengths: 62 with 3 bytes, 63 with 4; up to 60: (length − 1) << 2)
 */
const BLOCK = 65536

export function literalsBound(rawLength: number): number {
  return rawLength + 5 + 3 * (Math.ceil(rawLength / BLOCK) + 1)
}

/** Writes `raw` as literals into `out` (`literalsBound` bytes). Returns the length. */
export function encodeLiterals(raw: Uint8Array, out: Uint8Array): number {
  let p = 0
  let length = raw.length
  while (length > 127) {
    out[p++] = (length & 127) | 128
    length >>>= 7
  }
  out[p++] = length
  for (let at = 0; at < raw.length; at += BLOCK) {
    const n = Math.min(BLOCK, raw.length - at)
    out[p++] = 61 << 2
    out[p++] = n - 1
    out[p++] = (n - 1) >>> 8
    out.set(raw.subarray(at, at + n), p)
    p += n
  }
  return p
}
