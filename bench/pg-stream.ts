import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type pg from 'pg'
import { type Bench, type BenchRow, type Cost, type Figure, measureAnswer, measureCommand, measureWorker, median } from './measure.ts'
import { createTable, DEBEZIUM_STREAM, load, withClient } from './orders-data.ts'
import { type BenchServer, CDC, startBenchServer } from './orders-server.ts'

const ROWS = 1_000_000
const SLOT = 'tributary'

/**
 * Both sides read the same slot data: a slot is made before the load and copied for every run. Ours is the whole program
 * (`cdc run --lake none --once`: start, connect, stream, decode, Debezium envelope in Avro, durable log), theirs writes to /dev/null.
 */
export const bench: Bench = {
  name: 'pg-stream',
  question: 'how fast do a million inserts go from the slot into the durable log as Debezium Avro, beside pg_recvlogical to /dev/null?',
  async run(say, runs) {
    const started = await startBenchServer()
    const scratch = mkdtempSync(join(tmpdir(), 'tributary-bench-'))
    try {
      return await withClient(started.server.url, (c) => compare(c, started, scratch, say, runs))
    } finally {
      rmSync(scratch, { recursive: true, force: true })
      await started.server.stop()
    }
  },
}

async function compare(
  client: pg.Client,
  { server, client: program }: BenchServer,
  scratch: string,
  say: (t: string) => void,
  runs: number,
) {
  const base = join(scratch, 'base')
  const state = join(scratch, 'state')
  await createTable(client)
  await captured(base, server.url, 0)
  await client.query(`SELECT pg_copy_logical_replication_slot('${SLOT}', 'bench_base')`)
  say(`loading ${ROWS.toLocaleString('en-US')} rows`)
  await load(client, ROWS)
  await client.query('CHECKPOINT')
  const end = (await client.query<{ lsn: string }>('SELECT pg_current_wal_lsn() AS lsn')).rows[0].lsn
  const ours = (url: string): Promise<Cost> =>
    median(runs, async () => {
      await copySlot(client, SLOT)
      rmSync(state, { recursive: true, force: true })
      cpSync(base, state, { recursive: true })
      return captured(state, url, ROWS)
    })
  const rows: BenchRow[] = []
  const recv = program('pg_recvlogical')
  for (const [way, host] of [
    ['TCP', '127.0.0.1'],
    ['Unix socket', server.socketDir],
  ]) {
    say(`${way}: ours`)
    const url = way === 'TCP' ? server.url : `postgresql://postgres@/postgres?host=${encodeURIComponent(host)}&port=${server.port}`
    const figure: Figure = { ...(await ours(url)), rows: ROWS }
    say(`${way}: pg_recvlogical`)
    const theirs: Figure =
      recv === null
        ? { absent: 'not installed' }
        : { ...(await median(runs, () => receive(client, recv, host, server.port, end))), rows: ROWS }
    rows.push({
      work: `PG stream → Avro → durable log, ${way}`,
      ours: figure,
      reference: { name: 'pg_recvlogical > /dev/null', figure: theirs },
      by: 'wall',
    })
    if (way !== 'TCP') continue
    rows.push({ work: 'the same', ours: figure, reference: { name: 'Debezium 3.6, Avro', figure: DEBEZIUM_STREAM }, by: 'cpu' })
    say('TCP: pg-logical-replication')
    const library: Figure = { ...(await median(runs, () => readByLibrary(client, server.url))), rows: ROWS }
    rows.push({
      work: 'the same',
      ours: figure,
      reference: { name: 'pg-logical-replication, rows only counted', figure: library },
      by: 'cpu',
    })
  }
  return rows
}

/** One run of the program; it must have captured exactly `rows` changes. */
async function captured(state: string, url: string, rows: number): Promise<Cost> {
  const args = [CDC, 'run', '--source', 'pg', '--tables', 'public.bench_orders', '--lake', 'none', '--once', '--state', state, '--json']
  const { cost, stdout } = await measureAnswer(process.execPath, args, { ...process.env, DATABASE_URL: url })
  const found = (JSON.parse(stdout) as { result: { records: number } }).result.records
  if (found !== rows) throw new Error(`${found} changes were captured, not ${rows}`)
  return cost
}

/** Replaces the slot by a copy of the one that was made before the load. */
async function copySlot(client: pg.Client, name: string): Promise<void> {
  await client.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active', [name])
  await client.query('SELECT pg_copy_logical_replication_slot($1, $2)', ['bench_base', name])
}

async function receive(client: pg.Client, program: string, host: string, port: number, end: string): Promise<Cost> {
  await copySlot(client, 'bench_reference')
  const options = ['-o', 'proto_version=1', '-o', `publication_names=${SLOT}`, `--endpos=${end}`, '-f', '/dev/null', '--no-loop', '-s', '5']
  return measureCommand(program, [
    '-h',
    host,
    '-p',
    String(port),
    '-U',
    'postgres',
    '-d',
    'postgres',
    '-S',
    'bench_reference',
    '--start',
    ...options,
  ])
}

async function readByLibrary(client: pg.Client, url: string): Promise<Cost> {
  await copySlot(client, 'bench_library')
  const worker = fileURLToPath(new URL('./library-stream.ts', import.meta.url))
  return (await measureWorker(worker, [url, 'bench_library', SLOT, String(ROWS)])).cost
}
