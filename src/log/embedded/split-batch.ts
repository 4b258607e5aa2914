import type { RecordRun, TopicBatch } from '../../contract/log.ts'
import { assert } from '../../failure/failure.ts'

/** Size at which a batch is cut: the unit of memory of every reader. A single larger record stays whole. */
export const BLOB_BYTES = 1 << 20

/**
 * Cuts a batch at record boundaries into pieces of about `limit` bytes; runs are cut along. The pieces are views of the same bytes.
 * A batch within 1.5 times the limit is left alone.
 */
export function* splitBatch(batch: TopicBatch, limit = BLOB_BYTES): Generator<TopicBatch> {
  if (batch.records.length <= limit * 1.5) {
    yield batch
    return
  }
  const bytes = batch.records
  const runs = new RunCutter(batch.runs)
  let start = 0
  let first = 0
  let pos = 0
  for (let i = 0; i < batch.count; i++) {
    const end = skipRecord(bytes, pos)
    if (end - start > limit && i > first) {
      yield { ...batch, count: i - first, records: bytes.subarray(start, pos), runs: runs.take(i - first) }
      start = pos
      first = i
    }
    pos = end
  }
  assert(pos === bytes.length, 'a record batch holds exactly its records')
  yield { ...batch, count: batch.count - first, records: bytes.subarray(start, pos), runs: runs.take(batch.count - first) }
}

/** Position after the record at `pos` (grammar: contract/log.ts, TopicBatch). */
function skipRecord(bytes: Uint8Array, pos: number): number {
  let at = pos
  while (bytes[at++]! >= 0x80);
  at = skipBlob(bytes, at)
  at = skipBlob(bytes, at)
  at = skipBlob(bytes, at)
  let headers = 0
  let shift = 0
  for (;;) {
    const byte = bytes[at++]!
    headers |= (byte & 0x7f) << shift
    if (byte < 0x80) break
    shift += 7
  }
  for (; headers > 0; headers--) {
    at = skipSized(bytes, at, 0)
    at = skipBlob(bytes, at)
  }
  assert(at <= bytes.length, 'a record ends inside its batch')
  return at
}

function skipBlob(bytes: Uint8Array, pos: number): number {
  return skipSized(bytes, pos, 1)
}

function skipSized(bytes: Uint8Array, pos: number, bias: number): number {
  let at = pos
  let length = 0
  let shift = 0
  for (;;) {
    const byte = bytes[at++]!
    length |= (byte & 0x7f) << shift
    if (byte < 0x80) break
    shift += 7
  }
  return length === 0 ? at : at + length - bias
}

class RunCutter {
  private readonly runs: readonly RecordRun[]
  private index = 0
  private used = 0

  constructor(runs: readonly RecordRun[]) {
    this.runs = runs
  }

  /** The runs of the next `count` records. */
  take(count: number): RecordRun[] {
    const out: RecordRun[] = []
    let left = count
    while (left > 0) {
      const run = this.runs[this.index]
      assert(run !== undefined, 'the runs of a batch cover its records')
      const part = Math.min(left, run.count - this.used)
      if (part > 0) out.push({ count: part, commit: run.commit, commitUs: run.commitUs })
      left -= part
      this.used += part
      if (this.used === run.count) {
        this.index++
        this.used = 0
      }
    }
    return out
  }
}
