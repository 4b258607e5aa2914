import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Step } from './cow-upsert-work.ts'
import type { Bench, BenchRow, Figure } from './measure.ts'

const ROWS = 1_000_000
const QUIET = 'taken on a quiet virtual machine, 2 cores AMD EPYC, 2026-11-21'

/** The same table and batches, one warm JVM (JDK 17, local[2]), driver and Python together. */
const SPARK_50K: Figure = { rows: 50_000, wallS: 6.44, cpuS: 10.76, rssMb: 2342, recorded: QUIET }
const SPARK_10K: Figure = { rows: 10_000, wallS: 5.02, cpuS: 7.89, rssMb: 2342, recorded: QUIET }
/** Native writer in Rust, version 9, without metadata table; the middle of what three upserts in a row cost. */
const RUST_50K: Figure = { rows: 50_000, wallS: 0.92, cpuS: 1.0, rssMb: 1600, recorded: QUIET }
const RUST_10K: Figure = { rows: 10_000, wallS: 1.5, cpuS: 1.5, rssMb: 1600, recorded: QUIET }

const NOBODY: Figure = { absent: 'no other engine commits that often' }

/** Merge-on-read: upserts (90 % updates) of 5 % and of 1 %, and 100 small flushes, into a table of 1 M rows × 12 columns. */
export const bench: Bench = {
  name: 'mor-upsert',
  question: 'what do upserts into a merge-on-read table of 1 M rows × 12 columns cost (Parquet log blocks, Snappy)?',
  async run(say, runs): Promise<readonly BenchRow[]> {
    const v6: Step[] = []
    const v9: Step[] = []
    const duckdb: Step[] = []
    for (let i = 0; i < runs; i++) {
      say(`run ${i + 1}: table version 6`)
      v6.push(...(await work('ours', '6')))
      say(`run ${i + 1}: table version 9`)
      v9.push(...(await work('ours', '9')))
      say(`run ${i + 1}: DuckDB`)
      duckdb.push(...(await work('duckdb', '6')))
    }
    const row = (name: string, ours: Figure, text: string, figure: Figure): BenchRow => {
      return { work: name, ours, reference: { name: text, figure }, by: 'cpu' }
    }
    const large = best(v6, 'upsert 5 %')
    const small = best(v6, '3 upserts of 1 %')
    return [
      row('MOR upsert of 5 %', large, 'DuckDB COPY of the changed rows', best(duckdb, 'upsert 5 %')),
      row('the same', large, 'Spark-Hudi 0.15', SPARK_50K),
      row('the same, version 9', best(v9, 'upsert 5 %'), 'hudi-rs 0.6.0-rc.1', RUST_50K),
      row('MOR upsert of 1 %, three in a row', small, 'Spark-Hudi 0.15', SPARK_10K),
      row('the same, version 9', best(v9, '3 upserts of 1 %'), 'hudi-rs 0.6.0-rc.1', RUST_10K),
      row('100 flushes of 1,000 updates', best(v6, '100 flushes'), 'none', NOBODY),
      row('the same, compacted by the default rules', best(v6, '100 flushes, compacted'), 'none', NOBODY),
      row('compaction of 102 log files', best(v6, 'compaction'), 'none', { absent: 'not measured' }),
    ]
  },
}

async function work(mode: string, version: string): Promise<Step[]> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-mor-'))
  try {
    const script = join(import.meta.dirname, 'mor-upsert-work.ts')
    const args = ['--expose-gc', script, mode, dir, String(ROWS), version]
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 300_000 })
    return JSON.parse(stdout) as Step[]
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** The cheapest of the runs. */
function best(steps: readonly Step[], step: string): Figure {
  const found = steps.filter((s) => s.step === step).sort((a, b) => a.cpuS - b.cpuS)[0]
  return found === undefined ? { absent: 'the step was not measured' } : found
}
