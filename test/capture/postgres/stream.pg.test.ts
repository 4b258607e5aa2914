import { afterEach, describe, expect, test } from 'vitest'
import { useDatabase } from '../../support/postgres.ts'
import { type Capture, optionsFor, startCapture } from './capture.ts'

const db = useDatabase('a_stream')
let capture: Capture | null = null

afterEach(async () => {
  await capture?.close()
  capture = null
})

/** What the server itself prints for a row: the truth that both the snapshot and the stream are compared with. */
async function rowsAsText(table: string, columns: readonly string[], order: string): Promise<(string | null)[][]> {
  // %s prints with the type's output function, as COPY and pgoutput do; a cast to text differs for some types.
  const list = columns.map((c) => `case when "${c}" is not null then format('%s', "${c}") end`).join(', ')
  await db().sql("set timezone = 'UTC'; set extra_float_digits = 3; set lc_monetary = 'C'")
  const rows = await db().sql<{ r: (string | null)[] }>(`select array[${list}] r from ${table} order by ${order}`)
  return rows.map((r) => r.r)
}

const TYPES = `id int primary key, t text, c char(6), by bytea, n numeric, n2 numeric(12,3), f4 float4, f8 float8, b bool, d date, ts timestamp,
  tz timestamptz, iv interval, j json, jb jsonb, u uuid, a text[], ia int[][], m money, bi bit(5), i inet, p point, x xml, r int4range`
const VALUES = [
  `1, E'tab\\tnew\\nline\\rback\\\\slash \\b\\f\\v é 😀', 'ab', '\\x00ff0a5c', 1234567890.000100, -0.5, 1.1, 0.1, true, '2020-02-29',
   '2020-01-01 10:11:12.123456',
   '2020-01-01 00:00+02', '1 year 2 mons -3 days 04:05:06.7', '{"a": "\\\\n"}', '{"b": [1, null]}', '6f0a2b3c-4d5e-4f60-8a7b-9c0d1e2f3a4b', '{a,NULL,"x y","q\\"\\\\"}',
   '{{1,2},{3,4}}', 12.34, '10101', '10.0.0.1/8', '(1,2)', '<a>t</a>', '[1,5)'`,
  `2, '\\N', '', '', 'NaN', 0, 'Infinity', '-Infinity', false, 'infinity', '-infinity', 'infinity', '0', 'null', 'null', null, '{}', null, -1, '00000', '::1', null, null, 'empty'`,
  `3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null`,
  `4, '', 'x', '\\x', 1e-20, 999999999.999, 3.4028235e38, 5e-324, null, '4713-01-01 BC', '0044-03-15 12:00:00 BC',
   '9999-12-31 23:59:59.999999+00', '-1 mon', '"s"', '"s"', null, '{""}', '{}', 0, '11111', '0.0.0.0', null, null, '(,)'`,
]

