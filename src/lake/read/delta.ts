import type { LakeColumn } from '../../contract/columns.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { FileSlice, MergeRules, RowChunk, SliceDelta } from '../../contract/slice.ts'
import { ParquetFile } from '../../format/parquet/file.ts'
import { IntList } from '../merge/int-list.ts'
import { ScratchFile } from '../write/scratch-file.ts'
import { baseRows } from './base-rows.ts'
import { matchKeys, matchParts, meet, nothingMet } from './delta-base.ts'
import { blockPositions, positionMatches } from './delta-positions.ts'
import { Reduced } from './delta-reduce.ts'
import { DeltaRows } from './delta-rows.ts'
import { DeltaSpill } from './delta-spill.ts'
import type { LogChunk } from './log-chunk.ts'
import { LogColumns } from './log-columns.ts'
import { blockRows } from './log-rows.ts'
import { type CountingBlock, scannedBlocks } from './log-scan.ts'
import { selectWanted } from './log-select.ts'

/** Memory for the logs of a slice, and a directory for what exceeds it. */
export interface DeltaLimit {
  readonly bytes: number
  readonly directory: string
}

/** What to merge, and how. */
export interface DeltaRequest {
  readonly store: ObjectStore
  /** Name of the table in messages. */
  readonly table: string
  readonly slice: FileSlice
  /** All columns of the table in the state that is read, without meta columns. */
  readonly schema: readonly LakeColumn[]
  /** Columns that `rows` gives beside the meta columns, by name; absent: all. */
  readonly columns?: readonly string[]
  /** false: without the meta columns. */
  readonly meta?: boolean
  readonly rules: MergeRules
  /** Whether blocks of an instant count: it is completed (or older than the timeline), and not after the moment that is read. */
  readonly visible: (instant: string) => boolean
  /** Record keys that interest, by their bytes; what the logs have of others is passed over. Absent: all. */
  readonly only?: (data: Buffer, from: number, to: number) => boolean
  /** Only writes of these instants interest: where no block that counts is of one, the delta is empty, whatever the logs hold. */
  readonly since?: (instant: string) => boolean
  /** Where logs that don't fit into `bytes` of memory are put; absent: they are held in memory whatever their size. `name` is unique in the directory. */
  readonly limit?: DeltaLimit & { readonly name: string }
}

/** Log bytes as they lie in the file → in memory, about. */
const EXPANSION = 4
const MOST_PARTS = 256

/**
 * What the log files of a slice make of its base file. The records of the logs are reduced among themselves first, and what survives is then compared
 * with the stored row (spec hudi, correction to 4.5). Of the base file only the keys are read, and the ordering fields where the log has a key;
 * rows that no log touches never become anything. Failures: TRB-LAKE-020 … 024 (log files), 401 and 402 (Parquet), TRB-STORE-003 (scratch).
 */
export async function readDelta(request: DeltaRequest): Promise<SliceDelta> {
  const of = columnsOf(request)
  const { since } = request
  const { counting, total } = await scannedBlocks(request.store, request.slice.logs, request.visible)
  const blocks = since === undefined || counting.some((b) => since(b.instant)) ? counting : []
  const { chunks, spill, ...counts } = await collect(request, blocks, of)
  try {
    const delta = spill === null ? await merged(request, chunks, of) : await mergedByParts(request, spill, of)
    return { ...delta, ...counts, blocks: total }
  } catch (e) {
    await spill?.close()
    throw e
  }
}

/** The rows of a slice, base and logs merged, meta columns first: base rows that stay in their order, then the log's. */
export async function* mergedRows(request: DeltaRequest): AsyncGenerator<RowChunk> {
  const { store, slice } = request
  const columns = columnsOf(request).wanted
  const delta = await readDelta(request)
  try {
    if (slice.base !== null) yield* baseRows(await ParquetFile.open(store, slice.base.key, slice.base.bytes), columns, delta.hidden)
    yield* delta.rows()
  } finally {
    await delta.close()
  }
}

/**
 * Of the rows of a slice those that instants of `since` may have written: all when they wrote its base file (`based`), else what the logs add or
 * put in the place of base rows.
 */
export async function* writtenRows(
  request: DeltaRequest & { readonly since: (instant: string) => boolean },
  based: boolean,
): AsyncGenerator<RowChunk> {
  if (based) {
    const { since: _, ...all } = request
    yield* mergedRows(all)
    return
  }
  const delta = await readDelta(request)
  try {
    yield* delta.rows()
  } finally {
    await delta.close()
  }
}

