import { codecNumber, compress, type WriteCodec } from './codec.ts'
import type { DictionaryVector, PlainVector } from './column.ts'
import { buildDictionary } from './dictionary.ts'
import {
  type ChunkMeta,
  ENCODING,
  encodeDataPageHeader,
  encodeDictionaryPageHeader,
  PHYSICAL,
  type SchemaElement,
  type Statistics,
} from './metadata.ts'
import { bitWidth, encodePacked, encodeRepeated, runsBound } from './rle.ts'
import { giveBack, takeBlock } from './scratch.ts'
import type { LeafData } from './shred.ts'
import { dictionaryStatistics, fixedStatistics, plainStatistics } from './statistics.ts'

const PAGE_ROWS = 20_000
const PAGE_BYTES = 1 << 20

/** Where chunks go until they are written, and the scratch space of one page; reused for all chunks of a file, and by the next file. */
export class ChunkBuffer {
  bytes: Buffer = takeBlock(1 << 20)
  length = 0
  #page: Buffer = takeBlock(1 << 20)
  #packed: Buffer = Buffer.alloc(0)

  append(part: Uint8Array): void {
    if (this.length + part.length > this.bytes.length) {
      const bigger = takeBlock(Math.max(this.bytes.length * 2, this.length + part.length))
      this.bytes.copy(bigger, 0, 0, this.length)
      giveBack(this.bytes)
      this.bytes = bigger
    }
    this.bytes.set(part, this.length)
    this.length += part.length
  }

