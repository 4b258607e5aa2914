import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { TableSpec } from '../../../src/contract/table.ts'
import { isFailure } from '../../../src/failure/failure.ts'
import { fileSlices } from '../../../src/lake/read/slices.ts'
import { type CompactionPolicy, Compactor, isDue } from '../../../src/lake/service/compactor.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { openTableWriter } from '../../../src/lake/write/open-table.ts'
import { type Fault, MemoryStore, SimulatedCrash } from '../../../src/storage/memory/memory-store.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { propertyRuns } from '../../support/property-runs.ts'
import { tableRows } from '../table-rows.ts'
import { changesOf, Model, type TestChange } from '../write/model.ts'

const scratchDir = mkdtempSync(join(tmpdir(), 'compactor-'))
afterAll(() => rmSync(scratchDir, { recursive: true }))
const clock = fixedClock()
const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'int' } },
  { name: 'note', type: { kind: 'string' } },
  { name: 'tags', type: { kind: 'list', element: { kind: 'string' } } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
const SPEC = { name: 't', database: 'd', path: 't', columns: COLUMNS, key: ['id'], orderingField: '_event_lsn', partition: null } as const
const POLICY: CompactionPolicy = { logs: 2, leastShare: 0, mostLogs: 100, share: 1000, ageMs: null }
const anyChange = fc.record({ op: fc.constantFrom('c', 'u', 'u', 'd'), id: fc.nat(40), note: fc.constantFrom('a', 'bb', 'a longer note') })
const anyFault = fc.constantFrom<Fault>('crash-before', 'crash-after', 'fail-before', 'fail-after', 'lost')
const VERSIONS = [6, 9] as const

describe.each(VERSIONS)('version %s', (tableVersion) => {
  it('a compaction changes no row, whatever call of it fails, and a new process carries it through', async () => {
    const flushes = fc.array(fc.array(anyChange, { minLength: 1, maxLength: 25 }), { minLength: 2, maxLength: 6 })
    const faults = fc.array(fc.record({ at: fc.nat(30), fault: anyFault }), { maxLength: 3 })
    const sizes = fc.record({ budget: fc.constantFrom(1 << 26, 600), group: fc.constantFrom(1 << 26, 700), buckets: fc.constantFrom(1, 2) })
    await fc.assert(
      fc.asyncProperty(flushes, faults, sizes, async (all, plan, { budget, group, buckets }) => {
        let store = new MemoryStore(clock)
        const spec: TableSpec = { ...SPEC, buckets, tableType: 'MERGE_ON_READ', tableVersion }
        const model = new Model([0])
        const pending = [...plan]
        let lsn = 0n
        const deps = { scratchDir, memoryBudget: budget, rowGroupBytes: group, sole: true }
        for (const raw of all) {
          const changes = raw.map((x): TestChange => ({ op: x.op as 'c', row: [x.id, x.note, [x.note, null], ++lsn], gone: [] }))
          const writer = await openTableWriter(store, spec, { clock, scratchDir, memoryBudget: 1 << 26, rowGroupBytes: group })
          const staged = await writer.stage([changesOf(COLUMNS, changes, false)])
          expect(await writer.commit(staged, { source: 's', commit: null, commitUs: null, topic: 't', nextOffset: 0 })).toBe('committed')
          for (const c of changes) model.apply(c)
          const before = await tableRows(store, 't', clock, 'snapshot')
          expect(before.length).toBe(model.size)
          for (let done = false; !done; ) {
            const next = pending.shift()
            store.faults = next === undefined ? () => null : (call) => (call === next.at ? next.fault : null)
            try {
              const ts = new TimelineStore(store, 't', clock)
              await new Compactor(POLICY, deps).run(ts)
              done = true
            } catch (e) {
              if (!(e instanceof SimulatedCrash) && !isFailure(e, 'TRB-STORE-004')) throw e
            }
            store = store.reopen()
            expect(await tableRows(store, 't', clock, 'snapshot')).toEqual(before)
          }
          const ts = new TimelineStore(store, 't', clock)
          await ts.refresh()
          expect((await fileSlices(ts, null)).every((s) => !isDue(s, POLICY, clock.now()))).toBe(true)
          expect(ts.timeline.instants.every((i) => i.state === 'completed')).toBe(true)
        }
      }),
      { numRuns: propertyRuns(12) },
    )
  }, 120_000)
})
