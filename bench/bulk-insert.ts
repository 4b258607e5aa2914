import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Step } from './cow-upsert-work.ts'
import type { Bench, BenchRow, Figure } from './measure.ts'

const ROWS = 1_000_000

/** One warm JVM, driver and Python together. */
const SPARK: Figure = {
  rows: ROWS,
  wallS: 19.28,
  cpuS: 22.39,
  rssMb: 1879,
  recorded: 'taken on a quiet virtual machine, 2 cores AMD EPYC, JDK 17, local[2], 2026-11-21',
}

/** A new table of 1 M rows, keys, Bloom filter, meta columns and commit included; DuckDB writes the same columns to one file. */
export const bench: Bench = {
  name: 'bulk-insert',
  question: 'what does a process pay that does nothing but put 1 M rows × 12 columns into a new table (Snappy)?',
  async run(say, runs): Promise<readonly BenchRow[]> {
    const ours: Step[] = []
    const reference: Step[] = []
    for (let i = 0; i < runs; i++) {
      const dir = mkdtempSync(join(tmpdir(), 'bench-bulk-'))
      try {
        say(`run ${i + 1}: table writer`)
        ours.push(...(await work('bulk', dir)))
        say(`run ${i + 1}: DuckDB`)
        reference.push(...(await work('duckdb', dir)))
      } finally {
        rmSync(dir, { recursive: true, force: true })
      }
    }
    return [
      { work: 'bulk insert', ours: least(ours), reference: { name: 'DuckDB COPY of the table', figure: least(reference) }, by: 'cpu' },
      { work: 'the same', ours: least(ours), reference: { name: 'Spark-Hudi 0.15 bulk_insert', figure: SPARK }, by: 'cpu' },
    ]
  },
}

/** What the insert cost, alone in its process. */
async function work(mode: string, dir: string): Promise<Step[]> {
  const script = join(import.meta.dirname, 'cow-upsert-work.ts')
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', script, mode, dir, String(ROWS)], { timeout: 300_000 })
  return (JSON.parse(stdout) as Step[]).filter((s) => s.step === 'insert')
}

function least(steps: readonly Step[]): Figure {
  return [...steps].sort((a, b) => a.cpuS - b.cpuS)[0] ?? { absent: 'the step was not measured' }
}
