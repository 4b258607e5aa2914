import { pendingInstants } from '../../../timeline/view.ts'
import type { FileSlice } from '../../contract/slice.ts'
import { Failure } from '../../failure/failure.ts'
import { countingConfiguration, recordedBuckets } from '../bucket-change.ts'
import { bucketOfFileId } from '../layout/file-name.ts'
import { fileSlices } from '../read/slices.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { freeSlices } from './compaction.ts'

/** Base files beyond this many times the size that is wanted are split. */
const OUTGROWN = 2

/**
 * File groups that must be rewritten together when the table gets `buckets` buckets: with g the greatest common divisor of both numbers, keys of buckets
 * that are equal modulo g stay among themselves. Null: the table has that many. The timeline must be fresh. TRB-LAKE-092 when the table
 * does not record its number of buckets, TRB-LAKE-010 when something pending has file groups.
 */
export async function rebucketable(ts: TimelineStore, buckets: number): Promise<readonly (readonly FileSlice[])[] | null> {
  await ts.properties()
  const old = recordedBuckets(await countingConfiguration(ts))
  if (old === null) throw new Failure('TRB-LAKE-092', { table: ts.table })
  if (old === buckets) return null
  const all = await fileSlices(ts, null)
  if (freeSlices(ts, all).length < all.length) {
    const first = pendingInstants(ts.timeline).find((i) => ['compaction', 'logcompaction', 'clustering'].includes(i.action))!
    throw new Failure('TRB-LAKE-010', {
      table: ts.table,
      action: first.action,
      instant: first.time,
      why: 'it has file groups to be rewritten',
    })
  }
  const g = gcd(old, buckets)
  return [...Map.groupBy(all, (s) => s.partition).values()].flatMap((slices) => {
    const homes = slices.map((s) => bucketOfFileId(s.fileId))
    // Another engine has put rows into a group without a bucket: they may belong anywhere.
    if (homes.some((b) => b === null || b >= old)) return [slices]
    return [...Map.groupBy(slices, (s) => bucketOfFileId(s.fileId)! % g).values()]
  })
}

/**
 * The number of buckets for base files of about `bucketBytes`, when those of the fullest partition have outgrown it; null: they have not, or what is there
 * is not known without a look into the store. Always a multiple of the present number: then each bucket is split by itself.
 */
export function dueBuckets(ts: TimelineStore, bucketBytes: number): number | null {
  const old = recordedBuckets(ts.configuration)
  const files = ts.slices?.map((s) => ({ partition: s.partition, bytes: s.base?.bytes ?? 0 })) ?? ts.latest
  if (old === null || files === null || files.length === 0) return null
  const sizes = new Map<string, number>()
  for (const { partition, bytes } of files) sizes.set(partition, (sizes.get(partition) ?? 0) + bytes)
  const mean = Math.max(...sizes.values()) / old
  return mean <= OUTGROWN * bucketBytes ? null : old * 2 ** Math.ceil(Math.log2(mean / bucketBytes))
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b)
}
