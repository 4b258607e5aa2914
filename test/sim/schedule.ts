import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { expect } from 'vitest'
import { isFailure } from '../../src/failure/failure.ts'
import { type Fault, SimulatedCrash } from '../../src/storage/memory/memory-store.ts'
import { check } from './checks.ts'
import { type Expected, NOTHING, rowsNow, textOf } from './expected.ts'
import type { SimStore } from './faulty-store.ts'
import { type Op, type Shape, World } from './world.ts'

/**
 * A schedule: operations on one table, then one more with a fault at one of its calls to the store, a new process that recovers (half of the times with
 * a second fault), and the operation again where it had no effect. At its end the table must hold what the model says.
 */
export const FAULTS: readonly Fault[] = ['crash-before', 'crash-after', 'fail-before', 'fail-after', 'lost']

/**
 * Performs the operations without faults, checking after each, and runs schedules for `most` calls of each, spread over all of them. `salt` chooses the
 * calls and faults; `done` hears of every schedule and says whether to go on.
 */
export async function runSchedules(
  shape: Shape,
  ops: readonly Op[],
  { salt, most, scratch }: { readonly salt: number; readonly most: number; readonly scratch: string },
  done: () => boolean,
): Promise<void> {
  const world = World.inMemory(shape, scratch)
  await world.create()
  let exp = NOTHING
  for (const [i, op] of ops.entries()) {
    const before = World.copyOf(world)
    const from = world.store.calls
    const after = await world.perform(op, exp)
    const calls = world.store.calls - from
    await check(world, after, JSON.stringify(op))
    if (shape.tableType === 'COPY_ON_WRITE') expect(await world.rowsOfFiles()).toEqual(textOf(rowsNow(after)))
    const tried = Math.min(most, calls)
    for (let k = 0; k < tried; k++) {
      await faultAt(before, op, exp, (salt * 31 + i * 7 + Math.floor((k * calls) / tried)) % calls, salt + k)
      if (!done()) return
    }
    exp = after
  }
}

async function faultAt(before: World, op: Op, was: Expected, n: number, salt: number): Promise<void> {
  const fault = FAULTS[(n + salt) % FAULTS.length]!
  const where = `${JSON.stringify(op)}, ${fault} at call ${n}`
  const world = World.copyOf(before)
  await faulty(world, n, fault, () => world.perform(op, was))
  let next = world.reopened()
  if ((n + salt) % 2 === 0) {
    await faulty(next, (n * 7 + salt) % 12, FAULTS[(n + salt + 1) % FAULTS.length]!, () => next.recover())
    next = next.reopened()
  }
  try {
    await next.recover()
    // What a dead process left of a compaction does not stand in the way of a write.
    const write: Op = { do: 'write', rows: [[3, 'z']], wide: false }
    const between = op.do === 'compact' && (n + salt) % 3 === 0 ? await next.perform(write, was) : was
    await check(next, await next.performAgain(op, between), where, (n + salt) % 4 !== 0)
  } catch (e) {
    throw new Error(`after ${where}`, { cause: e })
  }
}

/** Runs `work` with a fault at its n-th call; what the fault throws is expected. */
export async function faulty(world: World<SimStore>, n: number, fault: Fault, work: () => Promise<unknown>): Promise<void> {
  const from = world.store.calls
  world.store.faults = (call) => (call - from === n ? fault : null)
  try {
    await work()
  } catch (e) {
    if (!(e instanceof SimulatedCrash) && !isFailure(e, 'TRB-STORE-004')) throw e
  }
}

/** How many schedules a file of them runs: more in CI. A run is repeated with SIM_SEED. */
export const WANTED = Number(process.env['SIM_SCHEDULES'] ?? 150)
export const SEED = Number(process.env['SIM_SEED'] ?? Date.now() % 0x7fffffff)

const moved = fc.nat(4).map((n) => n === 0)
const anyRow = fc.tuple(fc.nat(3), fc.option(fc.constantFrom('a', 'b', 'c')), moved)
export const anyRows = fc.array(anyRow, { minLength: 1, maxLength: 3 })
const few = fc.integer({ min: 1, max: 2 })
const seldom = fc.nat(7).map((n) => n === 0)

