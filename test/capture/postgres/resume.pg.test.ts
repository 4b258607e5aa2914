import { afterEach, describe, expect, test } from 'vitest'
import { useDatabase } from '../../support/postgres.ts'
import { type Capture, type Change, optionsFor, startCapture } from './capture.ts'

const db = useDatabase('a_resume')
const open: Capture[] = []

afterEach(async () => {
  for (const c of open.splice(0)) await c.close()
})

async function start(...args: Parameters<typeof startCapture>): Promise<Capture> {
  const capture = await startCapture(...args)
  open.push(capture)
  return capture
}

const brief = (changes: readonly Change[]): string[] =>
  changes.map((c) => `${c.commit} ${c.index} ${c.table} ${c.op} ${c.after?.join() ?? ''}`)

describe('resuming the stream', () => {
  test('from the position after any batch: nothing lost, nothing repeated, ordinals go on', async () => {
    await db().sql('create table r1(id int primary key, v text); create table r2(id int primary key); create table unseen(id int)')
    const options = optionsFor(db().url, { snapshot: 'never', batchBytes: 900, tables: { kind: 'patterns', patterns: 'r1,r2' } })
    const first = await start(options)
    await first.until((b) => b.snapshotComplete)
    await db().sql(`begin; insert into r1 select g, repeat('x', 30) from generate_series(1, 40) g;
      insert into unseen values (1); insert into r2 values (1); truncate r1, r2; insert into r1 values (1, 'a'); commit;
      insert into unseen select generate_series(1, 50); insert into r2 values (2);
      begin; insert into r2 select generate_series(3, 60); update r1 set v = 'b'; commit; delete from r2 where id = 2`)
    await first.untilNow()
    await first.close()
    const all = brief(first.changes())
    expect(all.length).toBe(40 + 1 + 2 + 1 + 1 + 58 + 1 + 1)
    expect(first.batches.some((b) => !b.boundary)).toBe(true)
    let seen = 0
    for (const b of first.batches) {
      seen += b.count
      const again = await start(options, b.upTo)
      await again.untilNow()
      expect(brief(again.changes()), `from ${b.upTo}`).toEqual(all.slice(seen))
      await again.close()
    }
  })

  test('after acknowledgement the server starts behind it, and the position still fits', async () => {
    await db().sql('create table acked(id int primary key)')
    const options = optionsFor(db().url, {
      slot: 'a_acked',
      publication: 'a_acked',
      snapshot: 'never',
      tables: { kind: 'patterns', patterns: 'acked' },
    })
    const first = await start(options)
    await first.until((b) => b.snapshotComplete)
    await db().sql('insert into acked values (1)')
    await first.untilNow()
    first.stream.ack(first.position())
    await first.close()
    const rows = await db().sql<{ l: string }>("select confirmed_flush_lsn::text l from pg_replication_slots where slot_name = 'a_acked'")
    expect(first.position()).toContain('+')
    await db().sql('insert into acked values (2)')
    const second = await start(options, first.position())
    await second.untilNow()
    expect(second.changes().map((c) => c.after![0])).toEqual(['2'])
    expect(rows[0].l).not.toBe('')
  })

  test('a killed connection is opened again by itself, without loss or repeat', async () => {
    await db().sql('create table lost(id int primary key)')
    const slot = 'a_lost'
    const options = optionsFor(db().url, { slot, publication: slot, snapshot: 'never', tables: { kind: 'patterns', patterns: 'lost' } })
    const capture = await start(options)
    await capture.until((b) => b.snapshotComplete)
    for (let i = 0; i < 3; i++) {
      await db().sql(`insert into lost select generate_series(${i * 10}, ${i * 10 + 9})`)
      await capture.untilNow()
      // The stream's server process, then the catalogue's.
      await db().sql(`select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '${slot}'`)
      if (i === 1)
        await db().sql(
          `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'tributary'`,
        )
    }
    await db().sql('insert into lost values (99)')
    await capture.untilNow()
    expect(capture.changes().map((c) => c.after![0])).toEqual([...Array.from({ length: 30 }, (_, i) => String(i)), '99'])
    expect(capture.events.filter((e) => e.kind === 'retry').map((e) => e.failure.code)).toContain('TRB-PG-021')
    expect(capture.events.filter((e) => e.kind === 'streaming').length).toBeGreaterThan(2)
  })

  test('a snapshot whose connection is killed continues by itself', async () => {
    await db().sql(
      'create table snap(id int primary key, v text); insert into snap select g, repeat(md5(g::text), 10) from generate_series(1, 30000) g',
    )
    const options = optionsFor(db().url, {
      slot: 'a_snapkill',
      publication: 'a_snapkill',
      batchBytes: 20_000,
      chunkRows: 1000,
      tables: { kind: 'patterns', patterns: 'snap' },
    })
    const capture = await start(options)
    await capture.until(() => true)
    await db().sql(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'tributary' and backend_xmin is not null`,
    )
    await capture.until((b) => b.snapshotComplete)
    const ids = new Set(capture.changes().map((c) => c.after![0]))
    expect(ids.size).toBe(30000)
    expect(capture.events.some((e) => e.kind === 'retry')).toBe(true)
  })

  test('keepalives are answered while nobody pulls and the budget is used up', async () => {
    await db().sql('create table slow(id int, v text); alter table slow replica identity full')
    const slot = 'a_slow'
    const role = 'a_slow_role'
    await db().sql(`drop role if exists ${role}`)
    await db().sql(`create role ${role} superuser login replication; alter role ${role} set wal_sender_timeout = '3s'`)
    const options = optionsFor(db().url, {
      user: role,
      slot,
      publication: slot,
      snapshot: 'never',
      batchBytes: 50_000,
      budgetBytes: 200_000,
      tables: { kind: 'patterns', patterns: 'slow' },
    })
    const capture = await start(options)
    await capture.until((b) => b.snapshotComplete)
    await db().sql(`insert into slow select g, repeat('x', 1000) from generate_series(1, 40000) g`)
    await capture.until((b) => b.count > 0)
    await new Promise((resolve) => setTimeout(resolve, 6500))
    await capture.untilNow()
    expect(capture.changes().length).toBe(40_000)
    expect(capture.events.filter((e) => e.kind === 'retry')).toEqual([])
    await capture.close()
    await db().sql(`drop owned by ${role}; drop role ${role}`)
  })

  test('a publication dropped under the stream ends it (TRB-PG-013): its changes would be missing without a word', async () => {
    await db().sql('create table unpublished(id int primary key)')
    const options = optionsFor(db().url, {
      slot: 'a_unpub',
      publication: 'a_unpub',
      snapshot: 'never',
      tables: { kind: 'patterns', patterns: 'unpublished' },
    })
    const capture = await start(options)
    await capture.until((b) => b.snapshotComplete)
    await db().sql('insert into unpublished values (1)')
    await capture.untilNow()
    await db().sql('drop publication a_unpub; insert into unpublished values (2)')
    await expect(capture.untilNow()).rejects.toMatchObject({ code: 'TRB-PG-013' })
    expect(capture.changes().length).toBe(1)
  })

  test('a slot dropped while the stream was away is noticed (TRB-PG-008)', async () => {
    await db().sql('create table dropped(id int primary key)')
    const options = optionsFor(db().url, {
      slot: 'a_drop',
      publication: 'a_drop',
      snapshot: 'never',
      tables: { kind: 'patterns', patterns: 'dropped' },
    })
    const capture = await start(options)
    await capture.until((b) => b.snapshotComplete)
    await db().sql('insert into dropped values (1)')
    await capture.untilNow()
    const other = await db().connect()
    await other.query(`select pg_terminate_backend(active_pid), pg_sleep(0.05) from pg_replication_slots where slot_name = 'a_drop'`)
    await other.query("select pg_drop_replication_slot('a_drop'); insert into dropped values (2)")
    await expect(capture.untilNow()).rejects.toMatchObject({ code: 'TRB-PG-008' })
  })
})
