// One piece of work in a process of its own, so that its memory is its own: node bench/cow-upsert-work.ts ours|bulk|duckdb DIR ROWS
// Prints a JSON list of what each step cost. Making the data is left out of the times.
import { randomUUID } from 'node:crypto'
import { closeSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { Clock } from '../src/contract/clock.ts'
import type { RowChanges } from '../src/contract/columns.ts'
import type { Checkpoint } from '../src/contract/table.ts'
import { toVector } from '../src/format/parquet/column.ts'
import { ParquetWriter } from '../src/format/parquet/writer.ts'
import { openTableWriter } from '../src/lake/write/open-table.ts'
import { DiskStore } from '../src/storage/disk/disk-store.ts'
import type { Cost } from './measure.ts'
import { baseChanges, COLUMNS, upsertChanges } from './orders-changes.ts'

export interface Step extends Cost {
  readonly step: string
  readonly rows: number
}

const [mode, dir, count] = process.argv.slice(2)
const ROWS = Number(count)
const steps: Step[] = []

/**
 * A file as large as those that the steps write, written and deleted: the system then has that much page cache to give away. On a virtual
 * machine the first touch of memory is the host's work, which costs several times the write itself, at random.
 */
function warmPageCache(): void {
  const path = join(dir, 'warm')
  const file = openSync(path, 'w')
  const part = Buffer.alloc(1 << 20, 1)
  for (let i = 0; i < 256; i++) writeSync(file, part)
  closeSync(file)
  rmSync(path)
}

async function timed(step: string, rows: number, work: () => Promise<unknown>): Promise<void> {
  warmPageCache()
  globalThis.gc?.()
  const cpu = process.cpuUsage()
  const start = performance.now()
  await work()
  const used = process.cpuUsage(cpu)
  const rssMb = process.resourceUsage().maxRSS / 1024
  steps.push({ step, rows, wallS: (performance.now() - start) / 1000, cpuS: (used.user + used.system) / 1e6, rssMb })
}

const clock: Clock = { now: Date.now, sleep: async () => undefined, uuid: randomUUID, random: Math.random }

/** `bulk`: the insert alone, as the first thing that the process does. */
async function ours(bulk: boolean): Promise<void> {
  const store = new DiskStore(dir, clock)
  const base = [...baseChanges(ROWS)]
  if (!bulk) await timed('parquet', ROWS, () => parquetOnly(store, base))
  const layout = { key: ['id'], orderingField: 'ts', partition: null, buckets: 1, tableType: 'COPY_ON_WRITE', tableVersion: 6 } as const
  const spec = { name: 'orders', database: 'shop', path: 'orders', columns: COLUMNS, ...layout }
  const writer = await openTableWriter(store, spec, { clock, scratchDir: join(dir, 'scratch') })
  const checkpoint: Checkpoint = { source: 'bench', commit: null, commitUs: null, topic: 'orders', nextOffset: 0 }
  const flush = async (changes: readonly RowChanges[]): Promise<void> => {
    await writer.commit(await writer.stage(changes), checkpoint)
  }
  await timed('insert', ROWS, () => flush(base))
  if (bulk) return
  base.length = 0
  const changed = Math.floor(ROWS / 20)
  for (const [i, step] of ['upsert', 'upsert again', 'upsert again'].entries()) {
    const upserts = [...upsertChanges(ROWS, changed, 10_000, 50 + i)]
    await timed(step, changed, () => flush(upserts))
  }
}

/** The writer alone: the 12 columns, a row group per four chunks of the input. */
async function parquetOnly(store: DiskStore, base: readonly RowChanges[]): Promise<void> {
  const writer = new ParquetWriter(await store.writer('plain.parquet'), { root: 'orders', columns: COLUMNS, codec: 'snappy' })
  for (const chunk of base) await writer.writeRowGroup(chunk.vectors, chunk.count)
  await writer.close(new Map())
}

/** The table's first base file, and the same upserts, by SQL: a left join with one case per column, then the new rows. */
async function duckdb(): Promise<void> {
  const table = join(dir, 'orders')
  const base = readdirSync(table)
    .filter((f) => f.endsWith('.parquet'))
    .sort((a, b) => statSync(join(table, a)).mtimeMs - statSync(join(table, b)).mtimeMs)[0]
  const store = new DiskStore(dir, clock)
  const writer = new ParquetWriter(await store.writer('upserts.parquet'), { root: 'orders', columns: COLUMNS, codec: 'snappy' })
  for (const c of upsertChanges(ROWS, Math.floor(ROWS / 20))) await writer.writeRowGroup(c.vectors.map(toVector), c.count)
  await writer.close(new Map())
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  await connection.run(`create table base as from read_parquet('${join(table, base)}')`)
  await timed('insert', ROWS, () => connection.run(`copy base to '${join(dir, 'copy.parquet')}' (format parquet, compression snappy)`))
  await connection.run('drop table base')
  const old = `read_parquet('${join(table, base)}')`
  const fresh = `read_parquet('${join(dir, 'upserts.parquet')}')`
  const columns = COLUMNS.map((c) => `case when u.id is null then b."${c.name}" else u."${c.name}" end as "${c.name}"`).join(', ')
  const meta = `b._hoodie_commit_time, b._hoodie_commit_seqno, b._hoodie_record_key, b._hoodie_partition_path, 'new' as _hoodie_file_name`
  const added = `'1', '1_0_' || row_number() over (), u.id, '', 'new', ${COLUMNS.map((c) => `u."${c.name}"`).join(', ')}`
  const merged = `select ${meta}, ${columns} from ${old} b left join ${fresh} u on b.id = u.id
    union all select ${added} from ${fresh} u anti join ${old} b on b.id = u.id`
  const out = join(dir, 'merged.parquet')
  await timed('upsert', Math.floor(ROWS / 20), () => connection.run(`copy (${merged}) to '${out}' (format parquet, compression snappy)`))
  connection.closeSync()
  instance.closeSync()
}

await (mode === 'duckdb' ? duckdb() : ours(mode === 'bulk'))
console.log(JSON.stringify(steps))
