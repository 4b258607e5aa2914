import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import { TableServices } from '../../src/lake/service/run-services.ts'
import { check, runSchedules } from './schedule.ts'
import { NOTHING, type Op, type Shape, World } from './world.ts'

const scratch = mkdtempSync(join(tmpdir(), 'lake-sim-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** How many schedules are run: more in CI. A run is repeated with SIM_SEED. */
const WANTED = Number(process.env['SIM_SCHEDULES'] ?? 400)
const seed = Number(process.env['SIM_SEED'] ?? Date.now() % 0x7fffffff)

const anyShape: fc.Arbitrary<Shape> = fc.record({
  tableType: fc.constantFrom('COPY_ON_WRITE', 'MERGE_ON_READ'),
  tableVersion: fc.constantFrom(6, 9),
  buckets: fc.constantFrom(1, 2),
  partitioned: fc.boolean(),
})
const anyRow = fc.tuple(fc.nat(5), fc.option(fc.constantFrom('a', 'b', 'c')))
const anyRows = fc.array(anyRow, { minLength: 1, maxLength: 4 })
const write = fc.record({ do: fc.constant('write'), rows: anyRows, wide: fc.boolean() }) as fc.Arbitrary<Op>
const few = fc.integer({ min: 1, max: 2 })
const service = fc.oneof(
  fc.record({ do: fc.constant('clean'), policy: fc.constantFrom('commits', 'hours', 'versions'), retain: few }),
  fc.record({ do: fc.constant('archive'), min: few, spare: fc.nat(1) }),
  fc.record({ do: fc.constant('savepoint'), back: fc.nat(1) }),
  fc.record({ do: fc.constantFrom('unsavepoint', 'restore', 'rollback', 'compact') }),
  fc.record({ do: fc.constant('wait'), hours: fc.constantFrom(1, 3) }),
) as fc.Arbitrary<Op>
const anyOps = fc.array(fc.oneof({ weight: 3, arbitrary: write }, { weight: 4, arbitrary: service }), { minLength: 2, maxLength: 9 })

it('a table is what the model says after a fault at any call of any operation', async () => {
  let schedules = 0
  let failed = false
  await fc.assert(
    fc.asyncProperty(anyShape, anyOps, fc.nat(9), async (shape, ops, salt) => {
      // While a failing sequence is made shorter there is no limit.
      if (schedules >= WANTED && !failed) return
      try {
        await runSchedules(shape, ops, salt, scratch, () => ++schedules < WANTED || failed)
      } catch (e) {
        failed = true
        throw e
      }
    }),
    { numRuns: WANTED, seed },
  )
  expect(schedules).toBe(WANTED)
  console.info(`${schedules} schedules (SIM_SCHEDULES), seed ${seed} (SIM_SEED)`)
}, 1_800_000)

it('one process writes on and on, its services after each commit: the table is what the model says, and stays short', async () => {
  await fc.assert(
    fc.asyncProperty(anyShape, fc.array(anyRows, { minLength: 8, maxLength: 20 }), async (shape, flushes) => {
      const world = new World(shape, scratch)
      const services = new TableServices({ clean: { kind: 'commits', retain: 2 }, archive: { min: 3, max: 5 } })
      const writer = await world.writer()
      let exp = NOTHING
      for (const rows of flushes) {
        exp = await world.write({ do: 'write', rows, wide: false }, exp, writer)
        await services.run(writer.timeline)
        expect(await world.rows(null)).toEqual([...exp.states.values()].at(-1))
        expect(writer.timeline.timeline.instants.length).toBeLessThan(12)
      }
      await check(world, { ...exp, from: [...exp.states.keys()].at(-2)! }, 'at the end')
    }),
    { numRuns: 12, seed },
  )
}, 60_000)
