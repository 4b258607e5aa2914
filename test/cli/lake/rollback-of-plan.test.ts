import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Ended } from '../run-bin.ts'
import { runInProcess } from '../run-in-process.ts'

let home = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'tributary-plan-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

async function lake(...args: string[]): Promise<Ended> {
  return await runInProcess('lake', args, { cwd: home })
}

async function upsert(v: number, ...flags: string[]): Promise<void> {
  writeFileSync(join(home, 'in.jsonl'), `{"id":1,"v":${v}}\n`)
  expect((await lake('write', 't', '--input', 'in.jsonl', ...flags)).code).toBe(0)
}

async function value(): Promise<unknown> {
  return (JSON.parse((await lake('read', 't')).stdout) as { v: number }).v
}

async function planned(): Promise<string> {
  const { stdout } = await lake('compact', 't', '--schedule', '--json')
  return (JSON.parse(stdout) as { result: { instants: string[] } }).result.instants[0]!
}

test.each(['6', '9'])('version %s: the plan of a compaction is taken back only while no row would go with it', async (version) => {
  await upsert(1, '--key', 'id', '--ordering', 'v', '--table-type', 'mor', '--table-version', version)
  await upsert(2)
  expect((await lake('rollback', 't', '--instant', await planned())).code).toBe(0)
  expect(await value()).toBe(2)
  const plan = await planned()
  await upsert(3)
  const refused = await lake('rollback', 't', '--instant', plan)
  if (version === '6') expect(refused.stderr).toContain('TRB-LAKE-072')
  else expect(refused.code).toBe(0)
  expect(await value()).toBe(3)
  if (version === '6') expect(refused.stderr).toContain('lake compact t --pending')
  expect((await lake('compact', 't', '--pending')).code).toBe(0)
  expect(await value()).toBe(3)
  expect((await lake('verify', 't')).code).toBe(0)
})

test.each(['6', '9'])('version %s: a restore leaves no logs behind on top of a compaction that it takes away', async (version) => {
  await upsert(1, '--key', 'id', '--ordering', 'v', '--table-type', 'mor', '--table-version', version)
  await upsert(2)
  expect((await lake('savepoint', 'create', 't')).code).toBe(0)
  const before = readdirSync(join(home, 't')).sort()
  expect((await lake('compact', 't')).code).toBe(0)
  await upsert(3)
  const at = (JSON.parse((await lake('savepoint', 'list', 't', '--json')).stdout) as { result: { savepoints: { at: string }[] } }).result
  expect((await lake('restore', 't', '--to', at.savepoints[0]!.at)).code).toBe(0)
  expect(readdirSync(join(home, 't')).sort()).toEqual(before)
  expect(await value()).toBe(2)
  await upsert(4)
  expect(await value()).toBe(4)
  expect((await lake('verify', 't')).code).toBe(0)
})
