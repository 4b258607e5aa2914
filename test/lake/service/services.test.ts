import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { isFailure } from '../../../src/failure/failure.ts'
import { parseCleanPlan } from '../../../src/lake/metadata/clean-files.ts'
import { writeAt } from '../../../src/lake/read/whole-state.ts'
import { archive, planArchive } from '../../../src/lake/service/archive.ts'
import { clean, planClean } from '../../../src/lake/service/clean.ts'
import { cluster, DEFAULT_CLUSTERING } from '../../../src/lake/service/clustering.ts'
import { finishRestore, restore } from '../../../src/lake/service/restore.ts'
import { rollBackInstant } from '../../../src/lake/service/rollback.ts'
import { checkPolicy, DEFAULT_SERVICES, TableServices } from '../../../src/lake/service/run-services.ts'
import { createSavepoint, deleteSavepoint, listSavepoints } from '../../../src/lake/service/savepoint.ts'
import { SimulatedCrash } from '../../../src/storage/memory/memory-store.ts'
import { completedWrites } from '../../../timeline/view.ts'
import { NOTHING } from '../../sim/expected.ts'
import { type Op, type Shape, World } from '../../sim/world.ts'
import { changesOf } from '../write/model.ts'

const scratch = mkdtempSync(join(tmpdir(), 'services-'))
afterAll(() => rmSync(scratch, { recursive: true }))

const row = (id: number, note: string): Op => ({ do: 'write', rows: [[id, note]], wide: false })
const COW: Shape = { tableType: 'COPY_ON_WRITE', tableVersion: 6, buckets: 1, partitioned: false }
const SHAPES: readonly Shape[] = [
  COW,
  { ...COW, tableVersion: 9 },
  { ...COW, tableType: 'MERGE_ON_READ' },
  { ...COW, tableType: 'MERGE_ON_READ', tableVersion: 9 },
]

async function table(shape: Shape, ops: readonly Op[]): Promise<{ world: World; times: string[] }> {
  const world = World.inMemory(shape, scratch)
  await world.create()
  let exp = NOTHING
  for (const op of ops) exp = await world.perform(op, exp)
  return { world, times: [...exp.states.keys()] }
}

const failure = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work
    return 'none'
  } catch (e) {
    if (isFailure(e)) return e.code
    throw e
  }
}

const data = (world: World): string[] =>
  [...world.store.snapshot().keys()].filter((k) => k.endsWith('.parquet') && !k.includes('/.hoodie/'))

