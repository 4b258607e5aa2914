import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { openPostgresSource } from '../../../src/capture/postgres/adapter.ts'
import { connectSql } from '../../../src/capture/postgres/connect.ts'
import type { PostgresOptions } from '../../../src/capture/postgres/options.ts'
import type { SourceEvent } from '../../../src/capture/source-event.ts'
import { systemClock } from '../../../src/cli/clock.ts'
import type { Finding, Position } from '../../../src/contract/change.ts'
import { type Failure, isFailure } from '../../../src/failure/failure.ts'
import { freshDatabase, type TestDatabase } from '../../support/postgres.ts'
import { optionsFor } from './capture.ts'

let db: TestDatabase
const SECRET = 'hunter2-secret'
const roles: string[] = []

beforeAll(async () => {
  db = await freshDatabase('a_refuse')
  await db.sql('create table orders(id int primary key, v text); create table bare(x int); create table shapes(id int primary key, b box)')
})

afterEach(async () => {
  for (const r of roles.splice(0)) await db.sql(`drop owned by ${r}; drop role ${r}`)
})

afterAll(async () => {
  await db.drop()
})

async function role(name: string, attributes: string): Promise<string> {
  await db.sql(`create role ${name} login ${attributes}`)
  roles.push(name)
  return name
}

function options(extra: Partial<PostgresOptions> = {}): PostgresOptions {
  return optionsFor(db.url, { tables: { kind: 'patterns', patterns: 'orders' }, retryForMs: 0, busySlotForMs: 0, ...extra })
}

/** The failure that opening and pulling one batch ends with. */
async function refusal(extra: Partial<PostgresOptions>, from: Position | null = null, events: SourceEvent[] = []): Promise<Failure> {
  const source = openPostgresSource(options(extra), { clock: systemClock, observe: (e) => events.push(e) })
  try {
    const stream = await source.open(from, new AbortController().signal)
    for await (const _ of stream.batches) break
  } catch (e) {
    if (isFailure(e)) {
      expect(JSON.stringify([e.message, e.details, e.explain(), String(e.cause)])).not.toContain(SECRET)
      expect(e.explain().fix).not.toMatch(/\{\w+\}/)
      expect(e.explain().what).not.toMatch(/\{\w+\}/)
      expect(e.explain().why).not.toMatch(/\{\w+\}/)
      return e
    }
    throw e
  } finally {
    await source.close()
  }
  throw new Error('it was not refused')
}

async function slot(name: string, plugin = 'pgoutput'): Promise<void> {
  await db.sql(`select pg_create_logical_replication_slot('${name}', '${plugin}')`)
}

describe('connection', () => {
  test('a server that is not there: TRB-PG-001, and it is tried again as long as asked', async () => {
    const events: SourceEvent[] = []
    const f = await refusal({ port: 1, password: SECRET, retryForMs: 600 }, null, events)
    expect(f.code).toBe('TRB-PG-001')
    expect(events.filter((e) => e.kind === 'retry').length).toBeGreaterThan(1)
    expect((await refusal({ host: '/nowhere' })).code).toBe('TRB-PG-001')
    expect((await refusal({ host: 'no-such-host.invalid' })).code).toBe('TRB-PG-001')
  })

  test('a role that may not log in: TRB-PG-002', async () => {
    expect((await refusal({ user: 'a_nobody_here', password: SECRET })).code).toBe('TRB-PG-002')
  })

  test('no such database: TRB-PG-003', async () => {
    const f = await refusal({ database: 'a_no_such_db' })
    expect([f.code, f.explain().what]).toEqual(['TRB-PG-003', expect.stringContaining('a_no_such_db')])
  })

  test('a server without TLS: TRB-PG-004', async () => {
    const on = (await db.sql<{ ssl: string }>('show ssl'))[0].ssl === 'on'
    const f = await refusal({ ssl: { rejectUnauthorized: true, ca: on ? '' : undefined } })
    expect(f.code).toBe('TRB-PG-004')
  })

  test('no replication right: TRB-PG-006 with the ALTER ROLE', async () => {
    const user = await role('a_norepl', '')
    const f = await refusal({ user })
    expect([f.code, f.explain().fix]).toEqual(['TRB-PG-006', 'ALTER ROLE "a_norepl" REPLICATION;'])
  })

  test('a statement the server refuses keeps its SQLSTATE: TRB-PG-023', async () => {
    const sql = await connectSql(options(), 'sql')
    await expect(sql.query('select 1/0', 'dividing')).rejects.toMatchObject({
      code: 'TRB-PG-023',
      details: { sqlstate: '22012', doing: 'dividing' },
    })
    await sql.close()
  })
})

