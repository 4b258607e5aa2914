import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import { TableServices } from '../../src/lake/service/run-services.ts'
import { check } from './checks.ts'
import { NOTHING, rowsNow, textOf } from './expected.ts'
import { anyRows, anyShape, SEED } from './schedule.ts'
import { World } from './world.ts'

const scratch = mkdtempSync(join(tmpdir(), 'lake-sim-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

it('one process writes on and on, its services after each commit: the table is what the model says, and stays short', async () => {
  const shapes = fc.oneof(anyShape('COPY_ON_WRITE'), anyShape('MERGE_ON_READ'))
  await fc.assert(
    fc.asyncProperty(shapes, fc.array(anyRows, { minLength: 8, maxLength: 20 }), async (shape, flushes) => {
      const world = World.inMemory(shape, scratch)
      const services = new TableServices({ clean: { kind: 'commits', retain: 2 }, archive: { min: 3, max: 5 } })
      const writer = await world.writer()
      let exp = NOTHING
      for (const rows of flushes) {
        exp = await world.write({ do: 'write', rows, wide: false }, exp, writer)
        await services.run(writer.timeline)
        expect(await world.rows(null)).toEqual(textOf(rowsNow(exp)))
        expect(writer.timeline.timeline.instants.length).toBeLessThan(12)
      }
      await check(world, { ...exp, from: [...exp.states.keys()].at(-2)! }, 'at the end')
    }),
    { numRuns: 6, seed: SEED },
  )
}, 180_000)
