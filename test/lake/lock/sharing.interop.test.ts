import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/cli/clock.ts'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { TableSpec, TableWriter } from '../../../src/contract/table.ts'
import type { ConcurrencySettings } from '../../../src/lake/lock/table-concurrency.ts'
import { openTableWriter } from '../../../src/lake/write/open-table.ts'
import { DiskStore } from '../../../src/storage/disk/disk-store.ts'
import { type Spark, startSpark } from '../../interop/spark.ts'
import { propertyRuns } from '../../support/property-runs.ts'
import { checkpointOf } from '../trivial-writer.ts'
import { changesOf } from '../write/model.ts'

// Spark and we write one table at the same time, under the lock that both know without a service: Hudi's FileSystemBasedLockProvider.
const SHARED: ConcurrencySettings = {
  mode: 'optimistic_concurrency_control',
  lock: 'filesystem',
  times: { waitMs: 120_000, retryMs: 100 },
}
const SPARK_SHARED = {
  'hoodie.write.concurrency.mode': 'optimistic_concurrency_control',
  'hoodie.cleaner.policy.failed.writes': 'LAZY',
  'hoodie.write.lock.provider': 'org.apache.hudi.client.transaction.lock.FileSystemBasedLockProvider',
  'hoodie.write.lock.client.num_retries': '200',
  'hoodie.write.lock.client.wait_time_ms_between_retry': '300',
}
const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'long' } },
  { name: 'by', type: { kind: 'string' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
const KEYS = 24
const ROUNDS = 3

/** One type of table per version; both with TRIBUTARY_PROPERTY_FACTOR of 10 and more: a write of Spark costs seconds. */
const types = (short: TableSpec['tableType']): readonly TableSpec['tableType'][] =>
  propertyRuns(1) > 9 ? ['COPY_ON_WRITE', 'MERGE_ON_READ'] : [short]

describe.each([
  [6, '0.15', types('MERGE_ON_READ')],
  [9, '1.2', types('COPY_ON_WRITE')],
] as const)('a table of version %i, written by Hudi %s and us at the same time', (tableVersion, engine, tableTypes) => {
  let home = ''
  let spark: Spark
  let store: DiskStore

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'trib-share-'))
    store = new DiskStore(join(home, 'lake'), systemClock)
    spark = await startSpark(engine)
  })
  afterAll(async () => {
    await spark?.close()
    rmSync(home, { recursive: true, force: true })
  })

  const open = async (path: string, tableType: TableSpec['tableType']): Promise<TableWriter> =>
    await openTableWriter(
      store,
      {
        ...{ name: path, database: 'shop', path, columns: COLUMNS, key: ['id'], partition: null, orderingField: '_event_lsn', buckets: 3 },
        ...{ tableType, tableVersion },
      },
      { clock: systemClock, scratchDir: join(home, 'scratch'), concurrency: SHARED },
    )

  /** Until it is committed; returns how often it was in conflict. */
  async function write(writer: TableWriter, ids: readonly number[], by: string, lsn: number): Promise<number> {
    for (let conflicts = 0; ; conflicts++) {
      const rows = ids.map((id) => ({ op: 'u' as const, row: [BigInt(id), by, BigInt(lsn)], gone: [] }))
      const staged = await writer.stage([changesOf(COLUMNS, rows, false)])
      if ((await writer.commit(staged, checkpointOf(lsn))) === 'committed') return conflicts
      await writer.abandon(staged)
    }
  }

  /** Spark throws when it is in conflict, and leaves its instant to be rolled back when its heartbeat has stopped. */
  async function writeBySpark(path: string, ids: readonly number[], by: string, lsn: number): Promise<number> {
    const rows = ids.map((id) => ({ id, by, _event_lsn: lsn }))
    for (let conflicts = 0; conflicts < 20; conflicts++) {
      try {
        await spark.upsert(join(store.root, path), rows, SPARK_SHARED)
        return conflicts
      } catch (e) {
        if (!/HoodieWriteConflictException|ConcurrentModificationException/.test(String(e))) throw e
      }
    }
    throw new Error('Spark was in conflict 20 times')
  }

  test.each(tableTypes)('%s: no update of either is lost, whether they take turns or not', async (type) => {
    const path = `${type.toLowerCase()}_${tableVersion}`
    const writer = await open(path, type)
    const all = Array.from({ length: KEYS }, (_, i) => i)
    await write(writer, all, 'both-0', 1)
    const ours = all.filter((i) => i % 2 === 0)
    const theirs = all.filter((i) => i % 2 === 1)
    let conflicts = 0
    let round = 0
    // Until they have met: how long a write of Spark takes is the machine's.
    while (round < ROUNDS || (conflicts === 0 && round < 4 * ROUNDS)) {
      const lsn = 10 * ++round
      if (round === 1) {
        await writeBySpark(path, theirs, `spark-${round}`, lsn)
        await write(writer, ours, `us-${round}`, lsn)
        continue
      }
      const sparks = writeBySpark(path, theirs, `spark-${round}`, lsn)
      for (let step = 0; step < 3; step++) {
        conflicts += await write(writer, ours, `us-${round}.${step}`, lsn + step)
        await systemClock.sleep(400)
      }
      conflicts += await sparks
    }
    const expected = all.map((id) => `${id} ${id % 2 === 0 ? `us-${round}.2` : `spark-${round}`}`)
    const rows = (await spark.read(join(store.root, path))).map((r) => `${r['id']} ${r['by']}`)
    expect(rows.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))).toEqual(expected)
    expect(conflicts, 'they met at least once').toBeGreaterThan(0)
  })
})
