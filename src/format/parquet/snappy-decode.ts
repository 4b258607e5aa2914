/** Bytes behind the result that `decodeSnappy` may write to. */
export const SLACK = 8

/**
 * Inflates a Snappy stream into memory of the caller, which holds `rawSize + SLACK` bytes: the native decoder would return fresh memory for
 * each page, whose page faults and garbage collection cost more than this loop.
 *   stream  => rawLength:varint element*
 *   element => tag:u8, low two bits: 0 literal (length − 1 in the upper six bits, 60 … 63: in the 1 … 4 bytes that follow),
 *              1 copy of 4 … 11 bytes (11-bit offset), 2 copy of 1 … 64 (offset:u16le), 3 the same (offset:u32le)
 * False: the stream is not one of `rawSize` bytes.
 */
export function decodeSnappy(src: Uint8Array, rawSize: number, out: Uint8Array): boolean {
  const from = new DataView(src.buffer, src.byteOffset, src.length)
  const to = new DataView(out.buffer, out.byteOffset, out.length)
  const end = src.length
  const wide = end - 4
  let s = 0
  let size = 0
  for (let shift = 0; ; shift += 7) {
    if (s >= end || shift > 28) return false
    const b = src[s++]
    size |= (b & 127) << shift
    if (b < 128) break
  }
  if (size >>> 0 !== rawSize) return false
  let d = 0
  while (s < end) {
    const tag = src[s++]
    const kind = tag & 3
    if (kind === 0) {
      let n = (tag >>> 2) + 1
      if (n > 60) {
        const extra = n - 60
        if (s + extra > end) return false
        n = src[s]
        if (extra > 1) n |= src[s + 1] << 8
        if (extra > 2) n |= src[s + 2] << 16
        if (extra > 3) n |= src[s + 3] << 24
        if (n < 0) return false
        n++
        s += extra
      }
      if (s + n > end || d + n > rawSize) return false
      if (n > 64) out.set(src.subarray(s, s + n), d)
      else if (s + n <= wide) for (let i = 0; i < n; i += 4) to.setInt32(d + i, from.getInt32(s + i, true), true)
      else for (let i = 0; i < n; i++) out[d + i] = src[s + i]
      s += n
      d += n
      continue
    }
    let n: number
    let offset: number
    if (kind === 1) {
      if (s >= end) return false
      n = ((tag >>> 2) & 7) + 4
      offset = ((tag >>> 5) << 8) | src[s++]
    } else {
      n = (tag >>> 2) + 1
      if (kind === 2) {
        if (s + 2 > end) return false
        offset = src[s] | (src[s + 1] << 8)
        s += 2
      } else {
        if (s + 4 > end) return false
        offset = from.getUint32(s, true)
        s += 4
      }
    }
    if (offset === 0 || offset > d || d + n > rawSize) return false
    const at = d - offset
    if (offset >= 4) for (let i = 0; i < n; i += 4) to.setInt32(d + i, to.getInt32(at + i, true), true)
    else for (let i = 0; i < n; i++) out[d + i] = out[at + i]
    d += n
  }
  return d === rawSize
}
