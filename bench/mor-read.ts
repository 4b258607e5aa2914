import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Bench, type BenchRow, type Cost, type Figure, measureCommand } from './measure.ts'

const ROWS = 1_000_000
const QUIET = 'taken on a quiet virtual machine, 2 cores AMD EPYC, 2026-11-21'

/** The same query on such a table: one warm JVM; a program that reads three of the columns. */
const SPARK: Figure = { rows: ROWS, wallS: 2.36, cpuS: 2.86, rssMb: 2342, recorded: QUIET }
const RUST: Figure = { rows: ROWS, wallS: 3.79, cpuS: 3.63, rssMb: 1093, recorded: QUIET }

/** Merge-on-read, read: a base file of 1 M rows × 12 columns and ten log files of 1 % each, through `lake query`, start of the program included. */
export const bench: Bench = {
  name: 'mor-read',
  question:
    'what does select count(*), sum(amount) cost over 1 M rows × 12 columns with 10 log files, beside a plain scan of the base file?',
  async run(say, runs): Promise<readonly BenchRow[]> {
    const dir = mkdtempSync(join(tmpdir(), 'bench-read-'))
    try {
      say('the table')
      const script = join(import.meta.dirname, 'mor-read-work.ts')
      await measureCommand(process.execPath, [script, 'make', dir, String(ROWS)])
      const lake = join(import.meta.dirname, '..', 'bin', 'lake.mjs')
      const query = [lake, 'query', 'select count(*), sum(amount) from orders', '--lake', dir]
      const ours: Cost[] = []
      const plain: Cost[] = []
      // the first start fills the cache of compiled code
      await measureCommand(process.execPath, query)
      for (let i = 0; i < Math.max(3, runs); i++) {
        say(`run ${i + 1}`)
        ours.push(await measureCommand(process.execPath, query))
        plain.push(await measureCommand(process.execPath, [script, 'scan', dir, String(ROWS)]))
      }
      const row = (name: string, reference: string, figure: Figure): BenchRow => {
        return { work: name, ours: best(ours), reference: { name: reference, figure }, by: 'cpu' }
      }
      return [
        row('MOR count and sum, 10 logs', 'DuckDB, base file only', best(plain)),
        row('the same', 'Spark-Hudi 0.15', SPARK),
        row('the same', 'hudi-rs 0.5.0', RUST),
      ]
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  },
}

/** The cheapest run. */
function best(costs: readonly Cost[]): Figure {
  return { ...[...costs].sort((a, b) => a.cpuS - b.cpuS)[0], rows: ROWS }
}
