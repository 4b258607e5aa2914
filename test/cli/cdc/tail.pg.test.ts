import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { useDatabase } from '../../support/postgres.ts'

const BIN = new URL('../../../bin/cdc.mjs', import.meta.url).pathname
const database = useDatabase('b_tail')
const dir = mkdtempSync(join(tmpdir(), 'tributary-tail-'))
afterAll(() => rmSync(dir, { recursive: true }))

interface Line {
  readonly topic: string
  readonly key: { readonly id: number } | null
  readonly value: { readonly op: string; readonly after: Record<string, unknown> | null } | null
}

function tail(...args: string[]): Promise<{ code: number; lines: Line[]; err: string }> {
  return new Promise((done) => {
    execFile(process.execPath, [BIN, 'tail', '--url', database().url, ...args], { timeout: 60_000 }, (error, stdout, stderr) => {
      const lines = stdout.split('\n').filter((l) => l !== '')
      done({ code: error === null ? 0 : Number(error.code), lines: lines.map((l) => JSON.parse(l) as Line), err: stderr })
    })
  })
}

const slots = async (): Promise<string[]> => {
  const rows = await database().sql<{ slot_name: string }>('SELECT slot_name FROM pg_replication_slots WHERE database = current_database()')
  return rows.map((r) => r.slot_name)
}

describe('cdc tail', () => {
  beforeAll(async () => {
    await database().sql("CREATE TABLE t(id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
  })

  it('prints the snapshot, says that it streams, and leaves neither slot nor publication behind', { timeout: 60_000 }, async () => {
    const name = `b_tail_once_${process.pid}`
    const { code, lines, err } = await tail('--name', name, '--until', 'now')
    expect(err).toMatch(/^streaming$/m)
    expect(code).toBe(0)
    expect(lines.map((l) => [l.topic, l.key?.id, l.value?.op, l.value?.after?.['v']])).toEqual([
      [`${name}.public.t`, 1, 'r', 'a'],
      [`${name}.public.t`, 2, 'r', 'b'],
      [`${name}.public.t`, 3, 'r', 'c'],
    ])
    expect(await slots()).toEqual([])
    expect(await database().sql('SELECT pubname FROM pg_publication')).toEqual([])
  })

  it('with --state goes on exactly where it stopped, also in the middle of a transaction', { timeout: 90_000 }, async () => {
    const state = ['--name', `b_tail_state_${process.pid}`, '--state', join(dir, 'state')]
    expect((await tail(...state, '--until', 'now')).lines.length).toBe(3)
    await database().sql("INSERT INTO t SELECT g, 'x' FROM generate_series(10, 19) g")
    await database().sql('DELETE FROM t WHERE id = 10')
    const first = await tail(...state, '--until', 'count:4')
    expect(first.lines.map((l) => l.key?.id)).toEqual([10, 11, 12, 13])
    const [{ lsn }] = await database().sql<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn')
    await database().sql("INSERT INTO t VALUES (99, 'after')")
    const second = await tail(...state, '--until', `lsn:${lsn}`)
    expect(second.lines.map((l) => [l.key?.id, l.value?.op ?? null])).toEqual([
      ...[14, 15, 16, 17, 18, 19].map((id) => [id, 'c']),
      [10, 'd'],
      [10, null],
    ])
    const third = await tail(...state, '--until', 'idle:1s')
    expect(third.lines.map((l) => l.key?.id)).toEqual([99])
    expect((await slots()).length).toBe(1)
  })

  it('with --json gives the records inside the one answer', { timeout: 60_000 }, async () => {
    const { code, lines } = await tail('--name', `b_tail_json_${process.pid}`, '--until', 'count:1', '--json')
    expect(code).toBe(0)
    expect(lines).toMatchObject([{ ok: true, result: { records: 1, events: [{ key: { id: 1 } }] } }])
  })

  it('refuses a --until that is none, before it connects', { timeout: 30_000 }, async () => {
    const { code, err, lines } = await tail('--until', 'soon')
    expect([code, lines]).toEqual([2, []])
    expect(err).toContain('TRB-CLI-004')
  })
})
