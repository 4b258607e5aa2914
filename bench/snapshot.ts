import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Bench, type Figure, measureCommand, median } from './measure.ts'
import { createTable, DEBEZIUM_SNAPSHOT, load, withClient } from './orders-data.ts'
import { CDC, startBenchServer } from './orders-server.ts'

const ROWS = 1_000_000

/** The whole program, from its start to a committed lake: `cdc run --once` on a database it has never seen. */
export const bench: Bench = {
  name: 'snapshot',
  question: 'what does a first snapshot of a million rows into base files cost, beside psql reading the same rows?',
  async run(say, runs) {
    const { server, client: program } = await startBenchServer()
    const scratch = mkdtempSync(join(tmpdir(), 'tributary-bench-'))
    try {
      return await withClient(server.url, async (client) => {
        await createTable(client)
        say(`loading ${ROWS.toLocaleString('en-US')} rows`)
        await load(client, ROWS)
        await client.query('VACUUM ANALYZE bench_orders')
        let n = 0
        say('ours')
        const cost = await median(runs, async () => {
          const name = `bench_${++n}`
          const places = ['--state', join(scratch, name, 'state'), '--lake', join(scratch, name, 'lake'), '--name', name]
          const args = [CDC, 'run', '--source', 'pg', '--tables', 'public.bench_orders', '--table-type', 'cow', '--once', ...places]
          const cost = await measureCommand(process.execPath, args, { ...process.env, DATABASE_URL: server.url })
          rmSync(join(scratch, name), { recursive: true }) // so that the next run's files find memory that the machine has touched before
          return cost
        })
        const ours: Figure = { ...cost, rows: ROWS }
        say('psql COPY')
        const psql = program('psql')
        const copy = ['-X', '-h', '127.0.0.1', '-p', String(server.port), '-U', 'postgres', '-c', 'COPY bench_orders TO STDOUT']
        const copied: Figure =
          psql === null ? { absent: 'not installed' } : { ...(await median(runs, () => measureCommand(psql, copy))), rows: ROWS }
        const work = 'snapshot of 1 M rows into Hudi base files'
        return [
          { work, ours, reference: { name: 'psql COPY > /dev/null', figure: copied }, by: 'wall' },
          { work: 'the same', ours, reference: { name: 'Debezium 3.6, Avro (no lake)', figure: DEBEZIUM_SNAPSHOT }, by: 'cpu' },
        ]
      })
    } finally {
      rmSync(scratch, { recursive: true, force: true })
      await server.stop()
    }
  },
}
