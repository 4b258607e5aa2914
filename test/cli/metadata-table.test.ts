import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { goldenFiles } from '../support/golden-table.ts'
import { runInProcess } from './run-in-process.ts'

const root = mkdtempSync(join(tmpdir(), 'lake-metadata-table-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

test('a verb that changes a table says that it took the metadata table away, once', async () => {
  const table = join(root, 't')
  for (const [path, body] of goldenFiles('v6_cow_mdt')) {
    mkdirSync(dirname(join(table, path)), { recursive: true })
    writeFileSync(join(table, path), body)
  }
  const [first, second] = [await runInProcess('lake', ['archive', table]), await runInProcess('lake', ['archive', table])]
  expect([first.code, second.code]).toEqual([0, 0])
  expect(first.stderr).toContain('note: t: its metadata table (files) was taken away')
  expect(second.stderr).not.toContain('metadata table')
  expect(existsSync(join(table, '.hoodie/metadata/.hoodie/hoodie.properties'))).toBe(false)
})
