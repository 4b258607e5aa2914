import type { StoredBatch } from '../contract/log.ts'
import { RecordReader } from '../format/record-batch/reader.ts'

/** Whether a record is to be left out. */
export type Skip = (partition: number, offset: number) => boolean

/** The batch in pieces around the records to be skipped; the batch itself when there are none. */
export function without(batch: StoredBatch, skip: Skip): readonly StoredBatch[] {
  const gaps: number[] = []
  for (let i = 0; i < batch.count; i++) if (skip(batch.partition, batch.baseOffset + i)) gaps.push(i)
  if (gaps.length === 0) return [batch]
  const starts = recordStarts(batch)
  const out: StoredBatch[] = []
  let first = 0
  for (const end of [...gaps, batch.count]) {
    if (end > first) out.push(piece(batch, starts, first, end))
    first = end + 1
  }
  return out
}

function piece(batch: StoredBatch, starts: readonly number[], from: number, to: number): StoredBatch {
  const count = to - from
  const records = batch.records.subarray(starts[from], starts[to])
  return { ...batch, baseOffset: batch.baseOffset + from, count, records, runs: [{ count, commit: '', commitUs: 0n }] }
}

/** Where each record starts, and the end. Records of a topic carry no headers here, so that each ends one byte behind its header count. */
function recordStarts(batch: StoredBatch): readonly number[] {
  const reader = new RecordReader()
  reader.open(batch.records, batch.count)
  const starts = [0]
  while (reader.next()) starts.push(reader.headersStart + 1)
  return starts
}
