import { expect } from 'vitest'
import { isFailure } from '../../src/failure/failure.ts'
import { verifyTable } from '../../src/lake/verify/verify-table.ts'
import { type Fault, SimulatedCrash } from '../../src/storage/memory/memory-store.ts'
import { type Expected, NOTHING, type Op, type Shape, World } from './world.ts'

/**
 * A schedule: operations on one table, then one more with a fault at one of its calls to the store, a new process that recovers (half of the times with
 * a second fault), and the operation again where it had no effect. At its end the table must hold what the model says.
 */
export const FAULTS: readonly Fault[] = ['crash-before', 'crash-after', 'fail-before', 'fail-after', 'lost']

/** The content now, every state that must still be readable (I6), and what `lake verify` proves of the whole table. */
export async function check(world: World, exp: Expected, where: string): Promise<void> {
  expect((await verifyTable(world.timeline(), true)).violations, where).toEqual([])
  expect(await world.rows(null), where).toEqual([...exp.states.values()].at(-1) ?? [])
  for (const [time, rows] of exp.states) if (time >= exp.from) expect(await world.rows(time), `${where}, as of ${time}`).toEqual(rows)
}

/**
 * Performs the operations without faults, checking after each, and runs a schedule for every call of each. `salt` chooses the faults; `done` hears of
 * every schedule and says whether to go on.
 */
export async function runSchedules(shape: Shape, ops: readonly Op[], salt: number, scratch: string, done: () => boolean): Promise<void> {
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
    for (let n = 0; n < calls; n++) {
      await faultAt(before, op, exp, n, salt)
      if (!done()) return
    }
    exp = after
  }
}

async function faultAt(before: World, op: Op, was: Expected, n: number, salt: number): Promise<void> {
  const fault = FAULTS[(n + salt) % FAULTS.length]!
  const where = `${JSON.stringify(op)}, ${fault} at call ${n}`
  const world = await before.copy()
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
    await check(next, await next.performAgain(op, between), where)
  } catch (e) {
    throw new Error(`after ${where}`, { cause: e })
  }
}

/** Runs `work` with a fault at its n-th call; what the fault throws is expected. */
async function faulty(world: World, n: number, fault: Fault, work: () => Promise<unknown>): Promise<void> {
  const from = world.store.calls
  world.store.faults = (call) => (call - from === n ? fault : null)
  try {
    await work()
  } catch (e) {
    if (!(e instanceof SimulatedCrash) && !isFailure(e, 'TRB-STORE-004')) throw e
  }
}
