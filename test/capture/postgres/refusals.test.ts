import { afterEach, describe, expect, test } from 'vitest'
import { connectSql } from '../../../src/capture/postgres/connect.ts'
import { requireLogical } from '../../../src/capture/postgres/prepare.ts'
import { serverFailure } from '../../../src/capture/postgres/server-failure.ts'
import { createSlot, readSlot, requireUsable } from '../../../src/capture/postgres/slot.ts'
import { isFailure } from '../../../src/failure/failure.ts'
import { optionsFor } from './capture.ts'
import { type FakeAnswers, fakeServer } from './fake-server.ts'

const SECRET = 'hunter2-secret'
const servers: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const s of servers.splice(0)) await s.close()
})

async function connect(answers: FakeAnswers, password: string | null = null): ReturnType<typeof connectSql> {
  const server = await fakeServer(answers)
  servers.push(server)
  return connectSql({ ...optionsFor(`postgres://someone@127.0.0.1:${server.port}/shop`), password }, 'sql')
}

const version =
  (n: number) =>
  (sql: string): string | null =>
    sql.includes('server_version_num') ? String(n) : null

describe('answers a healthy server does not give', () => {
  test('a wrong password: TRB-PG-002, and the password is nowhere in it', async () => {
    const f: unknown = await connect({ login: { password: 'right', error: '28P01' } }, SECRET).catch((e: unknown) => e)
    expect(isFailure(f, 'TRB-PG-002')).toBe(true)
    if (!isFailure(f)) return
    expect(JSON.stringify([f.message, f.details, f.explain(), f.stack, String(f.cause), Object.entries(f.cause as object)])).not.toContain(
      SECRET,
    )
    expect(f.explain().what).toContain('someone')
  })

  test('a password asked for and not given: TRB-PG-002', async () => {
    await expect(connect({ login: { password: 'right' } })).rejects.toMatchObject({
      code: 'TRB-PG-002',
      details: { reason: expect.stringContaining('none was given') },
    })
  })

  test('the right password logs in', async () => {
    const sql = await connect({ login: { password: SECRET }, sql: version(150018) }, SECRET)
    expect(sql.version).toBe(150018)
    await sql.close()
  })

  test('a server that is starting up: TRB-PG-001, to be tried again', async () => {
    await expect(connect({ login: { error: '57P03' } })).rejects.toMatchObject({ code: 'TRB-PG-001' })
  })

  test('too many connections: TRB-PG-012', async () => {
    await expect(connect({ login: { error: '53300' } })).rejects.toMatchObject({ code: 'TRB-PG-012' })
  })

  test('no free slot or WAL sender: TRB-PG-012', async () => {
    const sql = await connect({ sql: version(150000), fail: (s) => (s.startsWith('CREATE_REPLICATION_SLOT') ? '53400' : null) })
    await expect(createSlot(sql, 'tributary', false)).rejects.toMatchObject({ code: 'TRB-PG-012' })
    await sql.close()
  })

  test('a version before 12: TRB-PG-022', async () => {
    await expect(connect({ sql: version(110022) })).rejects.toMatchObject({ code: 'TRB-PG-022' })
  })

  test('wal_level=replica: TRB-PG-005 with the ALTER SYSTEM', async () => {
    const sql = await connect({ sql: (s) => (s === 'SHOW wal_level' ? 'replica' : version(150000)(s)) })
    const f: unknown = await requireLogical(sql).catch((e: unknown) => e)
    expect(isFailure(f, 'TRB-PG-005') && f.explain().fix).toContain('ALTER SYSTEM SET wal_level = logical;')
    await sql.close()
  })

  test.each([
    ['17', { wal_status: 'lost', invalidation_reason: 'wal_removed' }, 'wal_removed'],
    ['13', { wal_status: 'lost' }, 'wal_removed'],
    ['16', { wal_status: 'reserved', conflicting: true }, 'conflict with recovery'],
  ])('a slot invalidated, as version %s tells it: TRB-PG-009', async (_, fields, reason) => {
    const row = JSON.stringify({ plugin: 'pgoutput', slot_type: 'logical', database: 'shop', active: false, restart_lsn: null, ...fields })
    const sql = await connect({ sql: (s) => (s.includes('pg_replication_slots') ? row : version(150000)(s)) })
    const state = await readSlot(sql, 'tributary')
    expect(() => requireUsable(state!, 'tributary', 'shop', '0/1+8')).toThrow(
      expect.objectContaining({ code: 'TRB-PG-009', details: expect.objectContaining({ reason }) }),
    )
    await sql.close()
  })

  test('errors become codes by SQLSTATE and errno, never by text', () => {
    const context = { connect: optionsFor('postgres://u@h:5432/d'), slot: 's', doing: 'testing' }
    const code = (c: string): string => serverFailure({ code: c, message: 'whatever' }, context).code
    expect(
      [
        'ECONNREFUSED',
        '57P03',
        'ECONNRESET',
        '57P01',
        '08006',
        '28P01',
        '3D000',
        '55006',
        '53400',
        'DEPTH_ZERO_SELF_SIGNED_CERT',
        '42601',
      ].map(code),
    ).toEqual([
      'TRB-PG-001',
      'TRB-PG-001',
      'TRB-PG-021',
      'TRB-PG-021',
      'TRB-PG-021',
      'TRB-PG-002',
      'TRB-PG-003',
      'TRB-PG-007',
      'TRB-PG-012',
      'TRB-PG-004',
      'TRB-PG-023',
    ])
  })
})
