import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isFailure } from '../../src/failure/failure.ts'
import { CommitProtocol } from '../../src/lake/commit-protocol.ts'
import { type Fault, MemoryStore, SimulatedCrash } from '../../src/storage/memory/memory-store.ts'
import { parseName } from '../../timeline/name.ts'
import { foldTimeline } from '../../timeline/timeline.ts'
import { completedWrites, pendingInstants } from '../../timeline/view.ts'
import { fixedClock } from '../support/fixed-clock.ts'
import { propertyRuns } from '../support/property-runs.ts'
import { checkpointOf, readAll, SPEC, TrivialWriter, type Writes } from './trivial-writer.ts'

const CONTENT = fc.stringMatching(/^[a-z]{1,3}$/)
const WRITES: fc.Arbitrary<Writes> = fc
  .uniqueArray(fc.tuple(fc.constantFrom('', 'p', 'q/r'), fc.nat({ max: 1 }), CONTENT), {
    minLength: 1,
    maxLength: 4,
    selector: ([p, b]) => `${p}/${b}`,
  })
  .map((list) => {
    const out = new Map<string, Map<number, string>>()
    for (const [p, b, content] of list) out.set(p, (out.get(p) ?? new Map()).set(b, content))
    return out
  })

/** Everything below the table but the timeline: what must be as if a rolled-back instant had never begun. */
function dataOf(store: MemoryStore): Map<string, string> {
  const data = [...store.snapshot()].filter(([key]) => !/\/\.hoodie\/(timeline\/)?\d/.test(key))
  return new Map(data.map(([key, body]) => [key, body.toString()]))
}

function apply(model: Map<string, string>, writes: Writes): Map<string, string> {
  const next = new Map(model)
  for (const [p, buckets] of writes) for (const [b, content] of buckets) next.set(`${p}/${b}`, content)
  return next
}

async function completedTimes(store: MemoryStore): Promise<string[]> {
  const files = [...store.snapshot().keys()].flatMap((key) => {
    const m = /\/\.hoodie\/(timeline\/)?([^/]+)$/.exec(key)
    const parsed = m === null ? null : parseName(m[2], m[1] === undefined ? 1 : 2)
    return parsed?.kind === 'instant' ? [parsed.file] : []
  })
  return completedWrites(foldTimeline(files), null).map((i) => i.time)
}

/** One commit of `writes` with a fault at its n-th store call. Returns whether the fault was met. */
async function faulty(
  store: MemoryStore,
  version: Version,
  writes: Writes,
  n: number,
  fault: Fault,
  tag: number,
): Promise<{ met: boolean; ended: boolean }> {
  let met = false
  store.faults = (call) => {
    if (call !== n) return null
    met = true
    return fault
  }
  try {
    await new TrivialWriter(store, CLOCK, version).write(writes, checkpointOf(tag))
    return { met, ended: true }
  } catch (e) {
    if (!(e instanceof SimulatedCrash) && !isFailure(e, 'TRB-STORE-004')) throw e
    return { met, ended: false }
  }
}

const CLOCK = fixedClock()
/** Table versions: 6 has layout 1, 9 has layout 2. */
const VERSIONS = [6, 9] as const
type Version = (typeof VERSIONS)[number]

test.each(VERSIONS)(
  'I4, I8, I9: a crash or a fault at any store call of a commit leaves the old content or the new, once, and nothing else (version %i)',
  { timeout: 60_000 },
  async (version) => {
    const first: Writes = new Map([['p', new Map([[0, 'a']])]])
    const second: Writes = new Map([
      ['p', new Map([[0, 'b']])],
      ['q/r', new Map([[1, 'c']])],
    ])
    for (const fault of ['crash-before', 'crash-after', 'fail-before', 'fail-after', 'lost'] as const) {
      for (let n = 0; ; n++) {
        let store = new MemoryStore(CLOCK)
        await new TrivialWriter(store, CLOCK, version).write(first, checkpointOf(1))
        const untouched = dataOf(store)
        store = store.reopen()
        const { met, ended } = await faulty(store, version, second, n, fault, 2)
        if (!met) {
          expect(n, 'calls of a commit').toBeGreaterThan(20)
          break
        }
        store = store.reopen()
        const model = apply(new Map([['p/0', 'a']]), second)
        const seen = await readAll(store, CLOCK)
        const committed = (await completedTimes(store)).length === 2
        expect(seen, `${fault} at ${n}, before recovery`).toEqual(committed ? model : new Map([['p/0', 'a']]))
        if (ended) expect(committed).toBe(true)
        const protocol = new CommitProtocol(store, SPEC.path, CLOCK)
        await protocol.recover()
        expect(await readAll(store, CLOCK), `${fault} at ${n}, after recovery`).toEqual(seen)
        if (!committed) expect(dataOf(store), `${fault} at ${n}`).toEqual(untouched)
        expect(pendingInstants(protocol.timeline.timeline)).toEqual([])
        expect((await protocol.checkpoint())?.nextOffset).toBe(committed ? 2 : 1)
        // The next commit is whole whatever happened.
        await new TrivialWriter(store, CLOCK, version).write(second, checkpointOf(3))
        expect(await readAll(store, CLOCK)).toEqual(model)
      }
    }
  },
)

