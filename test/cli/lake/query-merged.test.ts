import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { goldenAnswers, goldenFiles } from '../../support/golden-table.ts'
import { runInProcess } from '../run-in-process.ts'

/** One table of each kind: logs alone, compacted, pending compaction, Avro and Parquet blocks, deletes, evolved columns, both versions. */
const TABLES = [
  'v6_mor_part_logs',
  'v6_mor_nonpart_compaction_requested_then_upsert',
  'v6_mor_part_compacted_then_upsert',
  'v6_mor_pqblk',
  'v6_mor_event_time',
  'v9_mor_avroblk',
  'v9_mor_evolve',
  'v9_mor_part_compaction_requested_then_upsert',
  'v9_mor_rollback_done',
]

let home = ''
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'tributary-query-'))
  for (const table of TABLES) {
    for (const [path, body] of goldenFiles(table)) {
      mkdirSync(dirname(join(home, table, path)), { recursive: true })
      writeFileSync(join(home, table, path), body)
    }
  }
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

type Row = Readonly<Record<string, unknown>>
const COLUMNS = ['id', 'ts', 'name', 'amount', 'qty']

function plain(rows: readonly Row[]): string[] {
  return rows.map((r) => JSON.stringify(COLUMNS.map((c) => r[c] ?? null))).sort()
}

async function query(sql: string, ...flags: string[]): Promise<Row[]> {
  const r = await runInProcess('lake', ['query', sql, '--lake', home, '--format', 'jsonl', ...flags])
  expect(r.stderr).not.toContain('✗')
  return r.stdout
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l) as Row)
}

test.each(TABLES)('SQL over %s sees base and logs merged, as Spark did', async (table) => {
  const { queries } = goldenAnswers(table)
  expect(plain(await query(`SELECT * FROM ${table}`))).toEqual(plain(queries['snapshot']))
  const [sums] = await query(`SELECT count(*) n, sum(ts) ts FROM ${table}`)
  const expected = queries['snapshot'].reduce<number>((n, r) => n + Number(r['ts']), 0)
  expect(sums).toEqual({ n: queries['snapshot'].length, ts: expected })
  expect(plain(await query(`SELECT * FROM ${table} WHERE id <= 'k003'`))).toEqual(
    plain(queries['snapshot'].filter((r) => String(r['id']) <= 'k003')),
  )
})

test.each(['v6_mor_part_logs', 'v9_mor_avroblk', 'v6_mor_event_time'])('as of an instant, %s is what it was', async (table) => {
  for (const [name, rows] of Object.entries(goldenAnswers(table).queries)) {
    if (name.startsWith('as_of:')) expect(plain(await query(`SELECT * FROM ${table}`, '--as-of', name.slice(6)))).toEqual(plain(rows))
  }
})
