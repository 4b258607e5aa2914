import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { goldenFiles } from '../../support/golden-table.ts'
import { envelope } from '../run-bin.ts'
import { runInProcess } from '../run-in-process.ts'

let home = ''
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'tributary-read-'))
  for (const [path, body] of goldenFiles('v6_cow_part')) {
    mkdirSync(dirname(join(home, path)), { recursive: true })
    writeFileSync(join(home, path), body)
  }
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

test('prints one object per row: Hudi’s columns first, then the schema’s, exact texts', async () => {
  const r = await runInProcess('lake', ['read', home])
  expect(r.code).toBe(0)
  const lines = r.stdout.trimEnd().split('\n')
  expect(lines).toHaveLength(14)
  const k002 = lines.find((l) => l.includes('"_hoodie_record_key":"k002"'))
  expect(k002).toMatch(/^\{"_hoodie_commit_time":"20261121031421535","_hoodie_commit_seqno":".*"_hoodie_file_name":"[^"]*","id":"k002",/)
  expect(k002).toContain('"amount":"2.00","qty":6,"ratio":0.25,"ok":true,"at":"2025-01-01T00:00:02.001000Z","day":"2025-01-03"}')
})

test('--json gives the rows in one envelope', async () => {
  const r = await runInProcess('lake', ['read', home, '--json', '--as-of', '2026-11-21T03:14:48.287Z'])
  expect(envelope<{ rowCount: number; rows: unknown[]; instant: string }>(r).result).toMatchObject({
    rowCount: 12,
    instant: '20261121031448287',
    rows: expect.objectContaining({ length: 12 }),
  })
})

test('an incremental read begins after --from', async () => {
  const r = await runInProcess('lake', ['read', home, '--type', 'incremental', '--from', '20261121031457561'])
  expect(r.stdout.trimEnd().split('\n')).toHaveLength(4)
})

test('an incremental read from an instant holds the rows of archived commits; one from 0 says that it does not', async () => {
  const table = join(home, 'archived')
  for (const [path, body] of goldenFiles('v6_cow_clean_archive')) {
    mkdirSync(dirname(join(table, path)), { recursive: true })
    writeFileSync(join(table, path), body)
  }
  const complete = await runInProcess('lake', ['read', table, '--type', 'incremental', '--from', '20261121033532108'])
  expect(complete.stdout.trimEnd().split('\n')).toHaveLength(7)
  expect(complete.stderr).not.toContain('note:')
  const asSpark = await runInProcess('lake', ['read', table, '--type', 'incremental', '--from', '0'])
  expect(asSpark.stdout.trimEnd().split('\n')).toHaveLength(5)
  expect(asSpark.stderr).toContain('note: rows of archived commits are not among these')
  rmSync(table, { recursive: true })
})

test.each([
  [['--type', 'incremental'], 'TRB-CLI-005'],
  [['--from', '0'], 'TRB-CLI-004'],
  [['--to', '1'], 'TRB-CLI-004'],
  [['--type', 'incremental', '--from', '0', '--as-of', '1'], 'TRB-CLI-004'],
  [['--as-of', 'yesterday'], 'TRB-CLI-004'],
  [['--as-of', 'lsn:0/1'], 'TRB-CLI-004'],
])('%s is refused with %s', async (flags, code) => {
  const r = await runInProcess('lake', ['read', home, ...flags])
  expect(r.code).toBe(2)
  expect(r.stderr).toContain(code)
})

test('a directory without a table, and an instant before the first', async () => {
  expect((await runInProcess('lake', ['read', join(home, 'none')])).stderr).toContain('TRB-LAKE-001')
  expect((await runInProcess('lake', ['read', home, '--as-of', '2020'])).stderr).toContain('TRB-LAKE-018')
})
