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

/** Reads a stream of literals into `out`, which has the raw length. False when it holds anything else (`out` is then undefined). */
export function decodeLiterals(stored: Uint8Array, out: Uint8Array): boolean {
  let p = 0
  while (p < stored.length && stored[p] > 127) p++
  p++
  let to = 0
  while (p < stored.length) {
    const tag = stored[p++]
    if ((tag & 3) !== 0) return false
    let n = tag >>> 2
    if (n >= 60) {
      const bytes = n - 59
      n = 0
      for (let i = 0; i < bytes; i++) n += stored[p++] * 2 ** (8 * i)
    }
    n++
    if (p + n > stored.length || to + n > out.length) return false
    out.set(stored.subarray(p, p + n), to)
    p += n
    to += n
  }
  return to === out.length
}