function columnsOf({ table, schema, columns, rules, meta }: DeltaRequest): LogColumns {
  return new LogColumns(table, schema, columns ?? null, rules, meta)
}

/** Reads the blocks; what exceeds the limit goes to disk, and then everything. */
async function collect(
  request: DeltaRequest,
  blocks: readonly CountingBlock[],
  of: LogColumns,
): Promise<{ readonly chunks: LogChunk[]; readonly spill: DeltaSpill | null } & Counts> {
  const { limit, only } = request
  let chunks: LogChunk[] = []
  let bytes = 0
  let trusted = true
  let records = 0
  let deletes = 0
  let spill: DeltaSpill | null = null
  try {
    for (const [i, block] of blocks.entries()) {
      const positions = blockPositions(block.block, request.slice.base?.instant ?? null)
      let read = 0
      for await (const chunk of blockRows(block, of)) {
        const placed = positions === null ? chunk : { ...chunk, positions: positionsOf(positions, read, chunk.count) }
        read += chunk.count
        const part = only === undefined ? placed : selectWanted(placed, only, of.wanted)
        if (part.count === 0) continue
        if (block.block.type === 'delete') deletes += part.count
        else records += part.count
        chunks.push(part)
        bytes += part.bytes
        if (limit === undefined || bytes <= limit.bytes / 2) continue
        spill ??= new DeltaSpill(await ScratchFile.create(limit.directory, limit.name), partsFor(blocks, limit.bytes), of)
        await spill.add(chunks)
        chunks = []
        bytes = 0
      }
      // A block that has not as many records as it has positions: which record is where cannot be told.
      if (positions !== null && read !== positions.length) trusted = false
      if (blocks[i + 1]?.reader !== block.reader) block.reader.release()
    }
    if (spill !== null) await spill.add(chunks)
    return { chunks: trusted ? chunks : chunks.map((c) => ({ ...c, positions: null })), spill, records, deletes }
  } catch (e) {
    await spill?.close()
    throw e
  }
}

/** Those of the next records; null: there are not as many. */
function positionsOf(positions: Int32Array, from: number, count: number): Int32Array | null {
  return from + count > positions.length ? null : positions.subarray(from, from + count)
}

/** So many that one part takes about an eighth of the limit. */
function partsFor(blocks: readonly CountingBlock[], limit: number): number {
  const bytes = blocks.reduce((n, b) => n + b.block.contentLength, 0) * EXPANSION
  let parts = 8
  while (parts < MOST_PARTS && bytes / parts > limit / 8) parts *= 2
  return parts
}

type Counts = Pick<SliceDelta, 'records' | 'deletes'>
type Merged = Omit<SliceDelta, keyof Counts | 'blocks'>

async function openBase({ store, slice }: DeltaRequest): Promise<ParquetFile | null> {
  return slice.base === null ? null : await ParquetFile.open(store, slice.base.key, slice.base.bytes)
}

async function merged(request: DeltaRequest, chunks: readonly LogChunk[], of: LogColumns): Promise<Merged> {
  const reduced = new Reduced(chunks, of.rules)
  const file = chunks.length === 0 ? null : await openBase(request)
  const placed = file === null ? null : positionMatches(file, reduced)
  const met = file === null ? nothingMet(reduced.keys.size) : await meet(file, placed ?? matchKeys(file, reduced, of), reduced, of)
  const rows = new DeltaRows(reduced, met, of.wanted)
  await rows.load(file)
  return {
    hidden: met.hidden.view().slice(),
    count: rows.keys.length,
    async *rows() {
      yield* rows.rows()
    },
    async close() {
      return
    },
  }
}

async function mergedByParts(request: DeltaRequest, spill: DeltaSpill, of: LogColumns): Promise<Merged> {
  const file = await openBase(request)
  if (file !== null) await spill.addBase(file)
  const hidden = new IntList()
  let count = 0
  for (let p = 0; p < spill.parts; p++) {
    const chunks = await spill.entries(p)
    if (chunks.length === 0) continue
    const reduced = new Reduced(chunks, of.rules)
    const met = file === null ? nothingMet(reduced.keys.size) : await meet(file, matchParts(spill.keys(p), reduced), reduced, of)
    for (const ordinal of met.hidden.view()) hidden.push(ordinal)
    const rows = new DeltaRows(reduced, met, of.wanted)
    await rows.load(file)
    count += rows.keys.length
    for (const chunk of rows.rows()) await spill.keep(chunk)
  }
  return { hidden: hidden.view().slice().sort(), count, rows: () => spill.results(), close: () => spill.close() }
}
