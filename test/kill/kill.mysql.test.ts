import { expect, test } from 'vitest'
import { FLAVORS, serverOptions } from '../support/mysql.ts'
import { mysqlKillTest } from './mysql-kill.ts'

const kills = Number(process.env['TRIBUTARY_KILLS'] ?? 2)
const seed = Number(process.env['TRIBUTARY_SEED'] ?? process.pid)

test.each(FLAVORS)(
  `%s: after ${kills} kills at random moments the lake equals the database (TRIBUTARY_SEED=${seed})`,
  async (flavor) => {
    const report = await mysqlKillTest({ flavor, port: serverOptions(flavor).port, kills, seed, log: () => undefined })
    expect(report.problems).toEqual([])
    expect(report.kills).toBeGreaterThanOrEqual(kills)
    expect(report.comparisons).toBeGreaterThan(0)
  },
  300_000 + kills * 60_000,
)
