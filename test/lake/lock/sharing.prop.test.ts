import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { Staged, TableSpec } from '../../../src/contract/table.ts'
import { type ConcurrencySettings, tableConcurrency } from '../../../src/lake/lock/table-concurrency.ts'
import { compactAll } from '../../../src/lake/service/compaction.ts'
import { openTableWriter } from '../../../src/lake/write/open-table.ts'
import type { LakeTableWriter } from '../../../src/lake/write/table-writer.ts'
import { MemoryStore, SimulatedCrash } from '../../../src/storage/memory/memory-store.ts'
import { show } from '../../format/parquet/values.ts'
import { type ManualClock, manualClock } from '../../support/manual-clock.ts'
import { propertyRuns } from '../../support/property-runs.ts'
import { checkpointOf } from '../trivial-writer.ts'
import { changesOf } from '../write/model.ts'
import { storedRows } from '../write/stored-rows.ts'

const dir = mkdtempSync(join(tmpdir(), 'trib-sharing-'))
afterAll(() => rmSync(dir, { recursive: true }))

const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'int' } },
  { name: 'note', type: { kind: 'string' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
const SHARED: ConcurrencySettings = { mode: 'optimistic_concurrency_control', lock: 'storage', times: { waitMs: 3_600_000 } }
const WRITERS = 3
const KINDS = [
  { tableType: 'COPY_ON_WRITE', tableVersion: 6 },
  { tableType: 'COPY_ON_WRITE', tableVersion: 9 },
  { tableType: 'MERGE_ON_READ', tableVersion: 6 },
  { tableType: 'MERGE_ON_READ', tableVersion: 9 },
] as const
type Kind = (typeof KINDS)[number]

/** begin: stages changes (a stage that is open is completed first). finish: completes it. die: the process is gone, at its n-th call while it finishes. */
type Op =
  | { readonly do: 'begin'; readonly writer: number; readonly ids: readonly number[]; readonly remove: boolean }
  | { readonly do: 'finish'; readonly writer: number }
  | { readonly do: 'die'; readonly writer: number; readonly at: number }
  | { readonly do: 'compact'; readonly writer: number }

const writer = fc.nat(WRITERS - 1)
const anyOp: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('begin' as const),
      writer,
      ids: fc.uniqueArray(fc.nat(11), { minLength: 1, maxLength: 4 }),
      remove: fc.nat(4).map((n) => n === 0),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('finish' as const), writer }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('die' as const), writer, at: fc.nat(25) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const), writer }) },
)

interface OpenStage {
  readonly staged: Staged
  readonly rows: ReadonlyMap<number, string | null>
}

/** Several processes that write one table, one call after the other. */
class World {
  readonly clock: ManualClock = manualClock()
  readonly store = new MemoryStore(this.clock)
  readonly model = new Map<number, string>()
  compacted = 0
  readonly #kind: Kind
  readonly #views: MemoryStore[] = []
  readonly #writers: LakeTableWriter[] = []
  readonly #open: (OpenStage | null)[] = []
  #lsn = 0

  constructor(kind: Kind) {
    this.#kind = kind
  }

  async start(n: number): Promise<void> {
    const spec: TableSpec = {
      ...{ name: 't', database: 'd', path: 't', columns: COLUMNS, buckets: 3, key: ['id'], orderingField: '_event_lsn', partition: null },
      ...this.#kind,
    }
    this.#views[n] = this.store.reopen()
    this.#open[n] = null
    this.#writers[n] = await openTableWriter(this.#views[n], spec, { ...this.#deps, concurrency: SHARED })
  }