describe('clean', () => {
  const four = [row(1, 'a'), row(1, 'b'), row(1, 'c'), row(1, 'd')]
  test('keeps the states of the newest commits, and the version before them', async () => {
    const { world, times } = await table(COW, four)
    const ts = world.timeline()
    expect(data(world)).toHaveLength(4)
    const [done] = await clean(ts, { kind: 'commits', retain: 2 })
    expect([done!.files, done!.from]).toEqual([1, times[2]])
    expect(data(world)).toHaveLength(3)
    expect(await clean(world.timeline(), { kind: 'commits', retain: 2 })).toMatchObject([{ instant: null, files: 0 }])
  })
  test('keeps versions of each file group', async () => {
    const { world } = await table(COW, four)
    await clean(world.timeline(), { kind: 'versions', retain: 1 })
    expect(data(world)).toHaveLength(1)
  })
  test('a clean by age promises the state before its first moment, and none before that', async () => {
    const { world, times } = await table(COW, [...four.slice(0, 2), { do: 'wait', hours: 5 }, ...four.slice(2)])
    const [done] = await clean(world.timeline(), { kind: 'hours', retain: 1 })
    expect([done!.files, done!.from]).toEqual([1, times[2]])
    const ts = world.timeline()
    await ts.refresh()
    expect(await writeAt(ts, times[1]!)).toBe(times[1])
    expect(await failure(writeAt(ts, times[0]!))).toBe('TRB-LAKE-018')
  })
  test('the newest state may be kept by a savepoint, also when it is older than what a clean by age keeps', async () => {
    const { world, times } = await table(COW, [...four, { do: 'wait', hours: 5 }])
    const [done] = await clean(world.timeline(), { kind: 'hours', retain: 1 })
    expect(done!.files).toBe(3)
    expect(await failure(createSavepoint(world.timeline(), times[2]!, 'me', ''))).toBe('TRB-LAKE-071')
    expect(await failure(createSavepoint(world.timeline(), times[3]!, 'me', ''))).toBe('none')
  })
  test('keeps the states of some hours', async () => {
    const { world } = await table(COW, [...four.slice(0, 2), { do: 'wait', hours: 5 }, ...four.slice(2)])
    await clean(world.timeline(), { kind: 'hours', retain: 10 })
    expect(data(world)).toHaveLength(4)
    await clean(world.timeline(), { kind: 'hours', retain: 1 })
    expect(data(world)).toHaveLength(3)
  })
  test('never takes what a savepoint needs', async () => {
    const { world, times } = await table(COW, [...four.slice(0, 2), { do: 'savepoint', back: 0 }, ...four.slice(2)])
    await clean(world.timeline(), { kind: 'versions', retain: 1 })
    expect(data(world).map((k) => k.slice(-25, -8))).toEqual([times[1], times[3]])
  })
  test('a plan is carried through by the next process, with the same bytes inflight', async () => {
    const { world } = await table(COW, four)
    world.store.faults = (_n, call) => (call === 'delete' ? 'crash-before' : null)
    await expect(clean(world.timeline(), { kind: 'commits', retain: 1 })).rejects.toThrow(SimulatedCrash)
    const files = world.store.snapshot()
    const [inflight] = [...files.keys()].filter((k) => k.endsWith('.clean.inflight'))
    expect(files.get(inflight!)).toEqual(files.get(inflight!.replace('inflight', 'requested')))
    expect(parseCleanPlan(files.get(inflight!)!, 'p').policy).toBe('KEEP_LATEST_COMMITS')
    const next = world.reopened()
    expect(await clean(next.timeline(), { kind: 'commits', retain: 4 })).toMatchObject([{ files: 2 }])
    expect(data(next)).toHaveLength(2)
  })
  test('states that a clean by versions took are not promised again by a later one by commits', async () => {
    const { world, times } = await table(COW, four)
    await clean(world.timeline(), { kind: 'versions', retain: 1 })
    expect(await failure(world.rows(times[2]!))).toBe('TRB-LAKE-018')
    await world.perform(row(1, 'e'), { ...NOTHING, writes: 4 })
    await world.perform(row(1, 'f'), { ...NOTHING, writes: 5 })
    expect(await clean(world.timeline(), { kind: 'commits', retain: 1 })).toMatchObject([{ files: 1 }])
    expect(await failure(world.rows(times[2]!))).toBe('TRB-LAKE-018')
  })
  test('log files of a version go with it, of one that is read they stay', async () => {
    const { world } = await table(SHAPES[2]!, four)
    expect((await planClean(await fresh(world), { kind: 'commits', retain: 1 })).files).toEqual([])
  })
})

async function columnsOf(world: World): Promise<Parameters<typeof changesOf>[0]> {
  return (await world.writer()).spec.columns
}

async function fresh(world: World): Promise<ReturnType<World['timeline']>> {
  const ts = world.timeline()
  await ts.refresh()
  return ts
}