  /** Room for a stored page. */
  packedRoom(size: number): Buffer {
    if (this.#packed.length < size) this.#packed = renewed(this.#packed, size)
    return this.#packed
  }

  /** The page scratch with room for `size` bytes; what it held is lost. */
  room(size: number): Buffer {
    if (this.#page.length < size) this.#page = renewed(this.#page, size)
    return this.#page
  }

  /** For the next file. */
  release(): void {
    for (const block of [this.bytes, this.#page, this.#packed]) giveBack(block)
    this.bytes = Buffer.alloc(0)
    this.#page = this.bytes
    this.#packed = this.bytes
    this.length = 0
  }
}

function renewed(block: Buffer, size: number): Buffer {
  giveBack(block)
  return takeBlock(Math.max(size, block.length * 2))
}

/** Appends one leaf to `out` and describes it, with offsets relative to the chunk's first byte. */
export function encodeChunk(
  leaf: LeafData,
  element: SchemaElement,
  path: readonly string[],
  codec: WriteCodec,
  ranged: boolean,
  out: ChunkBuffer,
): ChunkMeta {
  const start = out.length
  let raw = 0
  const addPage = (body: Uint8Array, header: (stored: number) => Uint8Array): void => {
    const stored = compress(codec, body, (n) => out.packedRoom(n))
    const h = header(stored.length)
    out.append(h)
    out.append(stored)
    raw += h.length + body.length
  }
  const dictionary = dictionaryOf(leaf)
  let dictionaryPage: number | null = null
  if (dictionary !== null) {
    const entries = dictionary.values.starts.length - 1
    const body = dictionary.values.data.subarray(dictionary.values.starts[0], dictionary.values.starts[entries])
    dictionaryPage = 0
    addPage(body, (stored) => encodeDictionaryPageHeader(body.length, stored, entries))
  }
  const dataPage = out.length - start
  const encoding = dictionary === null ? ENCODING.plain : ENCODING.rleDictionary
  const pageRows = rowsPerPage(leaf, dictionary)
  for (let from = 0, dense = 0; from < leaf.count || from === 0; ) {
    const to = pageEnd(leaf, from, pageRows)
    const values = presentIn(leaf, from, to)
    const body = encodePage(leaf, dictionary, element, from, to, dense, dense + values, out)
    addPage(body, (stored) => encodeDataPageHeader(body.length, stored, to - from, encoding))
    dense += values
    if (to >= leaf.count) break
    from = to
  }
  return {
    type: element.type!,
    encodings: dictionary === null ? [ENCODING.plain, ENCODING.rle] : [ENCODING.plain, ENCODING.rle, ENCODING.rleDictionary],
    path,
    codec: codecNumber(codec),
    values: leaf.count,
    rawBytes: raw,
    storedBytes: out.length - start,
    dataPage,
    dictionaryPage,
    statistics: ranged ? statisticsOf(leaf, dictionary, element) : { nullCount: leaf.count - leaf.denseCount, min: null, max: null },
  }
}

function dictionaryOf(leaf: LeafData): DictionaryVector | null {
  if (leaf.dense.kind === 'dictionary') return leaf.dense
  if (leaf.dense.kind === 'plain' && leaf.denseCount > 0) return buildDictionary(leaf.dense)
  return null
}

function statisticsOf(leaf: LeafData, dictionary: DictionaryVector | null, element: SchemaElement): Statistics {
  const nullCount = leaf.count - leaf.denseCount
  let s: Statistics
  if (leaf.denseCount === 0) s = { nullCount, min: null, max: null }
  else if (dictionary !== null) s = dictionaryStatistics(dictionary)
  else if (leaf.dense.kind === 'plain') s = plainStatistics(leaf.dense)
  else if (leaf.dense.kind === 'fixed') s = fixedStatistics(leaf.dense, leaf.denseCount, element)
  else s = { nullCount, min: null, max: null }
  return { ...s, nullCount }
}

function rowsPerPage(leaf: LeafData, dictionary: DictionaryVector | null): number {
  const d = leaf.dense
  if (dictionary !== null || d.kind !== 'plain' || leaf.denseCount === 0) return PAGE_ROWS
  const bytes = d.starts[leaf.denseCount] - d.starts[0]
  return Math.max(1, Math.min(PAGE_ROWS, Math.floor((PAGE_BYTES * leaf.count) / bytes)))
}

/** Pages of nested columns end at row boundaries (repetition level 0). */
function pageEnd(leaf: LeafData, from: number, rows: number): number {
  let to = Math.min(from + rows, leaf.count)
  if (leaf.repetition !== null) while (to < leaf.count && leaf.repetition[to] !== 0) to++
  return to
}

function presentIn(leaf: LeafData, from: number, to: number): number {
  if (leaf.definition === null) return to - from
  let n = 0
  for (let i = from; i < to; i++) if (leaf.definition[i] === leaf.maxDefinition) n++
  return n
}

/** V1 page body: repetition levels, definition levels (each length:u32le and runs), values. */
function encodePage(
  leaf: LeafData,
  dictionary: DictionaryVector | null,
  element: SchemaElement,
  from: number,
  to: number,
  denseFrom: number,
  denseTo: number,
  out: ChunkBuffer,
): Uint8Array {
  const n = to - from
  const valueBytes = valueBound(leaf, dictionary, element, denseFrom, denseTo)
  const page = out.room(2 * runsBound(n, 8) + valueBytes + 64)
  let p = 0
  if (leaf.maxRepetition > 0) p = encodeLevels(page, p, leaf.repetition, 0, leaf.maxRepetition, from, to)
  p = encodeLevels(page, p, leaf.definition, leaf.maxDefinition, leaf.maxDefinition, from, to)
  if (dictionary !== null) {
    const width = bitWidth(dictionary.values.starts.length - 2)
    page[p++] = width
    const values = denseTo - denseFrom
    p = width === 0 ? encodeRepeated(page, p, 0, values, 0) : encodePacked(page, p, dictionary.indexes, denseFrom, denseTo, values, width)
  } else {
    p = encodePlain(page, p, leaf, element, denseFrom, denseTo)
  }
  return page.subarray(0, p)
}

function valueBound(leaf: LeafData, dictionary: DictionaryVector | null, element: SchemaElement, from: number, to: number): number {
  if (dictionary !== null) return runsBound(to - from, bitWidth(Math.max(0, dictionary.values.starts.length - 2)))
  const d = leaf.dense
  if (d.kind === 'plain') return d.starts[to] - d.starts[from]
  if (d.kind === 'fixed') return element.type === PHYSICAL.boolean ? (to - from + 7) >> 3 : (to - from) * d.width
  return 0
}

function encodeLevels(page: Buffer, at: number, levels: Uint8Array | null, all: number, max: number, from: number, to: number): number {
  const width = bitWidth(max)
  const start = at + 4
  const end =
    levels === null ? encodeRepeated(page, start, all, to - from, width) : encodePacked(page, start, levels, from, to, to - from, width)
  page.writeUInt32LE(end - start, at)
  return end
}

function encodePlain(page: Buffer, at: number, leaf: LeafData, element: SchemaElement, from: number, to: number): number {
  const d = leaf.dense
  if (d.kind === 'plain') return at + (d as PlainVector).data.copy(page, at, d.starts[from], d.starts[to])
  if (d.kind !== 'fixed') return at
  if (element.type !== PHYSICAL.boolean) return at + d.data.copy(page, at, from * d.width, to * d.width)
  const bytes = (to - from + 7) >> 3
  page.fill(0, at, at + bytes)
  for (let i = from; i < to; i++) if (d.data[i] !== 0) page[at + ((i - from) >> 3)] |= 1 << ((i - from) & 7)
  return at + bytes
}
