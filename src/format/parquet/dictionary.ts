import { copyBytes, type DictionaryVector, type PlainVector } from './column.ts'

const FIRST_LOOK = 2048
const MOST_ENTRIES = 1 << 16
const MOST_BYTES = 1 << 20

/**
 * Distinct values of a column of byte strings, or null when it doesn't repeat enough to be worth it: more than half of the
 * first 2048 rows distinct, or more than a quarter of all, or a dictionary above 1 MiB.
 */
export function buildDictionary(v: PlainVector): DictionaryVector | null {
  const { data, starts } = v
  const n = starts.length - 1
  let slots = new Int32Array(1024).fill(-1)
  let entryRow = new Int32Array(512)
  const indexes = new Int32Array(n)
  let entries = 0
  let bytes = 0
  for (let i = 0; i < n; i++) {
    const s = starts[i]
    const length = starts[i + 1] - s
    if (length === 0) {
      indexes[i] = -1
      continue
    }
    let slot = hash(data, s, length) & (slots.length - 1)
    let k = slots[slot]
    while (k >= 0 && !same(data, s, starts[entryRow[k]], length, starts[entryRow[k] + 1])) {
      slot = (slot + 1) & (slots.length - 1)
      k = slots[slot]
    }
    if (k < 0) {
      bytes += length
      if (entries >= MOST_ENTRIES || bytes > MOST_BYTES) return null
      if (entries >= FIRST_LOOK / 2 && entries > i >> (i <= FIRST_LOOK ? 1 : 2)) return null
      if (entries === entryRow.length) entryRow = grown(entryRow)
      entryRow[entries] = i
      slots[slot] = entries
      k = entries++
      if (entries * 2 > slots.length) slots = rehash(v, entryRow, entries, slots.length * 2)
    }
    indexes[i] = k
  }
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

function rehash(v: PlainVector, rows: Int32Array, entries: number, size: number): Int32Array<ArrayBuffer> {
  const slots = new Int32Array(size).fill(-1)
  for (let k = 0; k < entries; k++) {
    const s = v.starts[rows[k]]
    let slot = hash(v.data, s, v.starts[rows[k] + 1] - s) & (size - 1)
    while (slots[slot] >= 0) slot = (slot + 1) & (size - 1)
    slots[slot] = k
  }
  return slots
}

function grown(a: Int32Array): Int32Array<ArrayBuffer> {
  const b = new Int32Array(a.length * 2)
  b.set(a)
  return b
}

/** FNV-1a over the length prefix and the bytes, finished so that the low bits depend on all of them. */
function hash(data: Uint8Array, from: number, length: number): number {
  let h = 0x811c9dc5
  for (let i = from; i < from + length; i++) h = Math.imul(h ^ data[i], 0x01000193)
  return h ^ (h >>> 15)
}

function same(data: Uint8Array, a: number, b: number, length: number, bEnd: number): boolean {
  if (bEnd - b !== length) return false
  for (let i = 0; i < length; i++) if (data[a + i] !== data[b + i]) return false
  return true
}