describe('archive', () => {
  test('nothing is due until there are more commits than the most', async () => {
    const { world } = await table(
      COW,
      [1, 2, 3].map((id) => row(id, 'x')),
    )
    expect(await planArchive(await fresh(world), { min: 1, max: 3 })).toEqual([])
    expect((await archive(world.timeline(), { min: 1, max: 2 })).instants).toHaveLength(2)
    expect(completedWrites((await fresh(world)).timeline, null)).toHaveLength(1)
  })
  test('never past a savepoint', async () => {
    const { world, times } = await table(COW, [row(1, 'a'), row(2, 'b'), { do: 'savepoint', back: 0 }, row(3, 'c'), row(4, 'd')])
    expect((await archive(world.timeline(), { min: 1, max: 1 })).instants).toEqual([times[0]])
  })
  test('what was archived but not taken off by a dead process is taken off, and archived once', async () => {
    for (const shape of SHAPES) {
      const { world } = await table(
        shape,
        [1, 2, 3, 4].map((id) => row(id, 'x')),
      )
      world.store.faults = (_n, call) => (call === 'delete' ? 'crash-before' : null)
      await expect(archive(world.timeline(), { min: 1, max: 1 })).rejects.toThrow(SimulatedCrash)
      const next = world.reopened()
      expect((await archive(next.timeline(), { min: 1, max: 1 })).instants).toHaveLength(3)
      const archives = [...next.store.snapshot().keys()].filter((k) => /archived\/\.commits|history\/\d/.test(k))
      expect(archives, JSON.stringify(shape)).toHaveLength(1)
    }
  })
  test('a file that a rollback of another engine left behind is taken away before it would count', async () => {
    for (const shape of SHAPES.filter((s) => s.tableType === 'COPY_ON_WRITE')) {
      const { world } = await table(shape, [row(1, 'a')])
      const writer = await world.writer()
      const staged = await writer.stage([
        changesOf(await columnsOf(world), [{ op: 'u', row: [1, 'never', 'odd', 1, 9n], gone: [] }], false),
      ])
      const [stray, body] = [...world.store.snapshot()].find(([k]) => k.endsWith(`_${staged.instant}.parquet`))!
      await writer.abandon(staged)
      await world.store.put(stray, body)
      let exp = await world.perform(row(2, 'b'), { ...NOTHING, writes: 1 })
      exp = await world.perform(row(3, 'c'), exp)
      expect((await archive(world.timeline(), { min: 1, max: 1 })).strays).toEqual([stray])
      expect(await world.rows(null)).toEqual(['1 a odd - 1', '2 b even - 2', '3 c odd - 3'])
    }
  })
  test('a replacecommit stays on the timeline until a clean has taken what it replaced', async () => {
    for (const shape of SHAPES) {
      const { world } = await table(shape, [row(1, 'a'), row(2, 'b')])
      const deps = { scratchDir: scratch, memoryBudget: 1 << 20, rowGroupBytes: 1 << 16, sole: true }
      const clustered = (await cluster(await fresh(world), { ...DEFAULT_CLUSTERING, sort: ['note'] }, deps))!
      let exp = await world.perform(row(3, 'c'), { ...NOTHING, writes: 2 })
      exp = await world.perform(row(4, 'd'), exp)
      await archive(world.timeline(), { min: 1, max: 1 })
      expect((await fresh(world)).timeline.instants.some((i) => i.time === clustered.instant)).toBe(true)
      await clean(world.timeline(), { kind: 'commits', retain: 1 })
      await archive(world.timeline(), { min: 1, max: 1 })
      expect((await fresh(world)).timeline.instants.some((i) => i.time === clustered.instant)).toBe(false)
      expect(await world.rows(null)).toEqual(['1 a odd - 1', '2 b even - 2', '3 c odd - 3', '4 d even - 4'])
    }
  })
  test('ten files of a level of the history become one of the next, and three manifests are kept', async () => {
    const { world } = await table(SHAPES[1]!, [row(1, 'a')])
    let exp = NOTHING
    for (let n = 0; n < 24; n++) {
      exp = await world.perform(row(1, `n${n}`), { ...exp, writes: n + 1 })
      await archive(world.timeline(), { min: 1, max: 1 })
    }
    const history = [...world.store.snapshot().keys()].filter((k) => k.includes('/history/')).map((k) => k.slice(k.lastIndexOf('/') + 1))
    const levels = history.flatMap((name) => /_(\d)\.parquet$/.exec(name)?.[1] ?? [])
    expect(levels.filter((l) => l === '1')).toHaveLength(2)
    expect(history.filter((name) => name.startsWith('manifest_'))).toHaveLength(3)
    expect(levels.filter((l) => l === '0').length).toBeLessThanOrEqual(6)
  })
})

