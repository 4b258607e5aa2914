import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { PostgresOptions } from '../../../src/capture/postgres/options.ts'
import type { Position } from '../../../src/contract/change.ts'
import { freshDatabase, type TestDatabase } from '../../support/postgres.ts'
import { type Capture, changesOf, Model, optionsFor, startCapture } from './capture.ts'

let db: TestDatabase
let open: Capture[] = []

beforeEach(async () => {
  db = await freshDatabase('a_snap')
})

afterEach(async () => {
  for (const c of open) await c.close()
  open = []
  await db.drop()
})

async function start(extra: Partial<PostgresOptions> = {}, from: Position | null = null): Promise<Capture> {
  const capture = await startCapture(optionsFor(db.url, extra), from)
  open.push(capture)
  return capture
}

/** The server notices a moment later that its reader has left. */
async function dropSlot(slot: string): Promise<void> {
  const active = (): Promise<{ active: boolean }[]> =>
    db.sql<{ active: boolean }>(`select active from pg_replication_slots where slot_name = '${slot}'`)
  await expect.poll(async () => (await active())[0].active, { timeout: 5000 }).toBe(false)
  await db.sql(`select pg_drop_replication_slot('${slot}')`)
}

async function marks(extra: Partial<PostgresOptions> = {}): Promise<string[]> {
  const names = ['false', 'true', 'first', 'first_in_data_collection', 'last_in_data_collection', 'last']
  const capture = await start(extra)
  await capture.until((b) => b.snapshotComplete)
  return capture.changes().map((c) => `${c.table} ${c.after![0]} ${names[c.mark]}`)
}

describe('snapshot marks and order, as recorded from Debezium', () => {
  test('several tables, empty ones in the middle and last', async () => {
    await db.sql(`create schema s2; create table a(id int primary key, v text); create table b(id int primary key, v text);
      create table c_empty(id int primary key); create table d(id int primary key);
      create table s2.e(id int primary key, v text); create table z_empty(id int primary key);
      insert into a values (1,'a1'),(2,'a2'),(3,'a3'); insert into b values (1,'b1'); insert into d values (1),(2); insert into s2.e values (1,'e1')`)
    expect(await marks()).toEqual([
      'public.a 1 first',
      'public.a 2 true',
      'public.a 3 last_in_data_collection',
      'public.b 1 last_in_data_collection',
      'public.d 1 first_in_data_collection',
      'public.d 2 last_in_data_collection',
      's2.e 1 last',
    ])
  })

  test('one row is last; a first table without rows gives nobody the mark first', async () => {
    await db.sql('create table only1(id int primary key); insert into only1 values (7)')
    expect(await marks()).toEqual(['public.only1 7 last'])
    await db.sql('create table a_empty(id int primary key)')
    expect(await marks({ slot: 'a_marks_2' })).toEqual(['public.only1 7 last'])
    await db.sql('create table z(id int primary key); insert into z values (1), (2)')
    expect(await marks({ slot: 'a_marks_3' })).toEqual([
      'public.only1 7 last_in_data_collection',
      'public.z 1 first_in_data_collection',
      'public.z 2 last',
    ])
  })

  test('tables come in the order of the include list', async () => {
    await db.sql(
      'create table a(id int primary key); create table b(id int primary key); create table c(id int primary key); insert into a values (1); insert into b values (1); insert into c values (1)',
    )
    const tables = {
      kind: 'regex',
      tableInclude: 'public.c,public.a,public.b',
      tableExclude: null,
      schemaInclude: null,
      schemaExclude: null,
    } as const
    expect(await marks({ tables })).toEqual(['public.c 1 first', 'public.a 1 last_in_data_collection', 'public.b 1 last'])
  })

  test('a database without rows ends with an empty batch that completes the snapshot', async () => {
    await db.sql('create table a(id int primary key)')
    const capture = await start()
    await capture.until((b) => b.snapshotComplete)
    expect(capture.batches.map((b) => [b.count, b.boundary, b.snapshotDone])).toEqual([[0, true, [{ schema: 'public', table: 'a' }]]])
  })
})