describe('stream and snapshot against what SQL returns', () => {
  test('every cell of every type arrives as the server prints it, from COPY and from pgoutput', async () => {
    await db().sql(`create table truth(${TYPES})`)
    for (const v of VALUES) await db().sql(`insert into truth values (${v})`)
    capture = await startCapture(optionsFor(db().url, { tables: { kind: 'patterns', patterns: 'public.truth' } }))
    await capture.until((b) => b.snapshotComplete)
    await db().sql(
      'insert into truth select id + 10, t, c, by, n, n2, f4, f8, b, d, ts, tz, iv, j, jb, u, a, ia, m, bi, i, p, x, r from truth',
    )
    await capture.untilNow()
    const changes = capture.changes()
    const columns = changes[0].columns
    const expected = await rowsAsText('truth', columns, 'id')
    expect(changes.map((c) => c.op).join('')).toBe('rrrrcccc')
    expect(changes.map((x) => x.after)).toEqual(expected)
  })

  test('a stored TOAST value that an update did not touch is marked, not null', async () => {
    await db().sql('create table toast(id int primary key, n int, big text); alter table toast alter big set storage external')
    await db().sql(`insert into toast values (1, 1, repeat('x', 5000))`)
    capture = await startCapture(
      optionsFor(db().url, { slot: 'a_toast', publication: 'a_toast', tables: { kind: 'patterns', patterns: 'toast' } }),
    )
    await capture.until((b) => b.snapshotComplete)
    await db().sql('update toast set n = 2; alter table toast replica identity full; update toast set n = 3; update toast set id = 9')
    await capture.untilNow()
    const [, plain, full, key] = capture.changes()
    expect([plain.op, plain.before, plain.after]).toEqual(['u', null, ['1', '2', undefined]])
    expect([full.beforeKind, full.before![2]?.length, full.after!]).toEqual([2, 5000, ['1', '3', undefined]])
    expect([key.before![0], key.after![0]]).toEqual(['1', '9'])
  })

  test('a changed shape is a new schema version; an unchanged one stays the same object', async () => {
    await db().sql('create table evolve(id int primary key, a int)')
    capture = await startCapture(
      optionsFor(db().url, { slot: 'a_evolve', publication: 'a_evolve', tables: { kind: 'patterns', patterns: 'evolve' } }),
    )
    await capture.until((b) => b.snapshotComplete)
    await db().sql('insert into evolve values (1, 1)')
    await capture.untilNow()
    await db().sql(`analyze evolve; insert into evolve values (2, 2)`)
    await capture.untilNow()
    await db().sql(`alter table evolve add column b text default 'x'; insert into evolve values (3, 3)`)
    await capture.untilNow()
    await db().sql('alter table evolve drop column a; update evolve set b = null')
    await capture.untilNow()
    const schemas = capture.batches.flatMap((b) => Array.from({ length: b.count }, (_, i) => b.tables[b.table[i]]))
    expect(schemas.map((s) => `${s.version}:${s.columns.map((c) => c.name).join()}`)).toEqual([
      '1:id,a',
      '1:id,a',
      '2:id,a,b',
      '3:id,b',
      '3:id,b',
      '3:id,b',
    ])
    expect(schemas[0]).toBe(schemas[1])
    expect(schemas[2].columns[2].connect.default).toBe('x')
    const warnings = capture.events.flatMap((e) => (e.kind === 'warning' ? [e.text] : []))
    expect(warnings).toEqual([expect.stringContaining('UPDATE "public"."evolve" SET "b" = "b";')])
  })

  test('truncate is one change per captured table; messages are handed on when asked for', async () => {
    await db().sql('create table t1(id int primary key); create table t2(id int primary key); create table t3(id int primary key)')
    const tables = { kind: 'patterns', patterns: 't1,t2' } as const
    capture = await startCapture(
      optionsFor(db().url, { slot: 'a_trunc', publication: 'a_trunc', tables, messages: true, snapshot: 'never' }),
    )
    await capture.until((b) => b.snapshotComplete)
    await db().sql("begin; truncate t1, t2, t3; select pg_logical_emit_message(true, 'p', 'hello'); insert into t3 values (1); commit")
    await capture.untilNow()
    expect(capture.changes().map((c) => `${c.op} ${c.table} ${c.index}`)).toEqual(['t public.t1 0', 't public.t2 1', 'm  2'])
  })

  test('keys: primary key, else the first unique NOT NULL index, else none; an identity index before the primary key', async () => {
    await db().sql(`create table k_pk(a int, b int, primary key(b, a));
      create table k_unique(x int not null, y int not null, z int not null, constraint k_b unique(z), constraint k_a unique(y, x));
      alter table k_unique replica identity full;
      create table k_none(x int, constraint k_n unique(x)); alter table k_none replica identity full;
      create table k_index(id int primary key, u int not null); create unique index k_u on k_index(u); alter table k_index replica identity using index k_u;
      insert into k_pk values (1, 2); insert into k_unique values (1, 2, 3); insert into k_none values (1); insert into k_index values (1, 2)`)
    const tables = { kind: 'patterns', patterns: 'public.k_*' } as const
    const keys = async (debeziumQuirks: boolean): Promise<string[]> => {
      capture = await startCapture(
        optionsFor(db().url, { slot: `a_keys_${debeziumQuirks}`, publication: 'a_keys', tables, debeziumQuirks }),
      )
      await capture.until((b) => b.snapshotComplete)
      const got = capture.changes().map((c) => `${c.table}: ${c.key.map((i) => c.columns[i]).join()}`)
      await capture.close()
      return got
    }
    expect(await keys(false)).toEqual(['public.k_index: u', 'public.k_none: ', 'public.k_pk: b,a', 'public.k_unique: y,x'])
    expect((await keys(true))[0]).toBe('public.k_index: id')
  })

  test('the slot advances while only other tables are written, and never beyond what was acknowledged', async () => {
    await db().sql('create table quiet(id int primary key); create table noisy(id int)')
    const slot = 'a_idle'
    capture = await startCapture(optionsFor(db().url, { slot, publication: slot, tables: { kind: 'patterns', patterns: 'quiet' } }))
    await capture.until((b) => b.snapshotComplete)
    const confirmed = async (): Promise<string> => {
      const rows = await db().sql<{ l: string }>(`select confirmed_flush_lsn::text l from pg_replication_slots where slot_name = '${slot}'`)
      return rows[0].l
    }
    const first = await confirmed()
    await db().sql('insert into noisy select generate_series(1, 1000)')
    await capture.untilNow()
    expect(capture.batches.at(-1)!.count).toBe(0)
    expect(await confirmed()).toBe(first)
    capture.stream.ack(capture.position())
    await expect.poll(confirmed, { timeout: 5000 }).not.toBe(first)
    const held = await db().sql<{ behind: boolean }>(
      `select confirmed_flush_lsn <= pg_current_wal_flush_lsn() behind from pg_replication_slots where slot_name = '${slot}'`,
    )
    expect(held[0].behind).toBe(true)
  })
})
