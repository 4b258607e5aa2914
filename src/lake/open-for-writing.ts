import { hoodieKey } from './layout/paths.ts'
import { checkWritable, INDEXES_IN_USE, METADATA_PARTITIONS } from './layout/table-properties.ts'
import { refuseLiveWriter } from './rollback.ts'
import type { TimelineStore } from './timeline-store.ts'

/**
 * What everything that changes a table begins with: reads the configuration again (another engine may have changed it), refuses tables that
 * must not be changed (see checkWritable), and takes a metadata table away.
 *
 * The metadata table holds a copy of the table's list of files and statistics, for readers that trust it. Nothing here keeps it up to date,
 * so it would hide what is written from them. As Hudi's own writers do with hoodie.metadata.enable=false, it is taken away: first the
 * configuration stops naming it, so that readers list files, then its directory goes. An engine that wants one builds it anew.
 * TRB-LAKE-012 while there is one and another writer is at work.
 */
export async function openForWriting(ts: TimelineStore): Promise<ReadonlyMap<string, string>> {
  const properties = await ts.properties()
  checkWritable(properties, ts.table)
  const partitions = properties.get(METADATA_PARTITIONS) ?? ''
  if (partitions === '') return properties
  // A live writer that keeps the metadata table up to date would fail, or bring half of it back.
  for await (const o of ts.store.list(hoodieKey(ts.table, '.heartbeat/')))
    await refuseLiveWriter(ts, o.key.slice(o.key.lastIndexOf('/') + 1))
  await ts.updateProperties((p) => {
    p.set(METADATA_PARTITIONS, '')
    p.set(INDEXES_IN_USE, '')
  })
  await sweepMetadataTable(ts)
  ts.onNotice?.(
    `${ts.table}: its metadata table (${partitions}) was taken away: readers list files from now on. Other engines may build it anew.`,
  )
  return ts.properties()
}

/** Takes a metadata table away that the configuration no longer names: left when a writer died while it took it away. */
export async function sweepMetadataTable(ts: TimelineStore): Promise<void> {
  const keys: string[] = []
  for await (const o of ts.store.list(hoodieKey(ts.table, 'metadata/'))) keys.push(o.key)
  if (keys.length > 0) await ts.store.delete(keys)
}
