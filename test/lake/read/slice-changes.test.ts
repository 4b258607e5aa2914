import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SliceFile } from '../../../src/contract/slice.ts'
import { rowLines } from '../../../src/format/json/row-lines.ts'
import { ParquetFile } from '../../../src/format/parquet/file.ts'
import { baseRows } from '../../../src/lake/read/base-rows.ts'
import { mergeRulesOf } from '../../../src/lake/read/merge-rules.ts'
import { sliceChanges } from '../../../src/lake/read/slice-changes.ts'
import { LakeTableReader } from '../../../src/lake/read/table-reader.ts'
import { scanTable } from '../../../src/lake/read/table-scan.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { materialise } from '../../../src/lake/write/materialise.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { GOLDEN_TABLES } from '../../conformance/hudi-golden.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { goldenStore } from '../../support/golden-table.ts'

const clock = fixedClock(Date.UTC(2026, 10, 22))
let scratchDir = ''
beforeAll(() => {
  scratchDir = mkdtempSync(join(tmpdir(), 'tributary-slices-'))
})
afterAll(() => rmSync(scratchDir, { recursive: true, force: true }))

/** What `lake query --as-of` does before it replays the log on top: base files that need no logs. */
describe.each([1, 1 << 28])('with %i bytes for the logs', (bytes) => {
  test.each(GOLDEN_TABLES.filter((t) => t.includes('_mor_') && !t.endsWith('_no_meta')))(
    '%s: base files merged with the changes of its logs are its snapshot',
    async (name) => {
      const store = await goldenStore(name, 't')
      const plan = await new LakeTableReader(store, 't', clock).plan({ kind: 'latest' }, 'snapshot')
      const rules = mergeRulesOf(await new TimelineStore(store, 't', clock).properties(), 't')
      const out = new MemoryStore(clock)
      const logs = join(scratchDir, `${name}-${bytes}`)
      const deps = { clock, scratchDir, memoryBudget: 1 << 24, rowGroupBytes: 1 << 24 }
      const changes = sliceChanges(store, plan, rules, { bytes, directory: logs, name: 'logs' })
      const made = await materialise(store, plan, plan.columns, changes, out, '29991231000000000', deps)
      const print = rowLines(plan.columns)
      const lines: string[] = []
      const read = async (from: MemoryStore, files: readonly SliceFile[]): Promise<void> => {
        for (const f of files) {
          const file = await ParquetFile.open(from, f.key, f.bytes)
          for await (const c of baseRows(file, plan.columns, new Int32Array(0))) lines.push(...print(c.vectors, c.count).split('\n'))
        }
      }
      await read(store, made.kept)
      await read(out, made.written)
      const wanted: string[] = []
      for await (const c of (await scanTable(store, 't', clock, { kind: 'snapshot', asOf: null })).rows()) {
        wanted.push(...print(c.vectors.slice(5), c.count).split('\n'))
      }
      const rows = (all: readonly string[]): string[] => all.filter((l) => l !== '').sort()
      expect(rows(wanted).length).toBeGreaterThan(0)
      expect(rows(lines)).toEqual(rows(wanted))
      // a scratch file is not there any more, but its directory is
      expect(existsSync(logs)).toBe(bytes === 1 && plan.slices.some((s) => s.logs.length > 0))
    },
  )
})
