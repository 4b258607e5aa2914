import { describe, expect, test } from 'vitest'
import type { LakeColumn, Vector } from '../../../src/contract/columns.ts'
import type { ObjectStore } from '../../../src/contract/object-store.ts'
import { rowObject } from '../../../src/format/json/row-lines.ts'
import { rowHistory } from '../../../src/lake/read/row-history.ts'
import { diffStates } from '../../../src/lake/read/state-diff.ts'
import { scanTable } from '../../../src/lake/read/table-scan.ts'
import { GOLDEN_TABLES } from '../../conformance/hudi-golden.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { goldenAnswers, goldenStore } from '../../support/golden-table.ts'

type Row = Readonly<Record<string, unknown>>
/** One of each kind; TRIBUTARY_TEST_GOLDEN=all takes all recorded tables. */
const KINDS =
  /_(nonpart|part_compacted_then_upsert|mor_part_compaction_requested_then_upsert|evolve|event_time|clustering_done|insert_overwrite_table|mor_rollback_done)$/
const TABLES = process.env['TRIBUTARY_TEST_GOLDEN'] === 'all' ? GOLDEN_TABLES : GOLDEN_TABLES.filter((t) => KINDS.test(t))

const clock = fixedClock(Date.UTC(2026, 10, 22))

function objects(columns: readonly LakeColumn[], vectors: readonly Vector[], count: number): Row[] {
  const object = rowObject(columns)
  return Array.from({ length: count }, (_, r) => JSON.parse(object(vectors, r)) as Row)
}

/** Rows by record key, meta columns and columns that are null left out. */
async function stateAt(store: ObjectStore, asOf: string | null): Promise<Map<string, string>> {
  const scan = await scanTable(store, 't', clock, { kind: 'snapshot', asOf })
  const out = new Map<string, string>()
  for await (const c of scan.rows()) {
    for (const r of objects(scan.columns, c.vectors, c.count)) out.set(String(r['_hoodie_record_key']), own(r))
  }
  return out
}

const own = (r: Row): string =>
  JSON.stringify(
    Object.entries(r)
      .filter(([k, v]) => v !== null && !/^_hoodie_(commit|record|partition|file)/.test(k))
      .sort(),
  )

const statesOf = (name: string): string[] =>
  Object.keys(goldenAnswers(name).queries).flatMap((q) => (q.startsWith('as_of:') ? [q.slice(6)] : []))

describe('the versions of a row tell what it was in every state', () => {
  test.each(TABLES)('%s', async (name) => {
    const store = await goldenStore(name, 't')
    const states = statesOf(name).sort()
    const wanted = [...(await Promise.all(states.map((s) => stateAt(store, s)))), await stateAt(store, null)]
    const keys = new Set(wanted.flatMap((s) => [...s.keys()]))
    for (const key of keys) {
      const history = await rowHistory(store, 't', clock, key)
      const versions: { commit: string; row: string | null }[] = []
      for await (const { commit, row } of history.versions()) {
        versions.push({ commit, row: row === null ? null : own(objects(history.columns, row.vectors, 1)[0]) })
      }
      for (const [i, asOf] of [...states, '9'].entries()) {
        const then = versions.findLast((v) => v.commit <= asOf)?.row ?? null
        expect(then, `${key} as of ${asOf}`).toBe(wanted[i].get(key) ?? null)
      }
      for (let i = 1; i < versions.length; i++) expect(versions[i].commit > versions[i - 1].commit).toBe(true)
    }
    expect(keys.size).toBeGreaterThan(0)
  })
})

describe('the difference of two states, applied to the first, gives the second', () => {
  test.each(TABLES)('%s', async (name) => {
    const store = await goldenStore(name, 't')
    const states = [...statesOf(name), null]
    for (const [i, from] of states.slice(0, -1).entries()) {
      for (const to of [from, states[i + 1], states[0]]) {
        const diff = await diffStates(store, 't', clock, from, to)
        const state = [...(await stateAt(store, from)).values()]
        for await (const { before, after, count } of diff.changes()) {
          for (const row of before === null ? [] : objects(diff.columns, before.vectors, count)) {
            expect(state.splice(state.indexOf(own(row)), 1)).toEqual([own(row)])
          }
          if (after !== null) state.push(...objects(diff.columns, after.vectors, count).map(own))
        }
        expect(state.sort()).toEqual([...(await stateAt(store, to)).values()].sort())
        if (from === to) expect((await diff.changes().next()).done).toBe(true)
      }
    }
  })
})

test('a key that never was has no versions', async () => {
  const store = await goldenStore('v6_mor_part_logs', 't')
  const history = await rowHistory(store, 't', clock, 'none')
  expect((await history.versions().next()).done).toBe(true)
})
