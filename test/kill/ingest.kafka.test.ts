import { expect, inject, test } from 'vitest'
import { ingestKillTest } from './ingest-kill.ts'

const kills = Number(process.env['TRIBUTARY_INGEST_KILLS'] ?? 2)
const seed = Number(process.env['TRIBUTARY_SEED'] ?? process.pid)

test(
  `after ${kills} kills and freezes of members of a group the lake holds what the topics say, once (TRIBUTARY_SEED=${seed})`,
  async () => {
    const { bootstrap } = inject('kafka')
    const report = await ingestKillTest({ bootstrap, kills, members: 2, seed, log: () => undefined })
    expect(report.problems).toEqual([])
    expect(report.kills).toBe(kills)
  },
  300_000 + kills * 60_000,
)
