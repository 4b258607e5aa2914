import type { Clock } from '../../src/contract/clock.ts'
import type { ObjectStore } from '../../src/contract/object-store.ts'
import type { Checkpoint, TableSpec } from '../../src/contract/table.ts'
import { CommitProtocol } from '../../src/lake/commit-protocol.ts'
import { bucketFileId, printBaseFileName, writeToken } from '../../src/lake/layout/file-name.ts'
import { ensurePartition } from '../../src/lake/layout/partition-metadata.ts'
import { join } from '../../src/lake/layout/paths.ts'
import { checkpointExtra } from '../../src/lake/metadata/checkpoint.ts'
import { baseFileStat, commitMetadata, type WriteStat } from '../../src/lake/metadata/commit-metadata.ts'
import { createOrOpenTable, tableSchemaText } from '../../src/lake/open-table.ts'
import { latestBaseFiles } from '../../src/lake/read/slices.ts'

export const SPEC: TableSpec = {
  name: 'orders',
  database: 'shop',
  path: 'shop/orders',
  columns: [
    { name: 'id', type: { kind: 'string' } },
    { name: '_event_lsn', type: { kind: 'long' } },
  ],
  key: ['id'],
  orderingField: '_event_lsn',
  partition: { column: 'id', truncate: 'none' },
  buckets: 2,
  tableType: 'COPY_ON_WRITE',
  tableVersion: 6,
}

/** What one commit writes: partition → bucket → content. A file's content stands for its rows. */
export type Writes = ReadonlyMap<string, ReadonlyMap<number, string>>

/** A writer whose files are plain texts: all of the commit protocol, nothing of Parquet. */
export class TrivialWriter {
  readonly protocol: CommitProtocol
  readonly #store: ObjectStore
  readonly #clock: Clock
  readonly #spec: TableSpec
  #created = false

  constructor(store: ObjectStore, clock: Clock, tableVersion: 6 | 9 = 6) {
    this.#store = store
    this.#clock = clock
    this.#spec = { ...SPEC, tableVersion }
    this.protocol = new CommitProtocol(store, SPEC.path, clock)
  }

  async write(writes: Writes, checkpoint: Checkpoint): Promise<'committed' | 'conflict'> {
    if (!this.#created) await createOrOpenTable(this.#store, this.#spec, this.#clock)
    this.#created = true
    const time = await this.protocol.begin('commit', 'UPSERT')
    const current = await latestBaseFiles(this.protocol.timeline, null)
    const stats: WriteStat[] = []
    for (const [partition, buckets] of writes) {
      await ensurePartition(this.#store, SPEC.path, partition, time, this.#clock.now())
      for (const [bucket, content] of buckets) {
        const old = current.find((f) => f.partition === partition && Number(f.fileId.slice(0, 8)) === bucket)
        const fileId = old?.fileId ?? bucketFileId(bucket, this.#clock.uuid())
        const path = join(partition, printBaseFileName({ fileId, token: writeToken(bucket, 0, 0), instant: time }))
        await this.protocol.mark(time, path, old === undefined ? 'CREATE' : 'MERGE')
        await this.#store.put(join(SPEC.path, path), Buffer.from(content))
        const counts = { rows: 1, inserted: 1, updated: 0, deleted: 0, bytes: content.length, elapsedMs: 0 }
        stats.push(baseFileStat({ fileId, path, partition, previous: old?.instant ?? null, ...counts }))
      }
    }
    const metadata = commitMetadata({ operation: 'UPSERT', stats, schema: tableSchemaText(SPEC), extra: checkpointExtra(checkpoint) })
    const answer = await this.protocol.complete(time, metadata)
    if (answer === 'conflict') await this.protocol.abandon(time)
    return answer
  }
}

/** What a reader sees: `partition/bucket` → content. */
export async function readAll(store: ObjectStore, clock: Clock, asOf: string | null = null): Promise<Map<string, string>> {
  const protocol = new CommitProtocol(store, SPEC.path, clock)
  await protocol.timeline.refresh()
  const out = new Map<string, string>()
  for (const f of await latestBaseFiles(protocol.timeline, asOf)) {
    out.set(`${f.partition}/${Number(f.fileId.slice(0, 8))}`, (await store.get(f.key)).toString())
  }
  return out
}

export function checkpointOf(n: number): Checkpoint {
  return { source: 'test', commit: `0/${n}`, commitUs: BigInt(n), topic: 'shop.orders', nextOffset: n }
}