test.each(VERSIONS)(
  'I8, I9: a crash at any store call of a recovery is recovered from (version %i)',
  { timeout: 60_000 },
  async (version) => {
    const writes: Writes = new Map([['p', new Map([[0, 'b']])]])
    const half = async (): Promise<MemoryStore> => {
      const store = new MemoryStore(CLOCK)
      await new TrivialWriter(store, CLOCK, version).write(new Map([['q/r', new Map([[0, 'a']])]]), checkpointOf(1))
      const process = store.reopen()
      // Dies with its data file written: just before the completed instant.
      process.faults = (_n, call, key) => (call === 'putIfAbsent' && /\/[\d_]+\.commit$/.test(key) ? 'crash-before' : null)
      await expect(new TrivialWriter(process, CLOCK, version).write(writes, checkpointOf(2))).rejects.toBeInstanceOf(SimulatedCrash)
      return store.reopen()
    }
    for (const fault of ['crash-before', 'crash-after'] as const) {
      for (let n = 0; ; n++) {
        const store = await half()
        let met = false
        store.faults = (call) => {
          met ||= call === n
          return call === n ? fault : null
        }
        const crashed = await new CommitProtocol(store, SPEC.path, CLOCK).recover().then(
          () => false,
          (e: unknown) => {
            if (!(e instanceof SimulatedCrash)) throw e
            return true
          },
        )
        if (!met) {
          expect(n, 'calls of a recovery').toBeGreaterThan(10)
          break
        }
        expect(crashed).toBe(true)
        const next = store.reopen()
        const protocol = new CommitProtocol(next, SPEC.path, CLOCK)
        await protocol.recover()
        expect(pendingInstants(protocol.timeline.timeline)).toEqual([])
        expect(await readAll(next, CLOCK)).toEqual(new Map([['q/r/0', 'a']]))
        expect(
          [...dataOf(next).keys()].some((key) => key.startsWith(`${SPEC.path}/p/`)),
          `${fault} at ${n}`,
        ).toBe(false)
      }
    }
  },
)

test.each(VERSIONS)(
  'I1, I3, I4, I9: random commits with random crashes: what is committed stays as it was, at every instant (version %i)',
  { timeout: 60_000 },
  async (version) => {
    const operation = fc.record({
      writes: WRITES,
      fault: fc.option(
        fc.record({
          n: fc.nat({ max: 60 }),
          fault: fc.constantFrom<Fault>('crash-before', 'crash-after', 'fail-before', 'fail-after', 'lost'),
        }),
        { nil: null },
      ),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 8 }), async (operations) => {
        let store = new MemoryStore(CLOCK)
        let model = new Map<string, string>()
        const history = new Map<string, Map<string, string>>()
        for (const [tag, { writes, fault }] of operations.entries()) {
          store = store.reopen()
          await faulty(store, version, writes, fault?.n ?? -1, fault?.fault ?? 'lost', tag)
          store = store.reopen()
          const times = await completedTimes(store)
          expect(times).toEqual([...new Set(times)].sort())
          if (times.length > history.size) {
            model = apply(model, writes)
            history.set(times.at(-1)!, model)
          }
          expect(await readAll(store, CLOCK)).toEqual(model)
          for (const [time, content] of history) expect(await readAll(store, CLOCK, time)).toEqual(content)
        }
        await checkFiles(store)
      }),
      { numRuns: propertyRuns(30) },
    )
  },
)

test.each(VERSIONS)(
  'I4, I9: a writer that goes on after failed calls, beside another one, sees and keeps what is there (version %i)',
  { timeout: 60_000 },
  async (version) => {
    const operation = fc.record({
      writes: WRITES,
      who: fc.nat({ max: 1 }),
      fault: fc.option(fc.record({ n: fc.nat({ max: 40 }), fault: fc.constantFrom<Fault>('fail-before', 'fail-after', 'lost') }), {
        nil: null,
      }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 10 }), async (operations) => {
        const store = new MemoryStore(CLOCK)
        const stores = [store, store.reopen()]
        const writers = stores.map((s) => new TrivialWriter(s, CLOCK, version))
        let model = new Map<string, string>()
        let commits = 0
        for (const [tag, { writes, who, fault }] of operations.entries()) {
          const first = stores[who].calls
          stores[who].faults = (n) => (fault !== null && n - first === fault.n ? fault.fault : null)
          await writers[who].write(writes, checkpointOf(tag)).catch((e: unknown) => {
            if (!isFailure(e, 'TRB-STORE-004')) throw e
          })
          stores[who].faults = () => null
          const times = await completedTimes(store)
          if (times.length > commits) model = apply(model, writes)
          commits = times.length
          expect(await readAll(store.reopen(), CLOCK)).toEqual(model)
        }
        await checkFiles(store.reopen())
      }),
      { numRuns: propertyRuns(40) },
    )
  },
)

/** I3: every file that a completed commit names exists, with the size recorded. */
async function checkFiles(store: MemoryStore): Promise<void> {
  const protocol = new CommitProtocol(store, SPEC.path, CLOCK)
  await protocol.timeline.refresh()
  for (const i of completedWrites(protocol.timeline.timeline, null)) {
    for (const s of [...(await protocol.timeline.commit(i.time, i.action)).stats.values()].flat()) {
      expect((await store.head(`${SPEC.path}/${s.path}`))?.size).toBe(s.fileSizeInBytes)
    }
  }
}
