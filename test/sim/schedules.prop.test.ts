import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import { isFailure } from '../../src/failure/failure.ts'
import { verifyTable } from '../../src/lake/verify/verify-table.ts'
import { type Fault, SimulatedCrash } from '../../src/storage/memory/memory-store.ts'
import { type Expected, NOTHING, type Op, type Shape, World } from './world.ts'

/**
 * Random operations on one table, then again with a fault at every call to the store of every one of them: a new process opens the table, goes on,
 * and the table must hold what the model says. A schedule is one such run: operations before, one operation with its fault, recovery (half of
 * them with a second fault in it), the operation again where it had no effect.
 */
const scratch = mkdtempSync(join(tmpdir(), 'lake-sim-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const anyShape: fc.Arbitrary<Shape> = fc.record({
  tableType: fc.constantFrom('COPY_ON_WRITE', 'MERGE_ON_READ'),
  tableVersion: fc.constantFrom(6, 9),
  buckets: fc.constantFrom(1, 2),
  partitioned: fc.boolean(),
})
const anyRow = fc.tuple(fc.nat(5), fc.option(fc.constantFrom('a', 'b', 'c')))
const write = fc.record({
  do: fc.constant('write'),
  rows: fc.array(anyRow, { minLength: 1, maxLength: 4 }),
  wide: fc.boolean(),
}) as fc.Arbitrary<Op>
const service: fc.Arbitrary<Op> = fc.oneof(
  fc.record({
    do: fc.constant('clean'),
    policy: fc.constantFrom('commits', 'hours', 'versions'),
    retain: fc.integer({ min: 1, max: 2 }),
  }) as fc.Arbitrary<Op>,
  fc.record({ do: fc.constant('archive'), min: fc.integer({ min: 1, max: 2 }), spare: fc.nat(1) }) as fc.Arbitrary<Op>,
  fc.record({ do: fc.constant('savepoint'), back: fc.nat(1) }) as fc.Arbitrary<Op>,
  fc.constant<Op>({ do: 'unsavepoint' }),
  fc.constant<Op>({ do: 'restore' }),
  fc.constant<Op>({ do: 'rollback' }),
  fc.constant<Op>({ do: 'compact' }),
  fc.record({ do: fc.constant('wait'), hours: fc.constantFrom(1, 3) }) as fc.Arbitrary<Op>,
)
const anyOps = fc.array(fc.oneof({ weight: 3, arbitrary: write }, { weight: 4, arbitrary: service }), { minLength: 2, maxLength: 9 })

const FAULTS: readonly Fault[] = ['crash-before', 'crash-after', 'fail-before', 'fail-after', 'lost']

/** How many schedules are run, at least: more in CI. SIM_SEED repeats a run. */
const WANTED = Number(process.env['SIM_SCHEDULES'] ?? 400)
/** Schedules of this run; printed, so that a change that makes them fewer is seen. */
let schedules = 0

/** The content now, every state that must still be readable (I6), and what `lake verify` proves of the whole table. */
async function check(world: World, exp: Expected, where: string): Promise<void> {
  expect((await verifyTable(world.timeline(), true)).violations, where).toEqual([])
  const now = [...exp.states.values()].at(-1) ?? []
  expect(await world.rows(null), where).toEqual(now)
  for (const [time, rows] of exp.states) if (time >= exp.from) expect(await world.rows(time), `${where}, as of ${time}`).toEqual(rows)
}

/** Runs `work` with a fault at call n; true when it was met. */
async function faulty(world: World, n: number, fault: Fault, work: () => Promise<unknown>): Promise<boolean> {
  const from = world.store.calls
  let met = false
  world.store.faults = (call) => {
    if (call - from !== n) return null
    met = true
    return fault
  }
  try {
    await work()
  } catch (e) {
    if (!(e instanceof SimulatedCrash) && !isFailure(e, 'TRB-STORE-004')) throw e
  }
  return met
}

async function crashEverywhere(before: World, op: Op, was: Expected, calls: number, salt: number): Promise<void> {
  for (let n = 0; n < calls; n++) {
    const fault = FAULTS[(n + salt) % FAULTS.length]
    const where = `${JSON.stringify(op)}, ${fault} at call ${n}`
    const world = await before.copy()
    await faulty(world, n, fault, () => world.perform(op, was))
    let next = world.reopened()
    if ((n + salt) % 2 === 0) {
      await faulty(next, (n * 7 + salt) % 12, FAULTS[(n + salt + 1) % FAULTS.length], () => next.recover())
      next = next.reopened()
    }
    try {
      await next.recover()
      // What a dead process left of a compaction does not stand in the way of a write.
      const between =
        op.do === 'compact' && (n + salt) % 3 === 0 ? await next.perform({ do: 'write', rows: [[3, 'z']], wide: false }, was) : was
      const exp = await next.performAgain(op, between)
      await check(next, exp, where)
    } catch (e) {
      throw new Error(`after ${where}`, { cause: e })
    }
    schedules++
  }
}

it('a table is what the model says after a fault at any call of any operation', async () => {
  const seed = Number(process.env['SIM_SEED'] ?? Date.now() % 0x7fffffff)
  await fc.assert(
    fc.asyncProperty(anyShape, anyOps, fc.nat(9), async (shape, ops, salt) => {
      if (schedules >= WANTED) return
      const world = new World(shape, scratch)
      await world.create()
      let exp = NOTHING
      for (const op of ops) {
        const before = await world.copy()
        const from = world.store.calls
        const after = await world.perform(op, exp)
        const calls = world.store.calls - from
        await check(world, after, JSON.stringify(op))
        if (shape.tableType === 'COPY_ON_WRITE') expect(await world.rowsOfFiles()).toEqual([...after.states.values()].at(-1) ?? [])
        await crashEverywhere(before, op, exp, calls, salt)
        exp = after
      }
    }),
    { numRuns: WANTED, seed },
  )
  console.info(`${schedules} schedules (SIM_SCHEDULES), seed ${seed} (SIM_SEED)`)
}, 1_800_000)
