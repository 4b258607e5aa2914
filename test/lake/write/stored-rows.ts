import { expect } from 'vitest'
import type { LakeColumn, Vector } from '../../../src/contract/columns.ts'
import type { ObjectStore } from '../../../src/contract/object-store.ts'
import { storedColumns } from '../../../src/lake/layout/table-properties.ts'
import { mergedRows } from '../../../src/lake/read/delta.ts'
import { mergeRulesOf } from '../../../src/lake/read/merge-rules.ts'
import { LakeTableReader } from '../../../src/lake/read/table-reader.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { type Value, valuesOf } from '../../format/parquet/values.ts'
import { fixedClock } from '../../support/fixed-clock.ts'

/** The rows of a table of any type, base files and logs merged, by our own reader; record keys must be unique. */
export async function storedRows(store: ObjectStore, path: string, columns: readonly LakeColumn[]): Promise<Value[][]> {
  const clock = fixedClock()
  const plan = await new LakeTableReader(store, path, clock).plan({ kind: 'latest' }, 'snapshot')
  const rules = mergeRulesOf(await new TimelineStore(store, path, clock).properties(), path)
  const schema = storedColumns(plan.spec)
  const out: Value[][] = []
  const keys = new Set<Value>()
  for (const slice of plan.slices) {
    for await (const chunk of mergedRows({ store, table: path, slice, schema, rules, visible: plan.counts })) {
      const values = (name: string): Value[] => {
        const at = chunk.columns.findIndex((c) => c.name === name)
        return valuesOf(chunk.columns[at].type, chunk.vectors[at] as Vector, chunk.count)
      }
      for (const k of values('_hoodie_record_key')) {
        expect(keys.has(k), `record key ${String(k)} is unique`).toBe(false)
        keys.add(k)
      }
      const found = columns.map((c) => values(c.name))
      for (let i = 0; i < chunk.count; i++) out.push(found.map((v) => v[i]))
    }
  }
  return out
}
