import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Bench, type BenchRow, type Figure, measureWorker } from './measure.ts'

/** Compaction of a merge-on-read table whose logs hold two flushes of 5 % each, in a process that does nothing else. */
export const bench: Bench = {
  name: 'compaction',
  question: 'what does merging two logs of 5 % each into a base file cost, and how much memory does it take with 5 M rows?',
  async run(say): Promise<readonly BenchRow[]> {
    const rows: BenchRow[] = []
    for (const count of [1_000_000, 5_000_000]) {
      const dir = mkdtempSync(join(tmpdir(), 'bench-compact-'))
      try {
        say(`${count} rows: making the table`)
        const script = join(import.meta.dirname, 'compaction-work.ts')
        await measureWorker(script, ['make', dir, String(count)])
        say(`${count} rows: compaction`)
        const { cost, rows: written } = await measureWorker(script, ['compact', dir, String(count)])
        const ours: Figure = { ...cost, rows: written }
        rows.push({ work: `compaction of ${count / 1e6} M rows`, ours, reference: { name: 'none', figure: NONE }, by: 'cpu' })
      } finally {
        rmSync(dir, { recursive: true, force: true })
      }
    }
    return rows
  },
}

const NONE: Figure = { absent: 'a compaction alone was not recorded of other engines' }
