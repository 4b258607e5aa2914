import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { goldenFiles } from '../../support/golden-table.ts'
import { envelope } from '../run-bin.ts'
import { runInProcess } from '../run-in-process.ts'

let home = ''
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'tributary-diff-'))
  for (const table of ['v9_cow_cdc', 'v6_cow_clean_archive']) {
    for (const [path, body] of goldenFiles(table)) {
      mkdirSync(dirname(join(home, table, path)), { recursive: true })
      writeFileSync(join(home, table, path), body)
    }
  }
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

test('lake history prints the versions of a row, its deletion included', async () => {
  const r = await runInProcess('lake', ['history', 'v9_cow_cdc', '--key', 'k004'], { cwd: home })
  const lines = r.stdout.trimEnd().split('\n')
  expect(lines.map((l) => (JSON.parse(l) as { op: string }).op)).toEqual(['insert', 'update', 'delete'])
  expect(lines[1]).toContain('"name":"upd","amount":"4.00"')
  expect(r.stderr).toContain('3 versions of k004')
})

test('lake diff ends with 4 when something differs, and with 0 when nothing does', async () => {
  const different = await runInProcess('lake', ['diff', 'v9_cow_cdc', '--from', '20261121035119240', '--json'], { cwd: home })
  expect(different.code).toBe(4)
  expect(envelope<object>(different)).toMatchObject({
    ok: false,
    error: { code: 'TRB-LAKE-069' },
    result: { inserted: 2, updated: 1, deleted: 2 },
  })
  const equal = await runInProcess('lake', ['diff', 'v9_cow_cdc', '--from', '20261121035134109'], { cwd: home })
  expect(equal).toMatchObject({ code: 0, stdout: '' })
  const bad = await runInProcess('lake', ['diff', 'v9_cow_cdc', '--from', 'lsn:0/1'], { cwd: home })
  expect(bad.code).toBe(2)
})

test('lake timeline --archived goes on where the active timeline ends', async () => {
  const list = async (...flags: string[]): Promise<{ instant: string; state: string }[]> => {
    const r = await runInProcess('lake', ['timeline', 'v6_cow_clean_archive', '--lake', home, '--json', ...flags])
    return envelope<{ instants: { instant: string; state: string }[] }>(r).result.instants
  }
  const active = await list('--last', '0')
  const all = await list('--last', '0', '--archived')
  expect(all.slice(0, active.length)).toEqual(active)
  const archived = all.slice(active.length)
  expect(archived).toHaveLength(10)
  expect(archived.every((i) => i.state === 'archived')).toBe(true)
  expect(await list('--last', '9', '--archived')).toEqual(all.slice(0, 9))
})
