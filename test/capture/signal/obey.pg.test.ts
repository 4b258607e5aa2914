import { describe, expect, it } from 'vitest'
import type { SignalOptions } from '../../../src/capture/signal/signal-options.ts'
import { freshDatabase, type TestDatabase } from '../../support/postgres.ts'
import { type Capture, type Change, optionsFor, startCapture } from '../postgres/capture.ts'

const LIMIT = { timeout: 180_000 }
const SIGNALS: SignalOptions = {
  ...{ table: { schema: 'public', table: 'sig' }, hidden: false, chunkRows: 3, readOnly: false },
  ...{ strategy: 'insert_insert', exact: false },
}

async function withTables(
  work: (db: TestDatabase, capture: Capture, ask: (type: string, data: object) => Promise<unknown>) => Promise<void>,
): Promise<void> {
  const db = await freshDatabase('obey')
  try {
    await db.sql(`CREATE TABLE sig (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048));
      CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT g, 'a' || g FROM generate_series(1, 7) g;
      CREATE TABLE b (id int PRIMARY KEY, v text); INSERT INTO b SELECT g, 'b' || g FROM generate_series(1, 3) g;
      CREATE TABLE bag (n int NOT NULL, v text); ALTER TABLE bag REPLICA IDENTITY FULL; INSERT INTO bag SELECT g, 'c' || g FROM generate_series(1, 4) g`)
    const capture = await startCapture(optionsFor(db.url, { snapshot: 'never', signals: SIGNALS }))
    let n = 0
    await capture.until(() => true)
    await work(db, capture, (type, data) => db.sql('INSERT INTO sig VALUES ($1, $2, $3)', [`s${n++}`, type, JSON.stringify(data)]))
    await capture.close()
  } finally {
    await db.drop()
  }
}

const reads = (c: Capture): string[] => c.changes().flatMap((x: Change) => (x.op === 'r' ? [`${x.table} ${x.after!.join(' ')}`] : []))
const texts = (c: Capture): string[] => c.events.flatMap((e) => (e.kind === 'note' || e.kind === 'warning' ? [e.text] : []))
const said =
  (c: Capture, what: string): (() => boolean) =>
  () =>
    texts(c).some((t) => t.includes(what))

describe('a run obeys the signals of its table', { concurrent: true }, () => {
  it(
    'snapshots tables one after the other, with the conditions that were given, and those without a key by a surrogate',
    LIMIT,
    async () => {
      await withTables(async (_, capture, ask) => {
        const conditions = [{ 'data-collection': 'public.a', filter: 'id > 4' }]
        await ask('execute-snapshot', { 'data-collections': ['public.[ab]'], 'additional-conditions': conditions })
        await capture.until(said(capture, 'public.b is done'))
        expect(reads(capture)).toEqual([
          'public.a 5 a5',
          'public.a 6 a6',
          'public.a 7 a7',
          'public.b 1 b1',
          'public.b 2 b2',
          'public.b 3 b3',
        ])
        await ask('execute-snapshot', { 'data-collections': ['public.bag'] })
        await capture.until(said(capture, 'public.bag is given up'))
        expect(texts(capture).at(-1)).toContain('TRB-SIG-003')
        await ask('execute-snapshot', { 'data-collections': ['public.bag'], 'surrogate-key': 'n' })
        await capture.until(said(capture, 'public.bag is done'))
        expect(reads(capture).slice(6)).toEqual(['public.bag 1 c1', 'public.bag 2 c2', 'public.bag 3 c3', 'public.bag 4 c4'])
        // Nothing is left of them in the position.
        await ask('log', { message: 'at {}' })
        await capture.until(said(capture, ': at '))
        expect(capture.position()).not.toContain('incremental')
      })
    },
  )

  it('pauses and goes on, stops, and says what it does not do', LIMIT, async () => {
    await withTables(async (db, capture, ask) => {
      await ask('pause-snapshot', {})
      await ask('execute-snapshot', { 'data-collections': ['public.a', 'public.b'] })
      await capture.until(said(capture, 'snapshot of public.a, public.b'))
      await db.sql("INSERT INTO a VALUES (100, 'while it pauses')")
      await capture.untilNow()
      expect(reads(capture)).toEqual([])
      expect(capture.position()).toContain(' incremental {"paused":true')
      await ask('stop-snapshot', { 'data-collections': ['public.a'] })
      await ask('resume-snapshot', {})
      await capture.until(said(capture, 'public.b is done'))
      expect(reads(capture)).toEqual(['public.b 1 b1', 'public.b 2 b2', 'public.b 3 b3'])
      await ask('execute-snapshot', { 'data-collections': ['public.a'], type: 'blocking' })
      await ask('schema-changes', {})
      await ask('execute-snapshot', { 'data-collections': ['nowhere.x'] })
      await capture.until(said(capture, 'no captured table is matched by nowhere.x'))
      expect(texts(capture).filter((t) => t.includes('not obeyed'))).toEqual([
        expect.stringContaining('blocking'),
        expect.stringContaining('schema-changes is not supported'),
      ])
    })
  })

  it('a condition that the server refuses ends that snapshot alone', LIMIT, async () => {
    await withTables(async (_, capture, ask) => {
      const conditions = [{ 'data-collection': 'public.a', filter: 'no_such_column > 4' }]
      await ask('execute-snapshot', { 'data-collections': ['public.a', 'public.b'], 'additional-conditions': conditions })
      await capture.until(said(capture, 'public.b is done'))
      expect(texts(capture).filter((t) => t.includes('given up'))).toEqual([expect.stringContaining('no_such_column')])
      expect(reads(capture)).toEqual(['public.b 1 b1', 'public.b 2 b2', 'public.b 3 b3'])
    })
  })
})