describe('tables and publication', () => {
  test('no table matches: TRB-PG-017 names what there is', async () => {
    const f = await refusal({ tables: { kind: 'patterns', patterns: 'shop.*' } })
    expect([f.code, f.explain().fix]).toEqual(['TRB-PG-017', expect.stringContaining('public.orders')])
  })

  test('a malformed selection: TRB-PG-025', async () => {
    expect(() =>
      openPostgresSource(options({ tables: { kind: 'patterns', patterns: ' , ' } }), { clock: systemClock, observe: () => undefined }),
    ).toThrow(expect.objectContaining({ code: 'TRB-PG-025' }))
    const f = await refusal({ slot: 'Bad-Name' })
    expect([f.code, f.explain().fix]).toEqual(['TRB-PG-025', expect.stringContaining('bad_name')])
  })

  test('an unsupported type is named: TRB-PG-016', async () => {
    const f = await refusal({ tables: { kind: 'patterns', patterns: 'shapes' }, unsupported: 'refuse' })
    expect([f.code, f.details['columns']]).toEqual(['TRB-PG-016', 'public.shapes.b box'])
  })

  test('a table without identity is not published: TRB-PG-015 with the ALTER TABLE', async () => {
    const f = await refusal({ tables: { kind: 'patterns', patterns: 'bare,orders' } })
    expect([f.code, f.explain().fix]).toEqual(['TRB-PG-015', expect.stringContaining('ALTER TABLE "public"."bare" REPLICA IDENTITY FULL;')])
    expect(await db.sql('select 1 from pg_publication')).toEqual([])
  })

  test('a missing publication that may not be made: TRB-PG-013 with the SQL', async () => {
    const f = await refusal({ publicationMode: 'existing' })
    expect([f.code, f.explain().fix]).toEqual(['TRB-PG-013', `CREATE PUBLICATION "${db.name}" FOR TABLE "public"."orders";`])
    const user = await role('a_noowner', 'replication')
    await db.sql(`grant select on orders to ${user}`)
    expect((await refusal({ user, publication: 'a_new' })).code).toBe('TRB-PG-013')
  })

  test('a publication that lacks a table: TRB-PG-014 with the SQL', async () => {
    await db.sql('create publication a_lacks for table shapes')
    const f = await refusal({ publication: 'a_lacks', publicationMode: 'existing' })
    expect([f.code, f.explain().fix]).toEqual(['TRB-PG-014', 'ALTER PUBLICATION "a_lacks" ADD TABLE "public"."orders";'])
  })

  test('a publication that publishes partitions otherwise than asked: TRB-PG-027 with the SQL', async () => {
    await db.sql('create publication a_leaves for table orders')
    const f = await refusal({ publication: 'a_leaves', viaRoot: true })
    expect([f.code, f.explain().fix]).toEqual(['TRB-PG-027', 'ALTER PUBLICATION "a_leaves" SET (publish_via_partition_root = true);'])
  })

  test('no SELECT on a table: TRB-PG-018 with the GRANT', async () => {
    const user = await role('a_noselect', 'replication')
    const f = await refusal({ user })
    expect([f.code, f.explain().fix]).toEqual(['TRB-PG-018', expect.stringContaining('GRANT SELECT ON "public"."orders" TO "a_noselect";')])
  })
})

test('rows hidden by a policy are an error, not missing', async () => {
  const user = await role('a_policy', 'replication')
  await db.sql(`create table hidden(id int primary key); insert into hidden values (1), (2); alter table hidden enable row level security;
    create policy p on hidden using (id = 1); grant select on hidden to ${user}; create publication a_hidden for table hidden`)
  const f = await refusal({ user, tables: { kind: 'patterns', patterns: 'hidden' }, publication: 'a_hidden', slot: 'a_hidden' })
  expect([f.code, f.details['sqlstate'], f.details['reason']]).toEqual([
    'TRB-PG-023',
    '42501',
    expect.stringContaining('row-level security'),
  ])
})

