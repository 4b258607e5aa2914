import { BLOOM_KEY, BLOOM_TYPE_KEY, BloomFilter, MAX_KEY, MIN_KEY } from './bloom.ts'
import type { Keys } from './keys.ts'

/**
 * Record keys looked for in base files that are spread over no buckets, as another engine writes them: the footer of a file tells the range of its
 * keys, and has a Bloom filter of them. A filter lets one key in twenty pass by mistake, so it is asked for a few keys only.
 */
const FEW_KEYS = 256

/** Entries of a write, by their keys. */
export interface KeyedEntries {
  readonly chunks: readonly { readonly keys: Keys }[]
  readonly chunk: Int32Array
  readonly entry: Int32Array
  readonly count: number
}

/** Whether a base file with these footer entries may hold a key of these entries. False is certain. */
export function mayHoldKeys(footer: ReadonlyMap<string, string>, entries: KeyedEntries): boolean {
  const range = rangeOf(footer)
  const bloom = filtersOf(footer)
  if (range === null && (bloom === null || entries.count > FEW_KEYS)) return true
  let inRange = 0
  for (let j = 0; j < entries.count; j++) {
    const { data, offsets } = entries.chunks[entries.chunk[j]].keys
    const [from, to] = [offsets[entries.entry[j]], offsets[entries.entry[j] + 1]]
    if (range !== null && !within(range, data, from, to)) continue
    if (bloom === null || ++inRange > FEW_KEYS || bloom.some((f) => f.mayHold(data, from, to))) return true
  }
  return false
}

const HEADER = 13
const COUNTS = 12

/**
 * The file's Bloom filters; null: none, or of a form that is not known. One of type DYNAMIC_V0, which Spark writes, is (big-endian)
 *   header:13 bytes, keysEach:i32 keysInLast:i32 count:i32 filter*       a key is in one of the filters; each is of the simple form
 */
function filtersOf(footer: ReadonlyMap<string, string>): readonly BloomFilter[] | null {
  const text = footer.get(BLOOM_KEY)
  const type = footer.get(BLOOM_TYPE_KEY)
  if (text === undefined || (type !== 'SIMPLE' && type !== 'DYNAMIC_V0')) return null
  if (type === 'SIMPLE') {
    const filter = BloomFilter.simple(text)
    return filter === null ? null : [filter]
  }
  const raw = Buffer.from(text, 'base64')
  if (raw.length < HEADER + COUNTS) return null
  const size = HEADER + ((raw.readInt32BE(9) + 7) >> 3)
  const count = raw.readInt32BE(HEADER + 8)
  if (count < 1 || raw.length !== HEADER + COUNTS + count * size) return null
  const filters: BloomFilter[] = []
  for (let i = 0; i < count; i++) {
    const at = HEADER + COUNTS + i * size
    const filter = BloomFilter.simple(raw.toString('base64', at, at + size))
    if (filter === null) return null
    filters.push(filter)
  }
  return filters
}

interface Range {
  readonly min: Buffer
  readonly max: Buffer
}

/** The file's smallest and largest key; null: not recorded, or not comparable byte by byte. */
function rangeOf(footer: ReadonlyMap<string, string>): Range | null {
  const [min, max] = [footer.get(MIN_KEY), footer.get(MAX_KEY)]
  if (min === undefined || max === undefined) return null
  const range = { min: Buffer.from(min, 'utf8'), max: Buffer.from(max, 'utf8') }
  return isPlain(range.min, 0, range.min.length) && isPlain(range.max, 0, range.max.length) ? range : null
}

function within(range: Range, data: Buffer, from: number, to: number): boolean {
  if (!isPlain(data, from, to)) return true
  return data.compare(range.min, 0, range.min.length, from, to) >= 0 && data.compare(range.max, 0, range.max.length, from, to) <= 0
}

/** Java orders texts by UTF-16 units, which is the order of the bytes but for characters from U+E000 on and those in two units. */
function isPlain(data: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (data[i] >= 0xee) return false
  return true
}
