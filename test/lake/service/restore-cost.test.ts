import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { NOTHING, rowsNow, textOf } from '../../sim/expected.ts'
import { World } from '../../sim/world.ts'

const scratch = mkdtempSync(join(tmpdir(), 'restore-'))
afterAll(() => rmSync(scratch, { recursive: true }))

/** Calls to the store of a restore over so many writes, and the objects that its listings gave. */
async function costOf(tableType: 'COPY_ON_WRITE' | 'MERGE_ON_READ', tableVersion: 6 | 9, writes: number): Promise<number> {
  const world = World.inMemory({ tableType, tableVersion, buckets: 2, partitioned: true }, scratch)
  await world.create()
  let exp = await world.perform({ do: 'write', rows: [[0, 'a']], wide: false }, NOTHING)
  exp = await world.perform({ do: 'savepoint', back: 0 }, exp)
  const writer = await world.writer()
  for (let i = 0; i < writes; i++) exp = await world.write({ do: 'write', rows: [[i % 4, `n${i}`]], wide: false }, exp, writer)
  const before = world.store.calls
  exp = await world.perform({ do: 'restore' }, exp)
  expect(await world.rows(null)).toEqual(textOf(rowsNow(exp)))
  expect(exp.states.size).toBe(1)
  return world.store.calls - before
}

test.each([
  ['COPY_ON_WRITE', 6],
  ['MERGE_ON_READ', 6],
  ['MERGE_ON_READ', 9],
] as const)('%s, version %i: a restore costs the same for each write that it takes away, however many there are', async (type, version) => {
  const [some, twice] = [await costOf(type, version, 20), await costOf(type, version, 40)]
  expect((twice - some) / 20).toBeLessThanOrEqual(9)
})
