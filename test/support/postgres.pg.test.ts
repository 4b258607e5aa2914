import { expect, test } from 'vitest'
import { freshDatabase, useDatabase } from './postgres.ts'

const database = useDatabase('support')

test('a fresh database is empty, in UTC, and can be replicated logically', async () => {
  const [row] = await database().sql<{ wal: string; tz: string }>(
    "SELECT current_setting('wal_level') AS wal, current_setting('timezone') AS tz",
  )
  expect(row).toEqual({ wal: 'logical', tz: 'UTC' })
  expect(await database().sql("SELECT 1 FROM pg_tables WHERE schemaname = 'public'")).toEqual([])
})

test('drop takes its slots and open sessions along', async () => {
  const db = await freshDatabase('support')
  const slot = `support_${process.pid}`
  await db.sql(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`)
  await db.connect()
  await db.drop()
  const left = await database().sql('SELECT 1 FROM pg_replication_slots WHERE slot_name = $1', [slot])
  expect(left).toEqual([])
  expect(await database().sql('SELECT 1 FROM pg_database WHERE datname = $1', [db.name])).toEqual([])
})
