import { expect, test } from 'vitest'
import { postgresUrl } from '../support/postgres.ts'
import { killTest } from './kill-test.ts'

const kills = Number(process.env['TRIBUTARY_KILLS'] ?? 3)
const seed = Number(process.env['TRIBUTARY_SEED'] ?? process.pid)

test(
  `after ${kills} kills at random moments the lake equals the database (TRIBUTARY_SEED=${seed})`,
  async () => {
    const report = await killTest({ kills, seed, url: postgresUrl(), log: () => undefined })
    expect(report.problems).toEqual([])
    expect(report.kills).toBeGreaterThanOrEqual(kills)
    expect(report.comparisons).toBeGreaterThan(0)
  },
  60_000 + kills * 20_000,
)
