// node bench/compaction-work.ts make|compact DIR ROWS, with an IPC channel (see measure.ts)
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Clock } from '../src/contract/clock.ts'
import type { RowChanges } from '../src/contract/columns.ts'
import type { TableSpec } from '../src/contract/table.ts'
import { compactAll } from '../src/lake/service/compaction.ts'
import { TimelineStore } from '../src/lake/timeline-store.ts'
import { openTableWriter } from '../src/lake/write/open-table.ts'
import { DiskStore } from '../src/storage/disk/disk-store.ts'
import { startWork } from './measure.ts'
import { baseChanges, COLUMNS, upsertChanges } from './orders-changes.ts'

const [what, dir, count] = process.argv.slice(2)
const ROWS = Number(count)
const clock: Clock = { now: Date.now, sleep: async () => undefined, uuid: randomUUID, random: Math.random }
const store = new DiskStore(dir, clock)
const memory = { scratchDir: join(dir, 'scratch'), memoryBudget: 64 << 20, rowGroupBytes: 32 << 20 }

async function make(): Promise<number> {
  const layout = { key: ['id'], orderingField: 'ts', partition: null, buckets: 1, tableType: 'MERGE_ON_READ', tableVersion: 6 } as const
  const spec: TableSpec = { name: 'orders', database: 'shop', path: 'orders', columns: COLUMNS, ...layout }
  const writer = await openTableWriter(store, spec, { clock, ...memory })
  const flush = async (changes: Iterable<RowChanges>): Promise<void> => {
    await writer.commit(await writer.stage(changes), { source: 'bench', commit: null, commitUs: null, topic: 'orders', nextOffset: 0 })
  }
  await flush(baseChanges(ROWS))
  for (const seed of [50, 51]) await flush(upsertChanges(ROWS, Math.floor(ROWS / 20), 10_000, seed))
  return ROWS
}

async function compact(): Promise<number> {
  const ts = new TimelineStore(store, 'orders', clock)
  await ts.properties()
  const done = await compactAll(ts, memory)
  return done.reduce((n, d) => n + d.rows, 0)
}

const finish = startWork()
finish(await (what === 'make' ? make() : compact()))
