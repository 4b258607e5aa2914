import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { FaultProxy, type HttpFault } from '../support/fault-proxy.ts'
import { newBucket, newStore, s3Options } from '../support/s3.ts'
import { check } from './checks.ts'
import { NOTHING } from './expected.ts'
import { FaultyStore } from './faulty-store.ts'
import { anyOps, anyShape, FAULTS, faulty, SEED } from './schedule.ts'
import { simClock } from './sim-clock.ts'
import { World } from './world.ts'

/** Schedules of a run; a run is repeated with SIM_SEED. */
const WANTED = Number(process.env['SIM_S3_SCHEDULES'] ?? 12)
/** One request of so many meets a fault of the service or of the network. */
const ONE_IN = 40
const HTTP: readonly HttpFault[] = ['refuse', 'error', 'lost', 'cut', 'half', 'slow']

const scratch = mkdtempSync(join(tmpdir(), 's3-sim-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
let proxy: FaultProxy
let through = ''
beforeAll(async () => {
  proxy = new FaultProxy(inject('s3Endpoint'))
  proxy.slowMs = 30
  through = await proxy.listen()
})
afterAll(() => proxy.close())

test('a table on S3 is what the model says, whatever the service does, when its writer dies at any call', async () => {
  const bucket = await newBucket()
  let schedules = 0
  let faults = 0
  const shapes = fc.oneof(anyShape('COPY_ON_WRITE'), anyShape('MERGE_ON_READ'))
  await fc.assert(
    fc.asyncProperty(shapes, anyOps, fc.nat(9999), async (shape, ops, salt) => {
      if (schedules >= WANTED) return
      schedules++
      const store = newStore(bucket, s3Options({ attempts: 10 }, { endpoint: through }))
      const clock = simClock(Date.now())
      let world = new World(shape, scratch, clock, new FaultyStore(store, clock))
      await world.create()
      proxy.inject((_seen, n) => {
        const hit = ((n + salt) * 2_654_435_761) >>> 0
        if (hit % ONE_IN !== 0) return null
        faults++
        return HTTP[((hit / ONE_IN) % HTTP.length) | 0]!
      })
      let exp = NOTHING
      for (const [i, op] of ops.slice(0, 6).entries()) {
        const at = (salt * 7 + i * 31) % 60
        const fault = FAULTS[(salt + i) % FAULTS.length]!
        await faulty(world, at, fault, () => world.perform(op, exp))
        world = world.reopened()
        await world.recover()
        exp = await world.performAgain(op, exp)
      }
      proxy.inject(() => null)
      await check(world, exp, `${JSON.stringify(shape)} ${JSON.stringify(ops)} ${salt}`)
    }),
    // Each try writes its own table: what is left is told as it was found.
    { numRuns: WANTED, seed: SEED, endOnFailure: true },
  )
  expect(schedules).toBe(WANTED)
  expect(faults).toBeGreaterThan(WANTED)
  console.info(`${schedules} schedules on S3 (SIM_S3_SCHEDULES), ${faults} faults of the service, seed ${SEED} (SIM_SEED)`)
}, 900_000)
