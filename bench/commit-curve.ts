import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { CurvePoint } from './commit-curve-work.ts'
import type { Bench, BenchRow, Figure } from './measure.ts'

const COMMITS = 10_000

/** One-row commits with the services of `cdc run` on: what the last hundred before each mark cost, per commit. */
export const bench: Bench = {
  name: 'commit-curve',
  question: `does a commit cost the same at the 100th as at the ${COMMITS}th, with compaction, clean and archival on (in memory, one row each)?`,
  async run(say): Promise<readonly BenchRow[]> {
    const rows: BenchRow[] = []
    for (const [name, kind, version] of [
      ['copy-on-write, version 6', 'COPY_ON_WRITE', '6'],
      ['copy-on-write, version 9', 'COPY_ON_WRITE', '9'],
      ['merge-on-read, version 6', 'MERGE_ON_READ', '6'],
      ['merge-on-read, version 9', 'MERGE_ON_READ', '9'],
    ] as const) {
      const points = await work(kind, version)
      for (const p of points) {
        say(
          `${name}: commit ${p.commits}: ${p.cpuMs.toFixed(2)} ms CPU, ${p.wallMs.toFixed(2)} ms, ${p.calls.toFixed(1)} calls to the store`,
        )
      }
      // The first hundreds are compiled code warming up.
      const early = points.find((p) => p.commits === 1000)!
      const late = points.at(-1)!
      rows.push({
        work: `${name}: commit ${late.commits}`,
        ours: figure(late),
        reference: { name: 'commit 1,000', figure: figure(early) },
        by: 'cpu',
      })
    }
    return rows
  },
}

function figure(p: CurvePoint): Figure {
  return { rows: 100, wallS: p.wallMs / 10, cpuS: p.cpuMs / 10, rssMb: 0 }
}

async function work(kind: string, version: string): Promise<readonly CurvePoint[]> {
  // A disk's own moods would hide the curve.
  const dir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'bench-curve-'))
  try {
    const script = join(import.meta.dirname, 'commit-curve-work.ts')
    const args = [script, kind, dir, String(COMMITS), version]
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 900_000 })
    return JSON.parse(stdout) as CurvePoint[]
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