export function anyShape(tableType: Shape['tableType']): fc.Arbitrary<Shape> {
  return fc.record({
    ...{ tableType: fc.constant(tableType), tableVersion: fc.constantFrom(6, 9), buckets: few, partitioned: fc.boolean() },
    cdc: fc.constantFrom(null, null, null, 'OP_KEY_ONLY', 'DATA_BEFORE', 'DATA_BEFORE_AFTER'),
  })
}

const op = (weight: number, arbitrary: fc.Arbitrary<unknown>): fc.WeightedArbitrary<Op> => ({
  weight,
  arbitrary: arbitrary as fc.Arbitrary<Op>,
})
const anyOp = fc.oneof(
  op(10, fc.record({ do: fc.constant('write'), rows: anyRows, wide: fc.boolean(), big: seldom })),
  op(2, fc.record({ do: fc.constant('both'), rows: anyRows, others: anyRows })),
  op(2, fc.record({ do: fc.constant('overwrite'), rows: anyRows, table: fc.boolean() })),
  op(1, fc.record({ do: fc.constant('drop'), region: fc.constantFrom('even', 'odd') })),
  op(4, fc.record({ do: fc.constant('clean'), policy: fc.constantFrom('commits', 'hours', 'versions'), retain: few })),
  op(3, fc.record({ do: fc.constant('archive'), min: few, spare: fc.nat(1) })),
  op(3, fc.record({ do: fc.constant('savepoint'), back: fc.nat(1) })),
  op(3, fc.constant({ do: 'restore' })),
  op(1, fc.constant({ do: 'unsavepoint' })),
  op(2, fc.constant({ do: 'rollback' })),
  op(2, fc.constant({ do: 'compact' })),
  op(2, fc.constant({ do: 'compactLogs' })),
  op(2, fc.record({ do: fc.constant('cluster'), buckets: fc.constantFrom(null, null, 1, 2, 3) })),
  op(1, fc.record({ do: fc.constant('wait'), hours: fc.constantFrom(1, 3) })),
)
/** Three writes come first: little can go wrong before. */
export const anyOps = fc
  .tuple(
    fc.array(op(1, fc.record({ do: fc.constant('write'), rows: anyRows, wide: fc.constant(false) })).arbitrary, { maxLength: 3 }),
    fc.array(anyOp, { minLength: 2, maxLength: 9 }),
  )
  .map(([writes, ops]) => [...writes, ...ops])

/** Calls of each operation that are tried with a fault. */
const PER_OPERATION = 3

/** Random schedules of tables of one type, as many as are wanted; a failing one is made shorter before it is reported. */
export async function searchSchedules(tableType: Shape['tableType'], scratch: string): Promise<void> {
  let schedules = 0
  let failed = false
  const found = await fc.check(
    fc.asyncProperty(anyShape(tableType), anyOps, fc.nat(999), async (shape, ops, salt) => {
      // While a failing sequence is made shorter there is no limit.
      if (schedules >= WANTED && !failed) return
      try {
        await runSchedules(shape, ops, { salt, most: PER_OPERATION, scratch }, () => ++schedules < WANTED || failed)
      } catch (e) {
        failed = true
        throw e
      }
    }),
    { numRuns: WANTED, seed: SEED },
  )
  if (found.failed) {
    const kept = keep(tableType, found.counterexample)
    throw new Error(`kept in ${kept}\n${await fc.asyncDefaultReportMessage(found)}`, { cause: found.errorInstance })
  }
  expect(schedules).toBe(WANTED)
  console.info(`${tableType}: ${schedules} schedules (SIM_SCHEDULES), seed ${SEED} (SIM_SEED)`)
}

/** Failing schedules as the search left them, each a file `[shape, operations, salt]`: test/sim/regressions.test.ts runs them from then on. */
export const FOUND = new URL('./found/', import.meta.url)

function keep(tableType: string, counterexample: unknown): string {
  mkdirSync(FOUND, { recursive: true })
  const file = new URL(`${tableType.toLowerCase()}-${SEED}.json`, FOUND)
  writeFileSync(file, `${JSON.stringify(counterexample)}\n`)
  return fileURLToPath(file)
}
