import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { ObjectStore } from '../../../src/contract/object-store.ts'
import { rowLines } from '../../../src/format/json/row-lines.ts'
import { type ScanRequest, scanTable } from '../../../src/lake/read/table-scan.ts'
import { compactAll } from '../../../src/lake/service/compaction.ts'
import { openTableWriter } from '../../../src/lake/write/open-table.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { GOLDEN_TABLES } from '../../conformance/hudi-golden.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { goldenAnswers, goldenStore } from '../../support/golden-table.ts'
import { propertyRuns } from '../../support/property-runs.ts'
import { changesOf, type TestChange } from '../write/model.ts'

type Row = Readonly<Record<string, unknown>>
const clock = fixedClock(Date.UTC(2026, 10, 22))

async function rows(store: ObjectStore, request: ScanRequest): Promise<Map<string, Row>> {
  const scan = await scanTable(store, 't', clock, request)
  const text = rowLines(scan.columns)
  const out = new Map<string, Row>()
  for await (const { vectors, count } of scan.rows()) {
    for (const line of text(vectors, count).trimEnd().split('\n')) {
      if (line === '') continue
      // a row that stays is carried on into later files
      const { _hoodie_file_name: _, ...all } = JSON.parse(line) as Row
      // a column may have come later
      const row: Row = Object.fromEntries(Object.entries(all).filter(([, v]) => v !== null))
      const key = JSON.stringify([row['_hoodie_partition_path'], row['_hoodie_record_key']])
      expect(out.has(key), key).toBe(false)
      out.set(key, row)
    }
  }
  return out
}

const range = (from: string, to: string): ScanRequest => ({ kind: 'incremental', from, to })

/**
 * (a,b] then (b,c], each row in place of an earlier one of its key, is (a,c]; a key that is gone at c is in neither. What is in a range is what the state
 * at its end has of the range's commits.
 */
async function holds(store: ObjectStore, [a, b, c]: readonly string[], [atB, atC]: readonly string[]): Promise<void> {
  const state = await rows(store, { kind: 'snapshot', asOf: atC })
  const before = await rows(store, { kind: 'snapshot', asOf: atB })
  const together = new Map([...(await rows(store, range(a, b))), ...(await rows(store, range(b, c)))])
  for (const key of together.keys()) if (!state.has(key)) together.delete(key)
  const over = await rows(store, range(a, c))
  for (const [key, row] of over) expect(row).toEqual(state.get(key))
  // A row that was deleted at b and is back at c without a new commit: a later record took the delete's place in a log, and lost against the stored row.
  for (const key of over.keys()) if (!together.has(key) && !before.has(key)) over.delete(key)
  const sorted = (m: Map<string, Row>): [string, Row][] => [...m].sort(([x], [y]) => (x < y ? -1 : 1))
  expect(sorted(together)).toEqual(sorted(over))
}

interface OnTimeline {
  readonly t: string
  readonly c?: string
  readonly state: string
  readonly action: string
}

describe('two ranges put together are the range over both', () => {
  // What a clean has left has no state to compare with; a late row that fills nulls changes a row without a commit of its own.
  const tables = GOLDEN_TABLES.filter(
    (t) => /_mor_|_cow_event_time/.test(t) && !/clean_archive|_partial$|restored|rollback|payload|no_meta/.test(t),
  )
  test.each(tables)('%s', async (name) => {
    const store = await goldenStore(name, 't')
    const { timeline } = goldenAnswers(name) as unknown as { timeline: readonly OnTimeline[] }
    const writes = timeline.filter((i) => i.state === 'completed' && /commit$/.test(i.action))
    const at = (i: OnTimeline): string => i.c ?? i.t
    const order = [...writes].sort((x, y) => (at(x) < at(y) ? -1 : 1))
    for (let n = 1; n < order.length; n++) {
      const last = order[n]!
      // a state is one by request times
      if (order.some((i) => i.t > last.t !== at(i) > at(last) && i !== last)) continue
      await holds(store, ['0', at(order[n - 1]!), at(last)], [order[n - 1]!.t, last.t])
      if (n > 1) await holds(store, [at(order[n - 2]!), at(order[n - 1]!), at(last)], [order[n - 1]!.t, last.t])
    }
  })
})

const dir = mkdtempSync(join(tmpdir(), 'lake-ranges-'))
afterAll(() => rmSync(dir, { recursive: true }))
const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'int' } },
  { name: 'name', type: { kind: 'string' } },
  { name: 'lsn', type: { kind: 'long' } },
]
const change = fc.record({
  op: fc.constantFrom('u', 'u', 'u', 'd'),
  id: fc.integer({ min: 1, max: 6 }),
  lsn: fc.integer({ min: 1, max: 9 }),
})
const commit = fc.oneof(
  { weight: 5, arbitrary: fc.array(change, { minLength: 1, maxLength: 5 }) },
  { weight: 1, arbitrary: fc.constant('compact' as const) },
)

/** Rows come in any order of their ordering values, and compactions between them. */
test.each([6, 9] as const)(
  'rows that come late, deletes and compactions, version %i',
  async (tableVersion) => {
    await fc.assert(
      fc.asyncProperty(fc.array(commit, { minLength: 3, maxLength: 8 }), async (commits) => {
        const now = fixedClock()
        const store = new MemoryStore(now)
        const spec = {
          name: 't',
          database: 'd',
          path: 't',
          columns: COLUMNS,
          key: ['id'],
          orderingField: 'lsn',
          partition: null,
          buckets: 2,
        }
        const deps = { clock: now, scratchDir: join(dir, 's') }
        const writer = await openTableWriter(store, { ...spec, tableType: 'MERGE_ON_READ', tableVersion }, deps)
        const ends: { readonly at: string; readonly time: string }[] = []
        for (const [n, c] of commits.entries()) {
          if (c === 'compact') {
            await compactAll(writer.timeline, { scratchDir: deps.scratchDir, memoryBudget: 1 << 24, rowGroupBytes: 1 << 20 })
            continue
          }
          const last = new Map(c.map((x) => [x.id, x]))
          const changes = [...last.values()].map(
            ({ op, id, lsn }): TestChange => ({ op: op as 'u', row: [id, `${n}-${lsn}`, BigInt(lsn)], gone: [] }),
          )
          const staged = await writer.stage([changesOf(COLUMNS, changes, false)])
          await writer.commit(staged, null)
          const done = writer.timeline.timeline.instants.find((i) => i.time === staged.instant)!
          ends.push({ time: done.time, at: done.completion ?? done.time })
        }
        for (let n = 1; n < ends.length; n++) {
          await holds(store, ['0', ends[n - 1].at, ends[n].at], [ends[n - 1].time, ends[n].time])
          if (n > 1) await holds(store, [ends[n - 2].at, ends[n - 1].at, ends[n].at], [ends[n - 1].time, ends[n].time])
        }
      }),
      { numRuns: propertyRuns(6) },
    )
  },
  180_000,
)