describe('slot', () => {
  test('missing while a position is held: TRB-PG-008, nothing is created', async () => {
    const f = await refusal({ slot: 'a_gone' }, '0/1000+8')
    expect([f.code, f.explain().fix]).toEqual(['TRB-PG-008', expect.stringContaining('new snapshot')])
    expect(await db.sql("select 1 from pg_replication_slots where slot_name = 'a_gone'")).toEqual([])
    const mid = await refusal({ slot: 'a_gone' }, 'snapshot {"seq":3,"until":"0/9","done":{"public.a":"0/9"},"current":null}')
    expect(mid.code).toBe('TRB-PG-008')
  })

  test('missing and not to be created: TRB-PG-026 with the SQL', async () => {
    expect((await refusal({ slot: 'a_none', createSlot: false })).code).toBe('TRB-PG-026')
  })

  test('ahead of the position: TRB-PG-010', async () => {
    await slot('a_ahead')
    const f = await refusal({ slot: 'a_ahead' }, '0/1000+8')
    expect(f.code).toBe('TRB-PG-010')
    expect((await refusal({ slot: 'a_ahead' }, '0/1000:3')).code).toBe('TRB-PG-010')
  })

  test('of another kind: TRB-PG-011', async () => {
    await slot('a_other', 'test_decoding')
    expect((await refusal({ slot: 'a_other', publication: 'a_doctor_pub' })).code).toBe('TRB-PG-011')
    await db.sql("select pg_create_physical_replication_slot('a_physical')")
    expect((await refusal({ slot: 'a_physical' })).code).toBe('TRB-PG-011')
    await db.sql("select pg_drop_replication_slot('a_physical')")
  })

  test('read by somebody else: TRB-PG-007 with the pid', async () => {
    const first = openPostgresSource(options({ slot: 'a_busy', snapshot: 'never' }), { clock: systemClock, observe: () => undefined })
    const stream = await first.open(null, new AbortController().signal)
    const iterator = stream.batches[Symbol.asyncIterator]()
    const start = (await iterator.next()).value!.upTo
    const pulling = iterator.next()
    await expect
      .poll(async () => (await db.sql<{ active: boolean }>("select active from pg_replication_slots where slot_name = 'a_busy'"))[0].active)
      .toBe(true)
    const f = await refusal({ slot: 'a_busy', busySlotForMs: 600 }, start)
    expect(f.code).toBe('TRB-PG-007')
    expect(Number(f.details['pid'])).toBeGreaterThan(0)
    // Before a snapshot of many hours, not after it.
    expect((await refusal({ slot: 'a_busy', busySlotForMs: 300 })).code).toBe('TRB-PG-007')
    await first.close()
    await pulling
  })

  test('read by somebody who answers the server: refused as soon as that is seen, not only after a minute', async () => {
    await db.sql(`alter database ${db.name} set wal_sender_timeout = '3s'`)
    const first = openPostgresSource(options({ slot: 'a_alive', snapshot: 'never' }), { clock: systemClock, observe: () => undefined })
    const stream = await first.open(null, new AbortController().signal)
    const iterator = stream.batches[Symbol.asyncIterator]()
    const start = (await iterator.next()).value!.upTo
    const pulling = iterator.next()
    await expect
      .poll(
        async () => (await db.sql<{ active: boolean }>("select active from pg_replication_slots where slot_name = 'a_alive'"))[0].active,
      )
      .toBe(true)
    const began = performance.now()
    expect((await refusal({ slot: 'a_alive', busySlotForMs: 60_000 }, start)).code).toBe('TRB-PG-007')
    expect(performance.now() - began).toBeLessThan(20_000)
    await first.close()
    await pulling
    await db.sql(`alter database ${db.name} reset wal_sender_timeout`)
  })

  test('a malformed position: TRB-PG-019', async () => {
    expect((await refusal({}, 'yesterday')).code).toBe('TRB-PG-019')
  })
})

describe('doctor', () => {
  const find = (all: readonly Finding[], id: string): Finding => all.find((f) => f.id === id)!

  test('all is well: no finding failed, the SQL to come is shown', async () => {
    const source = openPostgresSource(options({ slot: 'a_fresh', publication: 'a_fresh' }), {
      clock: systemClock,
      observe: () => undefined,
    })
    const all = await source.check(new AbortController().signal)
    expect(all.filter((f) => f.level === 'failed')).toEqual([])
    expect(find(all, 'publication').fix).toBe('CREATE PUBLICATION "a_fresh" FOR TABLE "public"."orders";')
    expect(await db.sql("select 1 from pg_publication where pubname = 'a_fresh'")).toEqual([])
  })

  test('what is wrong has its fix', async () => {
    const tables = { kind: 'patterns', patterns: '*' } as const
    const user = await role('a_doctor', '')
    const source = openPostgresSource(
      options({ user, tables, publicationMode: 'existing', unsupported: 'refuse', slot: 'a_other', publication: 'a_doctor_pub' }),
      {
        clock: systemClock,
        observe: () => undefined,
      },
    )
    const all = await source.check(new AbortController().signal)
    expect(Object.fromEntries(all.filter((f) => f.level === 'failed').map((f) => [f.id, f.fix]))).toMatchObject({
      replication: 'ALTER ROLE "a_doctor" REPLICATION;',
      slot: expect.stringContaining('--slot-name'),
      replica_identity: expect.stringContaining('ALTER TABLE "public"."bare" REPLICA IDENTITY FULL;'),
      select: expect.stringContaining('GRANT SELECT'),
      publication: expect.stringContaining('CREATE PUBLICATION'),
    })
  })

  test('no server is one finding', async () => {
    const source = openPostgresSource(options({ port: 1 }), { clock: systemClock, observe: () => undefined })
    expect(await source.check(new AbortController().signal)).toEqual([expect.objectContaining({ id: 'connection', level: 'failed' })])
  })
})
