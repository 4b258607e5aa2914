/**
 * Row numbers as blocks of Hudi 1.x carry them in their header (`positions`): base64 of a 64-bit Roaring bitmap in its portable form. All integers
 * are little-endian:
 *
 *   bitmap64  => count:u64 (high:u32 bitmap)*                  a number is high · 2^32 + key · 2^16 + low
 *   bitmap    => cookie:u32 size:u32 keys offsets container*   cookie 12346
 *              | cookie:u16 sizeLess1:u16 runs keys [offsets] container*     cookie 12347; runs: one bit per container, lowest first
 *   keys      => (key:u16 cardinalityLess1:u16)*
 *   offsets   => u32*                                          with cookie 12347 only of four containers and more
 *   container => (start:u16 lengthLess1:u16)* after count:u16  a run container
 *              | low:u16*                                      of up to 4096 numbers
 *              | bits of 8192 bytes                            of more
 *
 * Returns the numbers, ascending; null when they are not in this form, or not all below 2^31.
 */
export function readPositions(text: string): Int32Array | null {
  const data = Buffer.from(text, 'base64')
  const out: number[] = []
  try {
    const count = data.readBigUInt64LE(0)
    let at = 8
    for (let i = 0n; i < count; i++) {
      const high = data.readUInt32LE(at)
      const end = readBitmap(data, at + 4, high, out)
      if (end < 0) return null
      at = end
    }
    return at === data.length ? Int32Array.from(out) : null
  } catch (e) {
    // a number lies outside of the bytes
    if (e instanceof RangeError) return null
    throw e
  }
}

const PLAIN = 12346
const WITH_RUNS = 12347
const FEW_CONTAINERS = 4
const MOST_IN_LIST = 4096
const BITMAP_BYTES = 8192

/** Adds the numbers of a bitmap that begins at `from`; the place after it, −1 when it is none. */
function readBitmap(data: Buffer, from: number, high: number, out: number[]): number {
  const cookie = data.readUInt16LE(from)
  const runs = cookie === WITH_RUNS
  if (!runs && data.readUInt32LE(from) !== PLAIN) return -1
  const size = runs ? data.readUInt16LE(from + 2) + 1 : data.readUInt32LE(from + 4)
  let at = from + (runs ? 4 : 8)
  const flags = at
  if (runs) at += (size + 7) >> 3
  const keys = at
  at += size * 4
  if (!runs || size >= FEW_CONTAINERS) at += size * 4
  for (let c = 0; c < size; c++) {
    const key = data.readUInt16LE(keys + c * 4)
    // beyond 2^31
    if (high !== 0 || key >= 1 << 15) return -1
    const isRun = runs && (data.readUInt8(flags + (c >> 3)) & (1 << (c & 7))) !== 0
    at = readContainer(data, at, key << 16, isRun ? -1 : data.readUInt16LE(keys + c * 4 + 2) + 1, out)
  }
  return at
}

/** `cardinality` −1: runs. Returns the place after the container. */
function readContainer(data: Buffer, from: number, base: number, cardinality: number, out: number[]): number {
  if (cardinality < 0) {
    const count = data.readUInt16LE(from)
    for (let r = 0; r < count; r++) {
      const start = data.readUInt16LE(from + 2 + r * 4)
      const length = data.readUInt16LE(from + 4 + r * 4) + 1
      for (let i = 0; i < length; i++) out.push(base + start + i)
    }
    return from + 2 + count * 4
  }
  if (cardinality <= MOST_IN_LIST) {
    for (let i = 0; i < cardinality; i++) out.push(base + data.readUInt16LE(from + i * 2))
    return from + cardinality * 2
  }
  for (let i = 0; i < BITMAP_BYTES * 8; i++) if ((data.readUInt8(from + (i >> 3)) & (1 << (i & 7))) !== 0) out.push(base + i)
  return from + BITMAP_BYTES
}
