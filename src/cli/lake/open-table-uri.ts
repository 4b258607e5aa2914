import { basename, dirname } from 'node:path'
import { TimelineStore } from '../../lake/timeline-store.ts'
import { openPlace, placeOf } from '../open-store.ts'
import { processProbe } from '../process-owner.ts'
import type { Context } from '../verb.ts'
import type { LakeContext } from './open-lake.ts'

/** The argument of every verb that works on one table. */
export const TABLE_URI = {
  name: 'TABLE_URI',
  help: 'directory of the table (the one that holds .hoodie), or s3://BUCKET/PREFIX',
  required: true,
} as const

/** One Hudi table by its URI, whoever wrote it. TRB-LAKE-001 when there is none. The store is that of the directory above, so that messages name the table. */
export async function openTableUri(uri: string, context: LakeContext & Pick<Context, 'stderr'>): Promise<TimelineStore> {
  const place = placeOf(uri, context)
  const whole = (place.kind === 'disk' ? place.path : place.uri).replace(/(?<=[^/])\/+$/, '')
  const parent = dirname(whole)
  const above = place.kind === 'disk' ? { ...place, path: parent } : { ...place, uri: parent }
  // A table at the root of a bucket has nothing above it.
  const atRoot = place.kind === 's3' && /^s3[an]?:\/*[^/]*$/i.test(whole)
  const store = openPlace(atRoot ? place : above, context.clock)
  const ts = new TimelineStore(store, atRoot ? '' : basename(whole), context.clock)
  ts.onNotice = (text) => void context.stderr.write(`note: ${text}\n`)
  ts.owner = processProbe()
  await ts.properties()
  return ts
}