describe('savepoint, rollback, restore', () => {
  test('a savepoint names the files of its state, is listed, and goes', async () => {
    for (const shape of SHAPES) {
      const { world, times } = await table(shape, [row(1, 'a'), row(1, 'b')])
      const kept = await createSavepoint(world.timeline(), null, 'me', 'why')
      expect([kept.time, [...kept.files.values()].flat().length > 0]).toEqual([times[1], true])
      expect(await createSavepoint(world.timeline(), times[1]!, 'other', '')).toMatchObject({ by: 'me', comments: 'why' })
      expect((await listSavepoints(world.timeline())).map((s) => s.time)).toEqual([times[1]])
      await deleteSavepoint(world.timeline(), times[1]!)
      expect(await listSavepoints(world.timeline())).toEqual([])
    }
  })
  test('a savepoint is refused at a commit that is not there (TRB-LAKE-070), and at a state that a clean took files of (TRB-LAKE-071)', async () => {
    const { world, times } = await table(COW, [row(1, 'a'), row(1, 'b'), row(1, 'c')])
    expect(await failure(createSavepoint(world.timeline(), '20200101000000000', 'me', ''))).toBe('TRB-LAKE-070')
    await clean(world.timeline(), { kind: 'commits', retain: 1 })
    expect(await failure(createSavepoint(world.timeline(), times[1]!, 'me', ''))).toBe('TRB-LAKE-071')
  })
  test('the newest commit is rolled back; an older, a kept one, and one without its earlier files are refused (TRB-LAKE-072)', async () => {
    for (const shape of SHAPES) {
      const { world, times } = await table(shape, [row(1, 'a'), row(1, 'b'), row(1, 'c')])
      expect(await failure(rollBackInstant(world.timeline(), times[1]!))).toBe('TRB-LAKE-072')
      await createSavepoint(world.timeline(), null, 'me', '')
      expect(await failure(rollBackInstant(world.timeline(), times[2]!))).toBe('TRB-LAKE-072')
      await deleteSavepoint(world.timeline(), times[2]!)
      expect(await rollBackInstant(world.timeline(), times[2]!)).toMatchObject({ time: times[2] })
      expect(await world.rows(null)).toEqual(['1 b odd - 1'])
    }
    const { world, times } = await table(COW, [row(1, 'a'), row(1, 'b')])
    await clean(world.timeline(), { kind: 'versions', retain: 1 })
    expect(await failure(rollBackInstant(world.timeline(), times[1]!))).toBe('TRB-LAKE-072')
    expect(await failure(rollBackInstant(world.timeline(), '20200101000000000'))).toBe('TRB-LAKE-070')
    // Without any commit on the active timeline the archived ones would not count.
    const short = await table(COW, [row(1, 'a'), row(1, 'b'), { do: 'archive', min: 1, spare: 0 }])
    expect(await failure(rollBackInstant(short.world.timeline(), short.times[1]!))).toBe('TRB-LAKE-072')
  })
  test('a restore takes later writes away, is refused without a savepoint (TRB-LAKE-073), and is carried on after a crash', async () => {
    for (const shape of SHAPES) {
      const { world, times } = await table(shape, [row(1, 'a'), { do: 'savepoint', back: 0 }, row(1, 'b'), row(2, 'c')])
      expect(await failure(restore(world.timeline(), times[1]!))).toBe('TRB-LAKE-073')
      let deletions = 0
      world.store.faults = (_n, call) => (call === 'delete' && ++deletions === 2 ? 'crash-before' : null)
      await expect(restore(world.timeline(), times[0]!)).rejects.toThrow(SimulatedCrash)
      const next = world.reopened()
      expect(await failure(clean(next.timeline(), { kind: 'commits', retain: 1 }))).toBe('TRB-LAKE-010')
      expect(await finishRestore(next.timeline())).toMatchObject({ savepoint: times[0] })
      expect(await next.rows(null)).toEqual(['1 a odd - 1'])
      expect(await finishRestore(next.timeline())).toBeNull()
    }
  })
  test('a later savepoint stands in the way of a restore (TRB-LAKE-072)', async () => {
    const { world, times } = await table(COW, [row(1, 'a'), { do: 'savepoint', back: 0 }, row(1, 'b'), { do: 'savepoint', back: 0 }])
    expect(await failure(restore(world.timeline(), times[0]!))).toBe('TRB-LAKE-072')
  })
})

describe('services of a writer', () => {
  test('policies that do not go together are refused (TRB-LAKE-075)', async () => {
    const work = async (): Promise<void> => checkPolicy({ clean: { kind: 'commits', retain: 20 }, archive: { min: 20, max: 30 } })
    expect(await failure(work())).toBe('TRB-LAKE-075')
    expect(await failure((async () => checkPolicy(DEFAULT_SERVICES))())).toBe('none')
  })
  test('most calls do nothing, not even look; what is due is done', async () => {
    const { world } = await table(COW, [row(1, 'a'), row(1, 'b')])
    const services = new TableServices({ clean: { kind: 'hours', retain: 24 }, archive: { min: 2, max: 4 } })
    const ts = await fresh(world)
    await services.run(ts)
    const calls = world.store.calls
    for (let n = 0; n < 5; n++) expect(await services.run(ts)).toEqual({ filesCleaned: 0, instantsArchived: 0 })
    expect(world.store.calls).toBe(calls)
    world.clock.advance(30 * 3_600_000)
    expect((await services.run(ts)).filesCleaned).toBe(1)
  })
})