describe('a snapshot that is cut off', () => {
  const tiny = { batchBytes: 400, chunkRows: 7 } as const

  async function schema(): Promise<void> {
    await db.sql(`create table keyed(k text, n int, v text, primary key (k, n));
      create table uuids(id uuid primary key, v text);
      create table bag(x int, v text); alter table bag replica identity full;
      create table big(id int primary key, v text, blob text);
      insert into keyed select 'k' || g % 5, g, repeat('v', 20) from generate_series(1, 30) g;
      insert into uuids select md5(g::text)::uuid, 'u' || g from generate_series(1, 25) g;
      insert into bag select g % 3, 'b' || g % 4 from generate_series(1, 25) g;
      insert into big select g, 'x', null from generate_series(1, 10) g`)
  }

  /** Writes that hit what was read and what was not: updates, deletes, key changes, inserts on both sides. */
  async function write(round: number): Promise<void> {
    await db.sql(`update keyed set v = 'r${round}' where n % 3 = ${round % 3};
      delete from keyed where n = ${round + 3};
      insert into keyed values ('k0', ${1000 + round}, 'new'), ('k9', ${2000 + round}, 'new');
      update uuids set v = v || '${round}' where v like '%${round % 10}%';
      update keyed set k = 'k9' where n = ${round + 10};
      update bag set v = 'w${round}' where ctid in (select ctid from bag limit 2);
      delete from bag where ctid in (select ctid from bag offset 3 limit 1);
      insert into bag values (7, 'i${round}'), (7, 'i${round}');
      insert into big values (${100 + round}, 'y', 'z')`)
  }

  async function truth(): Promise<Record<string, string[]>> {
    const tables: Record<string, string> = { keyed: 'k, n::text, v', uuids: 'id::text, v', bag: 'x::text, v', big: 'id::text, v, blob' }
    const rows: Record<string, string[]> = {}
    for (const [t, columns] of Object.entries(tables)) {
      const found = await db.sql<{ r: string[] }>(`select array[${columns}] r from ${t}`)
      rows[t] = found.map((f) => JSON.stringify(f.r)).sort()
    }
    return rows
  }

  const state = (model: Model): Record<string, string[]> =>
    Object.fromEntries(['keyed', 'uuids', 'bag', 'big'].map((t) => [t, model.rows(`public.${t}`)]))

  test('continues after every batch, with writes in between, to exactly the rows of the database', async () => {
    await schema()
    const whole = await start({ ...tiny, slot: 'a_whole' })
    await whole.until((b) => b.snapshotComplete)
    const cuts = whole.batches.length
    expect(cuts).toBeGreaterThan(12)
    await whole.close()
    for (let cut = 0; cut < cuts; cut += 2) {
      const slot = `${db.name.slice(-40)}_${cut}`
      const model = new Model()
      const first = await start({ ...tiny, slot })
      for (let i = 0; i < cut; i++) await first.until(() => true)
      for (const b of first.batches) for (const c of changesOf(b)) model.apply(c)
      const position = cut === 0 ? null : first.position()
      await write(3 * cut)
      await first.close()
      await write(3 * cut + 1)
      const second = await start({ ...tiny, slot }, position)
      if (!first.batches.some((b) => b.snapshotComplete)) await second.until((b) => b.snapshotComplete)
      await write(3 * cut + 2)
      await second.untilNow()
      for (const b of second.batches) for (const c of changesOf(b)) model.apply(c)
      expect(state(model), `cut after ${cut} batches`).toEqual(await truth())
      await second.close()
      await dropSlot(slot)
    }
  })

  test('continues twice, and is complete only where all tables are at one state', async () => {
    await schema()
    const slot = 'a_twice'
    const model = new Model()
    let position: Position | null = null
    for (const pulls of [3, 4, 5]) {
      const capture = await start({ ...tiny, slot }, position)
      for (let i = 0; i < pulls; i++) await capture.until(() => true)
      for (const c of capture.changes()) model.apply(c)
      expect(capture.batches.some((b) => b.snapshotComplete)).toBe(false)
      position = capture.position()
      await write(pulls)
      await capture.close()
    }
    await write(9)
    const expected = await truth()
    const last = await start({ ...tiny, slot }, position)
    await last.until((b) => b.snapshotComplete)
    for (const c of last.changes()) model.apply(c)
    // Nothing was written since: the first complete boundary is the database's state.
    await last.untilNow()
    expect(last.batches.filter((b) => b.snapshotComplete).length).toBe(1)
    expect(state(model)).toEqual(expected)
  })

  test('a table without key is read again from the start, after a truncate', async () => {
    await schema()
    const tables = { kind: 'patterns', patterns: 'bag' } as const
    const first = await start({ ...tiny, tables })
    await first.until(() => true)
    await first.close()
    expect(first.position()).toContain('"key":null')
    const second = await start({ ...tiny, tables }, first.position())
    await second.until((b) => b.snapshotComplete)
    expect(second.changes()[0].op).toBe('t')
    expect(second.changes().filter((c) => c.op === 'r').length).toBe(25)
  })

  test('rows carry an LSN that no later change of them is below', async () => {
    await schema()
    const writer = await db.connect()
    const capture = await start({ tables: { kind: 'patterns', patterns: 'big' } })
    await capture.until((b) => b.snapshotComplete)
    await writer.query("update big set v = 'later'")
    await capture.untilNow()
    const place = (b: (typeof capture.batches)[0], i: number): bigint => (BigInt(b.placeHi[i]) << 32n) | BigInt(b.placeLo[i])
    const snapshot = place(capture.batches[0], 0)
    const later = capture.batches.slice(1).flatMap((b) => Array.from({ length: b.count }, (_, i) => place(b, i)))
    expect(later.length).toBe(10)
    expect(later.every((p) => p > snapshot)).toBe(true)
  })

  test('progress tells table, rows, estimate and rate', async () => {
    await schema()
    await db.sql('analyze')
    const capture = await start({ ...tiny, tables: { kind: 'patterns', patterns: 'keyed' } })
    await capture.until((b) => b.snapshotComplete)
    await capture.untilNow()
    const progress = capture.events.filter((e) => e.kind === 'snapshot')
    expect(progress.at(-2)).toMatchObject({ table: 'public.keyed', rows: 30, estimate: 30, tablesDone: 1, tables: 1, tableDone: true })
    expect(progress.at(-1)).toMatchObject({ table: null, rows: 30, tableDone: true })
  })

  test('a table dropped meanwhile stops it (TRB-PG-024); the next run goes on with those that are left', async () => {
    await schema()
    const tables = { kind: 'patterns', patterns: 'big,keyed,uuids' } as const
    const first = await start({ ...tiny, batchBytes: 100, tables })
    await first.until(() => true)
    // Not the table that is being read, nor the last one: those are locked until the snapshot ends.
    await db.sql('drop table keyed')
    await expect(first.until((b) => b.snapshotComplete)).rejects.toMatchObject({ code: 'TRB-PG-024', details: { table: 'public.keyed' } })
    await first.close()
    const second = await start({ ...tiny, tables }, first.position())
    await second.until((b) => b.snapshotComplete)
    const tablesOf = (c: Capture): string[] => [...new Set(c.changes().map((x) => x.table))]
    expect([tablesOf(first), tablesOf(second)]).toEqual([['public.big'], expect.arrayContaining(['public.uuids'])])
    expect(new Set([...first.changes(), ...second.changes()].map((c) => `${c.table} ${c.after![0]}`)).size).toBe(10 + 25)
  })
})
