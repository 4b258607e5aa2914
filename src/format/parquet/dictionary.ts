import { copyBytes, type DictionaryVector, type PlainVector } from './column.ts'

const FIRST_LOOK = 2048
/** Fewer rows than this are a dictionary whatever they hold. */
const SMALL = 64
const MOST_ENTRIES = 1 << 16
const MOST_BYTES = 1 << 20

/**
 * Distinct values of a column of byte strings, or null when it doesn't repeat enough to be worth it: more than half of the
 * first 2048 rows (or of all, if there are fewer) distinct, or more than a quarter of all, or a dictionary above 1 MiB.
 */
export function buildDictionary(v: PlainVector): DictionaryVector | null {
  const { data, starts } = v
  const n = starts.length - 1
  const words = new DataView(data.buffer, data.byteOffset, data.length)
  let slots = new Int32Array(1024).fill(-1)
  let entryRow = new Int32Array(512)
  let indexes = new Int32Array(Math.min(n, FIRST_LOOK))
  let entries = 0
  let bytes = 0
  for (let i = 0; i < n; i++) {
    if (i === indexes.length) indexes = grown(indexes, n)
    const s = starts[i]
    const length = starts[i + 1] - s
    if (length === 0) {
      indexes[i] = -1
      continue
    }
    let slot = hash(words, s, length) & (slots.length - 1)
    let k = slots[slot]
    while (k >= 0 && !same(words, s, starts[entryRow[k]], length, starts[entryRow[k] + 1])) {
      slot = (slot + 1) & (slots.length - 1)
      k = slots[slot]
    }
    if (k < 0) {
      bytes += length
      if (entries >= MOST_ENTRIES || bytes > MOST_BYTES) return null
      if (entries >= FIRST_LOOK / 2 && entries > i >> (i <= FIRST_LOOK ? 1 : 2)) return null
      if (entries === entryRow.length) entryRow = grown(entryRow, entries * 2)
      entryRow[entries] = i
      slots[slot] = entries
      k = entries++
      if (entries * 2 > slots.length) slots = rehash(words, starts, entryRow, entries, slots.length * 2)
    }
    indexes[i] = k
  }
  if (n >= SMALL && entries * 2 > n) return null
  return { kind: 'dictionary', values: pick(v, entryRow, entries, bytes), indexes, used: true }
}

function pick(v: PlainVector, rows: Int32Array, entries: number, bytes: number): PlainVector {
  const data = Buffer.allocUnsafeSlow(bytes)
  const starts = new Int32Array(entries + 1)
  let p = 0
  for (let k = 0; k < entries; k++) {
    const s = v.starts[rows[k]]
    const length = v.starts[rows[k] + 1] - s
    copyBytes(v.data, s, length, data, p)
    p += length
    starts[k + 1] = p
  }
  return { kind: 'plain', data, starts }
}

function rehash(words: DataView, starts: Int32Array, rows: Int32Array, entries: number, size: number): Int32Array<ArrayBuffer> {
  const slots = new Int32Array(size).fill(-1)
  for (let k = 0; k < entries; k++) {
    const s = starts[rows[k]]
    let slot = hash(words, s, starts[rows[k] + 1] - s) & (size - 1)
    while (slots[slot] >= 0) slot = (slot + 1) & (size - 1)
    slots[slot] = k
  }
  return slots
}

function grown(a: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const b = new Int32Array(length)
  b.set(a)
  return b
}

/** Over the length prefix and the bytes, four at a time in FNV's manner, finished so that the low bits depend on all of them. */
function hash(words: DataView, from: number, length: number): number {
  let h = 0x811c9dc5
  let i = from
  const end = from + length
  for (; i + 4 <= end; i += 4) {
    h = Math.imul(h ^ words.getInt32(i, true), 0x01000193)
    h ^= h >>> 15
  }
  for (; i < end; i++) h = Math.imul(h ^ words.getUint8(i), 0x01000193)
  return h ^ (h >>> 15)
}

function same(words: DataView, a: number, b: number, length: number, bEnd: number): boolean {
  if (bEnd - b !== length) return false
  let i = 0
  for (; i + 4 <= length; i += 4) if (words.getInt32(a + i, true) !== words.getInt32(b + i, true)) return false
  for (; i < length; i++) if (words.getUint8(a + i) !== words.getUint8(b + i)) return false
  return true
}
