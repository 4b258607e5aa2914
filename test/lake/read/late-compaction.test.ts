import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { compactable, scheduleCompaction } from '../../../src/lake/service/compaction.ts'
import { completedWrites } from '../../../timeline/view.ts'
import { check } from '../../sim/checks.ts'
import { NOTHING } from '../../sim/expected.ts'
import { type Op, World } from '../../sim/world.ts'

const scratch = mkdtempSync(join(tmpdir(), 'late-'))
afterAll(() => rmSync(scratch, { recursive: true }))
const write = (id: number, note: string): Op => ({ do: 'write', rows: [[id, note]], wide: false })

test.each([6, 9] as const)(
  'version %i: rows that a compaction took over before a range ends, and which it completed behind it, are in the range',
  async (tableVersion) => {
    const world = World.inMemory({ tableType: 'MERGE_ON_READ', tableVersion, buckets: 1, partitioned: false }, scratch)
    await world.create()
    let exp = await world.perform(write(1, 'b'), await world.perform(write(2, 'a'), NOTHING))
    const ts = world.timeline()
    await ts.refresh()
    const planned = await scheduleCompaction(ts, await compactable(ts))
    exp = await world.perform(write(3, 'c'), exp)
    exp = await world.perform({ do: 'compact' }, exp)
    const after = world.timeline()
    await after.refresh()
    expect(completedWrites(after.timeline, null).map((i) => i.time)).toContain(planned)
    await check(world, exp, 'after the compaction')
  },
)
