import type { RowChunk } from '../../contract/slice.ts'
import { assert } from '../../failure/failure.ts'
import { DIGEST_LENGTH } from '../index/bag-key.ts'
import { type BucketHash, bucketOf } from '../index/bucket.ts'
import { bytesOfChunk, vectorOf } from '../merge/chunk-rows.ts'
import { IntList } from '../merge/int-list.ts'
import { RECORD_KEY } from '../merge/join.ts'
import type { DeltaLimit } from '../read/delta.ts'
import { type BlockRef, ScratchFile } from '../write/scratch-file.ts'
import { pick } from './sort-chunks.ts'

/** The rows of one bucket, to be read before those of the next. */
export interface BucketRows {
  readonly bucket: number
  readonly count: number
  readonly rows: AsyncIterable<RowChunk>
}

/**
 * The rows of all chunks, bucket by bucket (ascending, without empty ones), in a bucket as they come. What exceeds `limit.bytes` waits in a scratch file
 * (`limit.name`, unique in its directory). `bag`: keys are those of rows without a key (index/bag-key.ts). All chunks have the same columns, the
 * record key among them. Failures: as of the chunks, and TRB-STORE-002 … 004 (scratch).
 */
export async function* spreadOverBuckets(
  chunks: AsyncIterable<RowChunk>,
  hash: BucketHash,
  bag: boolean,
  limit: DeltaLimit & { readonly name: string },
): AsyncGenerator<BucketRows> {
  const saved = new Map<number, BlockRef[]>()
  let held: RowChunk[] = []
  let bytes = 0
  let scratch: ScratchFile | null = null
  const save = async (file: ScratchFile): Promise<void> => {
    for (const [bucket, chunk] of perBucket(held, hash, bag)) {
      const refs = saved.get(bucket) ?? []
      saved.set(bucket, refs)
      refs.push(
        await file.append({ columns: chunk.columns, count: chunk.count, vectors: chunk.vectors } satisfies RowChunk, chunk.count, 0),
      )
    }
    held = []
    bytes = 0
  }
  try {
    for await (const chunk of chunks) {
      held.push(chunk)
      bytes += bytesOfChunk(chunk)
      if (bytes <= limit.bytes) continue
      scratch ??= await ScratchFile.create(limit.directory, limit.name)
      await save(scratch)
    }
    if (scratch === null) {
      for (const [bucket, chunk] of perBucket(held, hash, bag)) yield { bucket, count: chunk.count, rows: only(chunk) }
      return
    }
    if (held.length > 0) await save(scratch)
    for (const bucket of [...saved.keys()].sort((a, b) => a - b)) {
      const refs = saved.get(bucket)!
      yield { bucket, count: refs.reduce((n, r) => n + r.rows, 0), rows: stored(scratch, refs) }
    }
  } finally {
    await scratch?.close()
  }
}

function* perBucket(chunks: readonly RowChunk[], hash: BucketHash, bag: boolean): Generator<readonly [number, RowChunk]> {
  const of = new Map<number, { readonly source: IntList; readonly row: IntList }>()
  for (const [c, chunk] of chunks.entries()) {
    const keys = vectorOf(chunk, RECORD_KEY)
    assert(keys?.kind === 'bytes', 'rows of a table have keys')
    for (let r = 0; r < chunk.count; r++) {
      const from = keys.offsets[r]
      const bucket = bucketOf(hash, keys.data, from, bag ? from + DIGEST_LENGTH : keys.offsets[r + 1])
      let rows = of.get(bucket)
      if (rows === undefined) {
        rows = { source: new IntList(), row: new IntList() }
        of.set(bucket, rows)
      }
      rows.source.push(c)
      rows.row.push(r)
    }
  }
  for (const bucket of [...of.keys()].sort((a, b) => a - b)) {
    const { source, row } = of.get(bucket)!
    yield [bucket, pick(chunks, source.view(), row.view())]
  }
}

async function* only(chunk: RowChunk): AsyncGenerator<RowChunk> {
  yield chunk
}

async function* stored(scratch: ScratchFile, refs: readonly BlockRef[]): AsyncGenerator<RowChunk> {
  for (const ref of refs) yield (await scratch.read(ref)) as RowChunk
}
