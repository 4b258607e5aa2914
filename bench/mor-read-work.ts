// One piece of work in a process of its own: node bench/mor-read-work.ts make|scan DIR ROWS
// make: a merge-on-read table with one base file and ten log files of 1 % each. scan: DuckDB alone over the base file, as a program of its own.
import { randomUUID } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { RowChanges } from '../src/contract/columns.ts'
import { openTableWriter } from '../src/lake/write/open-table.ts'
import { DiskStore } from '../src/storage/disk/disk-store.ts'
import { baseChanges, COLUMNS, upsertChanges } from './orders-changes.ts'

const [mode, dir, count] = process.argv.slice(2)
const ROWS = Number(count)
const LOGS = 10

async function make(): Promise<void> {
  const clock = { now: Date.now, sleep: async () => undefined, uuid: randomUUID, random: Math.random }
  const layout = { key: ['id'], orderingField: 'ts', partition: null, buckets: 1, tableType: 'MERGE_ON_READ', tableVersion: 6 } as const
  const spec = { name: 'orders', database: 'shop', path: 'orders', columns: COLUMNS, ...layout }
  const writer = await openTableWriter(new DiskStore(dir, clock), spec, { clock, scratchDir: join(dir, 'scratch') })
  const checkpoint = { source: 'bench', commit: null, commitUs: null, topic: 'orders', nextOffset: 0 }
  const flush = async (changes: Iterable<RowChanges>): Promise<void> => {
    await writer.commit(await writer.stage(changes), checkpoint)
  }
  await flush(baseChanges(ROWS))
  for (let i = 0; i < LOGS; i++) await flush(upsertChanges(ROWS, Math.floor(ROWS / 100), 10_000, 3 + i))
}

async function scan(): Promise<void> {
  const table = join(dir, 'orders')
  const base = readdirSync(table).find((f) => f.endsWith('.parquet'))
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  const result = await connection.runAndReadAll(`select count(*), sum(amount) from read_parquet('${join(table, base!)}')`)
  console.log(JSON.stringify(result.getRowsJson()))
  connection.closeSync()
  instance.closeSync()
}

await (mode === 'make' ? make() : scan())
