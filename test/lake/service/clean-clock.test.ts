import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { clean, lastClean } from '../../../src/lake/service/clean.ts'
import { check } from '../../sim/checks.ts'
import { NOTHING } from '../../sim/expected.ts'
import { World } from '../../sim/world.ts'

const scratch = mkdtempSync(join(tmpdir(), 'clean-clock-'))
afterAll(() => rmSync(scratch, { recursive: true }))
const HOUR = 3_600_000

test.each([6, 9] as const)(
  'version %i: a clean by hours under a clock that was set back takes nothing more, and promises no state that is gone',
  async (version) => {
    const world = World.inMemory({ tableType: 'COPY_ON_WRITE', tableVersion: version, buckets: 1, partitioned: false }, scratch)
    await world.create()
    let exp = NOTHING
    for (const note of ['a', 'b', 'c', 'd']) {
      exp = await world.perform({ do: 'write', rows: [[0, note]], wide: false }, exp)
      world.clock.advance(HOUR)
    }
    exp = await world.perform({ do: 'clean', policy: 'hours', retain: 2 }, exp)
    const first = (await lastClean(await world.fresh()))!
    const files = [...world.store.snapshot().keys()].filter((k) => k.endsWith('.parquet'))
    expect(files.length).toBeLessThan(4)

    world.clock.advance(-3 * HOUR)
    const again = await clean(world.timeline(), { kind: 'hours', retain: 2 })
    expect(again.every((c) => c.files === 0)).toBe(true)
    expect([...world.store.snapshot().keys()].filter((k) => k.endsWith('.parquet'))).toEqual(files)
    await expect(world.perform({ do: 'write', rows: [[0, 'x']], wide: false }, exp)).rejects.toMatchObject({ code: 'TRB-LAKE-082' })
    // Half an hour behind is no fault: instants go on increasing, and a clean that finds something to take still says from when on states are whole.
    world.clock.advance(2.5 * HOUR)
    for (const note of ['e', 'f', 'g']) exp = await world.perform({ do: 'write', rows: [[0, note]], wide: false }, exp)
    world.clock.advance(4 * HOUR)
    exp = await world.perform({ do: 'clean', policy: 'hours', retain: 1 }, exp)
    expect((await lastClean(await world.fresh()))!.from >= first.from).toBe(true)
    await check(world, exp, 'in the end')
  },
)
