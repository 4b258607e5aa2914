import type { ObjectStore } from '../../contract/object-store.ts'
import { Failure } from '../../failure/failure.ts'
import { javaDate, parseProperties, printProperties } from './java-properties.ts'
import { join, PARTITION_METADATA } from './paths.ts'

/** `.hoodie_partition_metadata`, by which engines that list directories know a partition; at the table's root when it has none. */
export interface PartitionMetadata {
  /** Instant that created the partition. */
  readonly commitTime: string
  /** Levels of the partition path, 0 without partitions. */
  readonly depth: number
}

export function printPartitionMetadata(m: PartitionMetadata, nowMs: number): Buffer {
  const entries: [string, string][] = [
    ['commitTime', m.commitTime],
    ['partitionDepth', String(m.depth)],
  ]
  return Buffer.from(printProperties(['partition metadata', javaDate(nowMs)], entries), 'latin1')
}

export function parsePartitionMetadata(body: Uint8Array, file: string): PartitionMetadata {
  const p = parseProperties(Buffer.from(body).toString('utf8'))
  const commitTime = p.get('commitTime')
  const depth = Number(p.get('partitionDepth'))
  if (commitTime === undefined || !Number.isInteger(depth)) throw new Failure('TRB-LAKE-004', { file })
  return { commitTime, depth }
}

/** Makes a directory a partition, when it is none yet. To be called before the first data file is written into it. */
export async function ensurePartition(store: ObjectStore, table: string, partition: string, instant: string, nowMs: number): Promise<void> {
  const key = join(join(table, partition), PARTITION_METADATA)
  if ((await store.head(key)) !== null) return
  const depth = partition === '' ? 0 : partition.split('/').length
  await store.putIfAbsent(key, printPartitionMetadata({ commitTime: instant, depth }, nowMs))
}
