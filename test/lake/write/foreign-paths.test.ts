import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { runInProcess } from '../../cli/run-in-process.ts'
import { goldenFiles } from '../../support/golden-table.ts'

let home = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'tributary-foreign-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

type Row = Record<string, unknown>

function place(table: string): void {
  for (const [path, body] of goldenFiles(table)) {
    mkdirSync(dirname(join(home, 't', path)), { recursive: true })
    writeFileSync(join(home, 't', path), body)
  }
}

async function rows(): Promise<Row[]> {
  const r = await runInProcess('lake', ['read', 't'], { cwd: home })
  expect(r.stderr).not.toContain('✗')
  return r.stdout
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l) as Row)
}

async function write(changed: readonly Row[], ...flags: string[]): Promise<string> {
  writeFileSync(join(home, 'in.jsonl'), changed.map((r) => `${JSON.stringify(r)}\n`).join(''))
  const r = await runInProcess('lake', ['write', 't', '--input', 'in.jsonl', ...flags], { cwd: home })
  return r.code === 0 ? '' : (/TRB-[A-Z]+-\d+/.exec(r.stderr)?.[0] ?? r.stderr)
}

const own = (r: Row): Row => Object.fromEntries(Object.entries(r).filter(([k]) => !k.startsWith('_hoodie_')))
const place_ = (r: Row): string => `${String(r['_hoodie_partition_path'])}: ${String(r['_hoodie_record_key'])}`

describe('keys and partition paths are those of the engine that made the table', () => {
  test.each([
    'v6_cow_two_partitions',
    'v6_mor_two_partitions',
    'v9_cow_two_partitions',
    'v9_mor_two_partitions',
    'v6_cow_day_partitions',
    'v9_cow_day_partitions',
    'v6_cow_at_partitions',
    'v9_cow_at_partitions',
    'v9_cow_epoch_partitions',
    'v9_mor_epoch_partitions',
    'v6_cow_complex_one_key',
    'v9_cow_complex_one_key',
  ])('%s: every row, written again, is found where it is', async (table) => {
    place(table)
    const before = await rows()
    const again = before.map((r) => ({
      ...own(r),
      name: `${String(r['name'])}!`,
      ...(table.includes('epoch') ? { qty: 1000 } : { ts: 9_000_000 }),
    }))
    expect(await write(again)).toBe('')
    const after = await rows()
    expect(after.map(place_).sort()).toEqual(before.map(place_).sort())
    expect(after.every((r) => String(r['name']).endsWith('!'))).toBe(true)
    expect(await write([{ ...again[0], id: 'k999' }])).toBe('')
    expect(await write([again[0]], '--op', 'delete')).toBe('')
    const last = await rows()
    const first = before[0]!
    expect(last.map(place_)).not.toContain(place_(first))
    expect(last.map(place_)).toContain(
      place_({ ...first, _hoodie_record_key: String(first['_hoodie_record_key']).replace(String(first['id']), 'k999') }),
    )
  })

  test.each([
    ['v6_cow_epoch_partitions', 'not recorded'],
    ['v6_cow_string_dates', 'not recorded'],
    ['v9_cow_string_dates', 'not known'],
    ['v6_cow_custom_partitions', 'CustomKeyGenerator'],
    ['v9_mor_custom_partitions', 'CUSTOM'],
    ['v9_cow_no_meta', 'populate.meta.fields'],
    ['v6_mor_no_meta', 'populate.meta.fields'],
  ])('%s is read, and not written', async (table) => {
    place(table)
    const before = await rows()
    expect(before.length).toBeGreaterThan(1)
    expect(await write([own(before[0]!)])).toBe('TRB-LAKE-003')
    expect(await rows()).toEqual(before)
  })
})

test('of rows that do not say which commit wrote them, or by which key they are known, no changes are told', async () => {
  place('v9_mor_no_meta')
  for (const args of [
    ['read', 't', '--type', 'incremental', '--from', '0'],
    ['read', 't', '--type', 'cdc', '--from', '0'],
    ['history', 't', '--key', 'k001'],
    ['diff', 't', '--from', '20261121210000000'],
  ]) {
    const r = await runInProcess('lake', args, { cwd: home })
    expect([args[0], args[3], /TRB-[A-Z]+-\d+/.exec(r.stderr)?.[0]]).toEqual([args[0], args[3], 'TRB-LAKE-027'])
  }
})
