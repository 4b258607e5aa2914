// One piece of work in a process of its own, so that its memory is its own: node bench/mor-upsert-work.ts ours|duckdb DIR ROWS VERSION
// Prints a JSON list of what each step cost. Making the data is left out of the times.
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { Clock } from '../src/contract/clock.ts'
import type { RowChanges } from '../src/contract/columns.ts'
import type { TableSpec } from '../src/contract/table.ts'
import { toVector } from '../src/format/parquet/column.ts'
import { ParquetWriter } from '../src/format/parquet/writer.ts'
import { compactAll } from '../src/lake/service/compaction.ts'
import { Compactor, DEFAULT_COMPACTION } from '../src/lake/service/compactor.ts'
import { openTableWriter } from '../src/lake/write/open-table.ts'
import { DiskStore } from '../src/storage/disk/disk-store.ts'
import type { Step } from './cow-upsert-work.ts'
import { baseChanges, COLUMNS, ordersChanges, random, upsertChanges } from './orders-changes.ts'

const [mode, dir, count, version] = process.argv.slice(2)
const ROWS = Number(count)
const steps: Step[] = []

async function timed(step: string, rows: number, work: () => Promise<unknown>): Promise<void> {
  globalThis.gc?.()
  const cpu = process.cpuUsage()
  const start = performance.now()
  await work()
  const used = process.cpuUsage(cpu)
  const rssMb = process.resourceUsage().maxRSS / 1024
  steps.push({ step, rows, wallS: (performance.now() - start) / 1000, cpuS: (used.user + used.system) / 1e6, rssMb })
}

const clock: Clock = { now: Date.now, sleep: async () => undefined, uuid: randomUUID, random: Math.random }

/** 1,000 updates of random rows. */
function updates(flush: number): RowChanges {
  const next = random(1000 + flush)
  const ids = new Set<number>()
  while (ids.size < 1000) ids.add(next() % ROWS)
  return ordersChanges(Int32Array.from(ids), 20 + flush, flush)
}

async function ours(): Promise<void> {
  const store = new DiskStore(dir, clock)
  const layout = { key: ['id'], orderingField: 'ts', partition: null, buckets: 1, tableType: 'MERGE_ON_READ' } as const
  const tableVersion = version === '9' ? 9 : 6
  const spec: TableSpec = { name: 'orders', database: 'shop', path: 'orders', columns: COLUMNS, ...layout, tableVersion }
  const writer = await openTableWriter(store, spec, { clock, scratchDir: join(dir, 'scratch') })
  const flush = async (changes: Iterable<RowChanges>): Promise<void> => {
    await writer.commit(await writer.stage(changes), { source: 'bench', commit: null, commitUs: null, topic: 'orders', nextOffset: 0 })
  }
  await flush(baseChanges(ROWS))
  const large = [...upsertChanges(ROWS, Math.floor(ROWS / 20))]
  await timed('upsert 5 %', Math.floor(ROWS / 20), () => flush(large))
  const small = Array.from({ length: 3 }, (_, i) => [...upsertChanges(ROWS, Math.floor(ROWS / 100), 5000, 3 + i)])
  await timed('3 upserts of 1 %', 3 * Math.floor(ROWS / 100), async () => {
    for (const s of small) await flush(s)
  })
  const many = Array.from({ length: 100 }, (_, i) => updates(i))
  await timed('100 flushes', 100_000, async () => {
    for (const m of many) await flush([m])
  })
  const deps = { scratchDir: join(dir, 'scratch'), memoryBudget: 128 << 20, rowGroupBytes: 32 << 20, sole: true }
  await timed('compaction', ROWS, () => compactAll(writer.timeline, deps))
  const compactor = new Compactor(DEFAULT_COMPACTION, deps)
  const more = Array.from({ length: 100 }, (_, i) => updates(100 + i))
  await timed('100 flushes, compacted', 100_000, async () => {
    for (const m of more) {
      await flush([m])
      await compactor.run(writer.timeline)
    }
  })
}

/** DuckDB writes the changed rows of the first upsert as a Parquet file: what a log block holds. */
async function duckdb(): Promise<void> {
  const store = new DiskStore(dir, clock)
  const rows = Math.floor(ROWS / 20)
  const writer = new ParquetWriter(await store.writer('upserts.parquet'), { root: 'orders', columns: COLUMNS, codec: 'snappy' })
  for (const c of upsertChanges(ROWS, rows)) await writer.writeRowGroup(c.vectors.map(toVector), c.count)
  await writer.close(new Map())
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  await connection.run(`create table upserts as from read_parquet('${join(dir, 'upserts.parquet')}')`)
  const meta = `'20261121000000000' as _hoodie_commit_time, '20261121000000000_0_' || rowid as _hoodie_commit_seqno, id as _hoodie_record_key,
    '' as _hoodie_partition_path, 'file' as _hoodie_file_name`
  const out = join(dir, 'block.parquet')
  await timed('upsert 5 %', rows, () =>
    connection.run(`copy (select ${meta}, * from upserts) to '${out}' (format parquet, compression snappy)`),
  )
  connection.closeSync()
  instance.closeSync()
}

await (mode === 'ours' ? ours() : duckdb())
console.log(JSON.stringify(steps))
