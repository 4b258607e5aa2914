import type { LakeColumn, Vector } from '../../contract/columns.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { RowChunk } from '../../contract/slice.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { ChangeRecords, type DecodedChanges } from '../../format/avro/change-records.ts'
import { readAvroContent } from '../../format/hudi-log/avro-content.ts'
import { LogReader } from '../../format/hudi-log/reader.ts'
import { toVector } from '../../format/parquet/column.ts'
import type { LogFileObject } from '../layout/file-name.ts'
import { gatherVector, nullColumn } from '../merge/gather.ts'
import type { ChangeChunk } from './cdc-diff.ts'

const OPS = { i: 0x69, u: 0x75, d: 0x64 } as const

/**
 * The changes in a change-data-capture log. Null: it was written in one of the modes that keep less than both images of a row
 * (`OP_KEY_ONLY`, `DATA_BEFORE`). Failures: TRB-LAKE-020, 021 (log files).
 */
export async function loggedChanges(store: ObjectStore, log: LogFileObject, columns: readonly LakeColumn[]): Promise<ChangeChunk[] | null> {
  const reader = new LogReader(store, log.key, log.bytes)
  const out: ChangeChunk[] = []
  for await (const block of reader.blocks()) {
    if (block.kind === 'damaged') throw new Failure('TRB-LAKE-020', { file: log.key, at: block.at, problem: block.problem })
    if (block.type !== 'cdc') throw new Failure('TRB-LAKE-021', { file: log.key, what: `a block of type ${block.type} among change data` })
    const bad = (problem: string, e: unknown): Failure => new Failure('TRB-LAKE-020', { file: log.key, at: block.at, problem }, e)
    const content = await reader.content(block)
    const datums = readAvroContent(content, log.key, block.at)
    try {
      const records = ChangeRecords.of(block.header.get('schema') ?? '', columns)
      if (records === null) return null
      for (let i = 0; i < datums.count; i++) records.add(content, datums.start[i], datums.end[i])
      out.push(...chunksOf(records.take(), columns))
    } catch (e) {
      if (isFailure(e) && e.code !== 'TRB-INT-001') throw e
      throw bad('a change record cannot be decoded with the schema of its block', e)
    }
  }
  return out
}

/** Deletes, updates, inserts. */
function chunksOf(c: DecodedChanges, columns: readonly LakeColumn[]): ChangeChunk[] {
  return (['d', 'u', 'i'] as const).flatMap((op): ChangeChunk[] => {
    const of: number[] = []
    for (let i = 0; i < c.count; i++) if (c.op[i] === OPS[op]) of.push(i)
    if (of.length === 0) return []
    const before = op === 'i' ? null : rows(columns, c.beforeColumns, of, c.before)
    const after = op === 'd' ? null : rows(columns, c.afterColumns, of, c.after)
    return [{ op, count: of.length, before, after }]
  })
}

function rows(columns: readonly LakeColumn[], stored: readonly (Vector | null)[], of: readonly number[], numbers: Int32Array): RowChunk {
  const row = Int32Array.from(of, (i) => numbers[i])
  const pick = { source: null, row, count: row.length }
  const vectors = columns.map((c, n): Vector => {
    const v = stored[n]
    return v === null ? toVector(nullColumn(c.type, row.length)) : gatherVector(c.type, [v], pick)
  })
  return { columns, count: row.length, vectors }
}