  get #deps(): { clock: ManualClock; scratchDir: string; memoryBudget: number; rowGroupBytes: number } {
    return { clock: this.clock, scratchDir: join(dir, 'scratch'), memoryBudget: 1 << 26, rowGroupBytes: 1 << 16 }
  }

  async run(op: Op): Promise<void> {
    await this.clock.advance(1000)
    if (op.do === 'begin') {
      if (this.#open[op.writer] !== null) await this.#finish(op.writer)
      await this.#begin(op.writer, op.ids, op.remove)
    } else if (op.do === 'finish') await this.#finish(op.writer)
    else if (op.do === 'die') await this.#die(op.writer, op.at)
    else await this.#compact(op.writer)
  }

  async end(): Promise<void> {
    for (const n of this.#writers.keys()) await this.#finish(n)
  }

  async #begin(n: number, ids: readonly number[], remove: boolean): Promise<void> {
    const lsn = ++this.#lsn
    const note = `${n}.${lsn}`
    const rows = ids.map((id) => ({ op: remove ? ('d' as const) : ('u' as const), row: [id, note, BigInt(lsn)], gone: [] }))
    const staged = await this.#writers[n].stage([changesOf(COLUMNS, rows, false)])
    // To delete what was not there when it began is to do nothing: it may be there when it ends.
    const done = ids.filter((id) => !remove || this.model.has(id))
    this.#open[n] = { staged, rows: new Map(done.map((id) => [id, remove ? null : note])) }
  }

  async #finish(n: number): Promise<void> {
    const open = this.#open[n]
    if (open === null) return
    const answer = await this.#writers[n].commit(open.staged, checkpointOf(this.#lsn))
    if (answer === 'conflict') await this.#writers[n].abandon(open.staged)
    else this.#apply(open)
    this.#open[n] = null
  }

  #apply(open: OpenStage): void {
    for (const [id, note] of open.rows) {
      if (note === null) this.model.delete(id)
      else this.model.set(id, note)
    }
  }

  /** What it was completing is there when its completed file is. Its lock and its heartbeat run out before the next one goes on. */
  async #die(n: number, at: number): Promise<void> {
    const view = this.#views[n]
    const open = this.#open[n]
    const from = view.calls
    view.faults = (call) => (call >= from + at ? 'crash-before' : null)
    try {
      if (open !== null) await this.#writers[n].commit(open.staged, checkpointOf(this.#lsn))
    } catch (e) {
      if (!(e instanceof SimulatedCrash)) throw e
    }
    view.faults = () => 'crash-before'
    await expect(view.get('t')).rejects.toBeInstanceOf(SimulatedCrash)
    const completed = open !== null && [...this.store.snapshot().keys()].some((k) => COMPLETED(open.staged.instant).test(k))
    if (open !== null && completed) this.#apply(open)
    await this.clock.advance(400_000)
    await this.start(n)
  }

  async #compact(n: number): Promise<void> {
    if (this.#kind.tableType !== 'MERGE_ON_READ') return
    const sharing = await tableConcurrency(this.#views[n], 't', this.clock, SHARED)
    const ts = this.#writers[n].timeline
    await ts.refresh()
    try {
      this.compacted += (await compactAll(ts, { ...this.#deps, sharing, sole: false })).length
    } catch (e) {
      // Another writer has a commit open on the same file groups: later, then.
      expect(['TRB-LAKE-010', 'TRB-LAKE-011', 'TRB-LAKE-012']).toContain((e as { code?: string }).code)
    }
  }
}

/** Two commits on one file group, and their compaction: the one thing that random schedules may happen not to have. */
const COMPACTED: Op[] = [
  ...[0, 1].flatMap((writer): Op[] => [
    { do: 'begin', writer, ids: [0, 1], remove: false },
    { do: 'finish', writer },
  ]),
  { do: 'compact', writer: 2 },
]

const COMPLETED = (instant: string): RegExp => new RegExp(`/${instant}(_\\d+)?[.](commit|deltacommit)$`)

it.each(KINDS)(
  '$tableType of version $tableVersion: whatever writers that share a table do, die or compact, each commit is there, and no other',
  async (kind) => {
    let compacted = 0
    await fc.assert(
      fc.asyncProperty(fc.array(anyOp, { minLength: 3, maxLength: 16 }), async (ops) => {
        const world = new World(kind)
        for (let n = 0; n < WRITERS; n++) await world.start(n)
        for (const op of ops) await world.run(op)
        await world.end()
        compacted += world.compacted
        const rows = (await storedRows(world.store, 't', COLUMNS)).map((r) => `${show(r[0])} ${show(r[1])}`)
        const expected = [...world.model].map(([id, note]) => `${show(id)} ${show(note)}`)
        expect(rows.sort()).toEqual(expected.sort())
      }),
      { numRuns: propertyRuns(20), examples: [[COMPACTED]] },
    )
    expect(compacted > 0).toBe(kind.tableType === 'MERGE_ON_READ')
  },
  120_000,
)
