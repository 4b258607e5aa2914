import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { freshDatabase } from '../support/postgres.ts'
import { optionsFor, startCapture } from './postgres/capture.ts'

it('heartbeats with a query let the slot of a database advance in which nothing that is captured happens', {
  timeout: 120_000,
}, async () => {
  const db = await freshDatabase('beat')
  try {
    await db.sql('CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE beats (id int PRIMARY KEY, n int NOT NULL)')
    const query = 'INSERT INTO beats VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = beats.n + 1'
    const tables = { kind: 'patterns', patterns: 'a' } as const
    const options = optionsFor(db.url, { snapshot: 'never', tables, heartbeat: { intervalMs: 100, query } })
    const capture = await startCapture(options)
    const passed = async (): Promise<boolean> => {
      const sql = 'SELECT confirmed_flush_lsn > $2::pg_lsn AS passed FROM pg_replication_slots WHERE slot_name = $1'
      return (await db.sql<{ passed: boolean }>(sql, [options.slot, begin]))[0]?.passed === true
    }
    await capture.until((b) => b.heartbeat === true)
    const begin = (await db.sql<{ at: string }>('SELECT pg_current_wal_lsn() AS at'))[0]!.at
    for (let i = 0; i < 500 && !(await passed()); i++) {
      await capture.until((b) => b.heartbeat === true)
      capture.stream.ack(capture.position())
      await sleep(10)
    }
    expect(await passed()).toBe(true)
    expect(capture.changes()).toEqual([])
    await capture.close()
  } finally {
    await db.drop()
  }
})
