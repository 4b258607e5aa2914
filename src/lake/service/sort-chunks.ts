import type { LakeColumn, Vector } from '../../contract/columns.ts'
import type { RowChunk } from '../../contract/slice.ts'
import { bytesOfChunk } from '../merge/chunk-rows.ts'
import { gatherVector } from '../merge/gather.ts'
import type { DeltaLimit } from '../read/delta.ts'
import { type BlockRef, ScratchFile } from '../write/scratch-file.ts'
import { sortedRows } from './sort-rows.ts'

const MOST_ROWS = 8192
/** A piece of a sorted run: so small that the heads of this many runs fit into the limit. */
const HEADS = 256
const LEAST_PIECE = 1 << 14

interface SavedPiece {
  readonly count: number
  readonly vectors: readonly Vector[]
}

/**
 * The rows of all chunks in order of `by` (at least one column), rows that are equal there as they come. What exceeds `limit.bytes` of memory is
 * sorted in runs, which wait in a scratch file (`limit.name`, unique in its directory) and are merged. All chunks have the same columns.
 * Failures: as of the chunks, and TRB-STORE-002 … 004 (scratch).
 */
export async function* sortedChunks(
  chunks: AsyncIterable<RowChunk>,
  by: readonly LakeColumn[],
  limit: DeltaLimit & { readonly name: string },
): AsyncGenerator<RowChunk> {
  let held: RowChunk[] = []
  let bytes = 0
  let scratch: ScratchFile | null = null
  const runs: BlockRef[][] = []
  let columns: readonly LakeColumn[] = []
  const pieceBytes = Math.max(LEAST_PIECE, limit.bytes / HEADS)
  try {
    for await (const chunk of chunks) {
      columns = chunk.columns
      held.push(chunk)
      bytes += bytesOfChunk(chunk)
      if (bytes <= limit.bytes) continue
      scratch ??= await ScratchFile.create(limit.directory, limit.name)
      runs.push(await save(scratch, sorted(held, by, pieceBytes)))
      held = []
      bytes = 0
    }
    if (scratch === null) {
      yield* sorted(held, by, pieceBytes)
      return
    }
    if (held.length > 0) runs.push(await save(scratch, sorted(held, by, pieceBytes)))
    held = []
    yield* merged(scratch, runs, columns, by)
  } finally {
    await scratch?.close()
  }
}

/** In pieces of about `pieceBytes`. */
function* sorted(chunks: readonly RowChunk[], by: readonly LakeColumn[], pieceBytes: number): Generator<RowChunk> {
  const { chunk, row } = sortedRows(chunks, by)
  const bytes = chunks.reduce((n, c) => n + bytesOfChunk(c), 0)
  const rows = Math.max(1, Math.min(MOST_ROWS, Math.floor((pieceBytes * row.length) / Math.max(1, bytes))))
  for (let at = 0; at < row.length; at += rows) yield pick(chunks, chunk.subarray(at, at + rows), row.subarray(at, at + rows))
}

/** Row i of the result is row `row[i]` of chunk `source[i]`; all chunks have the same columns. */
export function pick(chunks: readonly RowChunk[], source: Int32Array, row: Int32Array): RowChunk {
  const { columns } = chunks[0]
  const selection = { source, row, count: row.length }
  const vectors = columns.map((c, i) =>
    gatherVector(
      c.type,
      chunks.map((x) => x.vectors[i]),
      selection,
    ),
  )
  return { columns, count: row.length, vectors }
}

async function save(scratch: ScratchFile, pieces: Iterable<RowChunk>): Promise<BlockRef[]> {
  const out: BlockRef[] = []
  for (const { count, vectors } of pieces) out.push(await scratch.append({ count, vectors } satisfies SavedPiece, count, 0))
  return out
}

/** A run with the piece of it that is looked at, and how many of its rows are through. */
interface Head {
  readonly rest: BlockRef[]
  readonly piece: RowChunk
  readonly from: number
}

/**
 * The heads of all runs are sorted together; as far as the first of them to end, no row that is still to come goes before. Equal rows come
 * in the order of their runs.
 */
async function* merged(
  scratch: ScratchFile,
  runs: readonly BlockRef[][],
  columns: readonly LakeColumn[],
  by: readonly LakeColumn[],
): AsyncGenerator<RowChunk> {
  const next = async (rest: readonly BlockRef[]): Promise<Head[]> => {
    if (rest.length === 0) return []
    const { count, vectors } = (await scratch.read(rest[0])) as SavedPiece
    return [{ rest: rest.slice(1), piece: { columns, count, vectors }, from: 0 }]
  }
  let heads: Head[] = []
  for (const run of runs) heads.push(...(await next(run)))
  while (heads.length > 0) {
    const pieces = heads.map((h) => h.piece)
    const { chunk, row } = remaining(sortedRows(pieces, by), heads)
    const through = heads.map((h) => h.from)
    let end = 0
    while (end < row.length) {
      const h = chunk[end]
      through[h] = row[end++] + 1
      if (through[h] === pieces[h].count) break
    }
    for (let at = 0; at < end; at += MOST_ROWS) {
      const to = Math.min(end, at + MOST_ROWS)
      yield pick(pieces, chunk.subarray(at, to), row.subarray(at, to))
    }
    const after: Head[] = []
    for (const [i, h] of heads.entries()) {
      if (through[i] < h.piece.count) after.push({ ...h, from: through[i] })
      else after.push(...(await next(h.rest)))
    }
    heads = after
  }
}

/** Without the rows that are through already: the first ones of each head. */
function remaining(
  all: { readonly chunk: Int32Array; readonly row: Int32Array },
  heads: readonly Head[],
): { readonly chunk: Int32Array; readonly row: Int32Array } {
  const left = (_: number, i: number): boolean => all.row[i] >= heads[all.chunk[i]].from
  return { chunk: all.chunk.filter(left), row: all.row.filter(left) }
}
