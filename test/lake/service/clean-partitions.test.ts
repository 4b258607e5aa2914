import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readContainer } from '../../../src/lake/metadata/avro-container.ts'
import { printCleanPlan } from '../../../src/lake/metadata/clean-files.ts'
import { clean } from '../../../src/lake/service/clean.ts'
import { verifyTable } from '../../../src/lake/verify/verify-table.ts'
import { NOTHING, rowsNow, textOf } from '../../sim/expected.ts'
import { World } from '../../sim/world.ts'

const scratch = mkdtempSync(join(tmpdir(), 'clean-'))
afterAll(() => rmSync(scratch, { recursive: true }))

/** A table of which a partition was dropped, and a clean planned, as Spark does it: its files, and the partition as a whole. */
async function planned(tableVersion: 6 | 9): Promise<{ world: World; exp: typeof NOTHING; keys: () => string[] }> {
  const world = World.inMemory({ tableType: 'COPY_ON_WRITE', tableVersion, buckets: 1, partitioned: true }, scratch)
  await world.create()
  let exp = await world.perform(
    {
      do: 'write',
      rows: [
        [0, 'a'],
        [1, 'b'],
      ],
      wide: false,
    },
    NOTHING,
  )
  exp = await world.perform({ do: 'drop', region: 'odd' }, exp)
  exp = await world.perform({ do: 'write', rows: [[2, 'd']], wide: false }, exp)
  const ts = world.timeline()
  await ts.refresh()
  const keys = (): string[] => [...world.store.snapshot().keys()].filter((k) => k.startsWith('t/odd/'))
  const files = new Map([
    [
      'odd',
      keys()
        .filter((k) => k.endsWith('.parquet'))
        .map((k) => `memory://lake/${k}`),
    ],
  ])
  const newest = ts.timeline.instants.at(-1)!.time
  const plan = { earliest: { time: newest, action: 'commit' }, newest, policy: 'KEEP_LATEST_COMMITS', files, partitions: ['odd'] }
  const time = ts.nextTime()
  await ts.perform({ event: 'request', action: 'clean', time }, printCleanPlan(plan, ts.sync()))
  return { world, exp, keys }
}

test.each([6, 9] as const)(
  'version %i: a pending clean of another engine that takes a whole partition is carried through',
  async (version) => {
    const { world, exp, keys } = await planned(version)
    const [done] = await clean(world.timeline(), { kind: 'commits', retain: 5 })
    expect(done).toMatchObject({ files: 1 })
    expect(keys()).toEqual([])
    expect(await world.rows(null)).toEqual(textOf(rowsNow(exp)))
    const ts = world.timeline()
    await ts.refresh()
    const instant = ts.timeline.instants.find((i) => i.action === 'clean')!
    const { partitionMetadata } = readContainer(await ts.store.get(ts.keyOf(instant)), 'x') as unknown as {
      partitionMetadata: Record<string, { isPartitionDeleted: boolean }>
    }
    expect(partitionMetadata['odd']!.isPartitionDeleted).toBe(true)
    // Written to again, it is a partition again.
    const next = await world.perform({ do: 'write', rows: [[3, 'c']], wide: false }, exp)
    expect(await world.rows(null)).toEqual(textOf(rowsNow(next)))
    expect((await verifyTable(world.timeline(), true)).violations).toEqual([])
  },
)

test('a partition that somebody has written to since the plan was made stays, without the files of the plan', async () => {
  const { world, exp, keys } = await planned(6)
  const next = await world.perform({ do: 'write', rows: [[3, 'c']], wide: false }, exp)
  await clean(world.timeline(), { kind: 'commits', retain: 5 })
  expect(keys().map((k) => k.replace(/.*\./, ''))).toEqual(['hoodie_partition_metadata', 'parquet'])
  expect(await world.rows(null)).toEqual(textOf(rowsNow(next)))
  expect((await verifyTable(world.timeline(), true)).violations).toEqual([])
})
