import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { systemClock } from '../../../src/cli/clock.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { LakeWatermarkStore } from '../../../src/lake/watermark-store.ts'
import { DiskStore } from '../../../src/storage/disk/disk-store.ts'
import { runInProcess } from '../run-in-process.ts'

const home = mkdtempSync(join(tmpdir(), 'cli-verify-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

const lake = (...args: string[]) => runInProcess('lake', args, { cwd: home })

async function writeTable(table: string, instant: string | null): Promise<string> {
  writeFileSync(join(home, 'in.jsonl'), '{"id":1,"ts":1}\n{"id":2,"ts":1}\n')
  const flags = ['--input', join(home, 'in.jsonl'), '--key', 'id', '--ordering', 'ts', '--json']
  const r = await lake('write', `lake/shop/${table}`, ...flags)
  expect(r.code, r.stderr).toBe(0)
  const ts = new TimelineStore(new DiskStore(join(home, 'lake'), systemClock), `shop/${table}`, systemClock)
  await ts.refresh()
  return instant ?? ts.timeline.instants.at(-1)!.time
}

test('a lake is verified as a whole, a table with the watermarks around it', async () => {
  const tables = [
    { path: 'shop/a', instant: await writeTable('a', null) },
    { path: 'shop/b', instant: await writeTable('b', '20200101000000000') },
  ].map((t) => ({ ...t, schema: 'shop', table: t.path.slice(5), topic: t.path, nextOffset: 2 }))
  const watermarks = new LakeWatermarkStore(new DiskStore(join(home, 'lake'), systemClock), systemClock)
  const at = { source: 's', commit: '0/1', commitUs: 1n, appendId: 1 }
  await watermarks.append({ ...at, tables: tables.slice(0, 1) })

  const sound = await lake('verify', 'lake')
  expect(sound.stdout).toMatch(/lake is sound: 2 tables, 2 instants, .*, 4 rows, 1 watermark$/m)
  expect(sound.code).toBe(0)
  expect((await lake('verify', 'lake/shop/a')).stdout).toMatch(/a is sound: .*, 1 watermark$/m)

  // The second watermark stands for a commit that never was, and a table that is not there.
  const [a, b] = tables
  const old = { ...b!, instant: '20991231000000000' }
  await watermarks.append({ ...at, commit: '0/2', appendId: 2, tables: [a!, old, { ...a!, path: 'shop/c', table: 'c' }] })
  const broken = await lake('verify', 'lake', '--json')
  expect(broken.code).toBe(4)
  const { violations } = (JSON.parse(broken.stdout) as { result: { violations: { invariant: string; what: string }[] } }).result
  expect(violations.map((v) => `${v.invariant}: ${v.what}`)).toEqual([
    'I16: the commit of shop/b that the watermark stands for is not part of its history',
    'I16: the table shop/c of the watermark is not there',
  ])
  // Each table hears of its own only.
  expect((await lake('verify', 'lake/shop/a')).code).toBe(0)
  expect((await lake('verify', 'lake/shop/b')).stdout).toMatch(/✗ I16 {2}the commit of shop\/b/)
})

test('a directory without tables is no lake', async () => {
  const r = await lake('verify', 'nothing')
  expect(r.code).not.toBe(0)
  expect(r.stderr).toMatch(/TRB-LAKE-001/)
})
