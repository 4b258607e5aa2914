import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Step } from './cow-upsert-work.ts'
import { type Bench, type BenchRow, type Figure, measureWorker } from './measure.ts'

const ROWS = 1_000_000

/** 45 k updates and 5 k inserts into 1 M rows × 12 columns, one warm JVM (driver and Python together). */
const SPARK_UPSERT: Figure = {
  rows: 50_000,
  wallS: 30.18,
  cpuS: 37.78,
  rssMb: 2184,
  recorded: 'taken on a quiet virtual machine, 2 cores AMD EPYC, JDK 17, local[2], 2026-11-21',
}

/** Copy-on-write: new rows into base files, then 5 % upserts (90 % updates) merged into them; DuckDB does the same on the same files. */
export const bench: Bench = {
  name: 'cow-upsert',
  question: 'what do an insert of 1 M rows × 12 columns and an upsert of 50 k rows into them cost in base files (Snappy)?',
  async run(say, runs): Promise<readonly BenchRow[]> {
    const ours: Step[] = []
    const reference: Step[] = []
    for (let i = 0; i < runs; i++) {
      const dir = mkdtempSync(join(tmpdir(), 'bench-cow-'))
      try {
        say(`run ${i + 1}: table writer`)
        ours.push(...(await work('ours', dir)))
        say(`run ${i + 1}: DuckDB`)
        reference.push(...(await work('duckdb', dir)))
      } finally {
        rmSync(dir, { recursive: true, force: true })
      }
    }
    const row = (name: string, step: string, of: string, text: string): BenchRow => {
      return { work: name, ours: best(ours, step), reference: { name: text, figure: best(reference, of) }, by: 'cpu' }
    }
    return [
      row('parquet: 12 columns, writer alone', 'parquet', 'insert', 'DuckDB COPY of the table (17 columns)'),
      {
        work: 'the same',
        ours: best(ours, 'parquet'),
        reference: { name: 'parquetjs-lite, 12 columns', figure: await parquetjs() },
        by: 'cpu',
      },
      row('COW insert', 'insert', 'insert', 'DuckDB COPY of the table'),
      row('COW upsert of 5 %, first of its process', 'upsert', 'upsert', 'DuckDB join and COPY'),
      row('COW upsert of 5 %, later ones', 'upsert again', 'upsert', 'DuckDB join and COPY'),
      { work: 'the same', ours: best(ours, 'upsert'), reference: { name: 'Spark-Hudi 0.15', figure: SPARK_UPSERT }, by: 'cpu' },
    ]
  },
}

/** parquetjs-lite on a tenth of the rows: it is that slow. */
async function parquetjs(): Promise<Figure> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-cow-'))
  try {
    const { cost, rows } = await measureWorker(join(import.meta.dirname, 'parquetjs-work.ts'), [join(dir, 'x.parquet'), String(ROWS / 10)])
    return { ...cost, rows }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

async function work(mode: string, dir: string): Promise<Step[]> {
  const script = join(import.meta.dirname, 'cow-upsert-work.ts')
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', script, mode, dir, String(ROWS)], { timeout: 300_000 })
  return JSON.parse(stdout) as Step[]
}

/** The cheapest of the runs. */
function best(steps: readonly Step[], step: string): Figure {
  const found = steps.filter((s) => s.step === step).sort((a, b) => a.cpuS - b.cpuS)[0]
  return found === undefined ? { absent: 'the step was not measured' } : found
}
