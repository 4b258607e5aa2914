import { expect, it } from 'vitest'
import { PostgresChunks } from '../../../src/capture/postgres/chunks.ts'
import { tableMatcher } from '../../../src/capture/select-tables.ts'
import type { SignalOptions } from '../../../src/capture/signal/signal-options.ts'
import { systemClock } from '../../../src/cli/clock.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { freshDatabase } from '../../support/postgres.ts'
import { optionsFor } from '../postgres/capture.ts'

const TASK = { table: 'public.wide', pattern: false, filter: null, surrogate: null, after: null, max: null }

it('chunks are of the tables that changes come as: partitions, or their root; of wide rows one has fewer', {
  timeout: 180_000,
}, async () => {
  const db = await freshDatabase('chunk_tables')
  try {
    await db.sql(`CREATE TABLE root (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF root FOR VALUES FROM (0) TO (10);
      CREATE TABLE wide (id int PRIMARY KEY, v text); INSERT INTO wide SELECT g, repeat('x', 6000000) FROM generate_series(1, 5) g`)
    const signals: SignalOptions = {
      ...{ table: null, hidden: true, chunkRows: 4, readOnly: true },
      ...{ strategy: 'insert_insert', exact: false },
    }
    const options = optionsFor(db.url, { signals })
    const matcher = tableMatcher(options.tables)
    for (const [viaRoot, names] of [
      [false, ['part', 'wide']],
      [true, ['root', 'wide']],
    ] as const) {
      const chunks = new PostgresChunks({ ...options, viaRoot }, matcher, { clock: fixedClock(), observe: () => undefined })
      try {
        expect((await chunks.tables()).map((t) => t.table)).toEqual(names)
        const id = { schema: 'public', table: 'wide' }
        const { signal } = new AbortController()
        const first = await chunks.read(id, TASK, null, signal)
        expect([first.offsets.length, first.last]).toEqual([3, ['3']])
        const second = await chunks.read(id, { ...TASK, after: first.last }, null, signal)
        expect([second.offsets.length, second.last]).toEqual([2, ['5']])
      } finally {
        await chunks.close()
      }
    }
  } finally {
    await db.drop()
  }
})

it('a chunk waits for transactions that have written before its place and are still open', { timeout: 180_000 }, async () => {
  const db = await freshDatabase('chunk_waits')
  const options = optionsFor(db.url, {})
  const chunks = new PostgresChunks(options, tableMatcher(options.tables), { clock: systemClock, observe: () => undefined })
  try {
    await db.sql(`CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'old')`)
    const writer = await db.connect()
    await writer.query('BEGIN')
    await writer.query("UPDATE t SET v = 'new'")
    const reading = chunks.read({ schema: 'public', table: 't' }, { ...TASK, table: 'public.t' }, null, new AbortController().signal)
    const open = await Promise.race([reading.then(() => 'read'), systemClock.sleep(500).then(() => 'waiting')])
    await writer.query('COMMIT')
    const { arena } = await reading
    expect([open, arena.toString('latin1').includes('new')]).toEqual(['waiting', true])
  } finally {
    await chunks.close()
    await db.drop()
  }
})
