import { expect, test } from 'vitest'
import { postgresUrl } from '../support/postgres.ts'
import { type KafkaKillKind, kafkaKillTest } from './kafka-kill.ts'

const kills = Number(process.env['TRIBUTARY_KILLS'] ?? 3)
const seed = Number(process.env['TRIBUTARY_SEED'] ?? process.pid)
const kinds: readonly KafkaKillKind[] =
  process.env['TRIBUTARY_KILLS'] === undefined ? ['capture', 'broker'] : ['capture', 'broker', 'brokers']

test.each(kinds)(
  `kills of kind %s (TRIBUTARY_KILLS=${kills} each, TRIBUTARY_SEED=${seed}): a read_committed consumer sees every change once, in order per row`,
  async (kind) => {
    // Below the range of outgoing connections, and apart from the ports of the broker that all files share.
    const port = 30_000 + (process.pid % 90) * 30
    const report = await kafkaKillTest({
      kind,
      kills: kind === 'capture' ? kills : Math.ceil(kills / 3),
      seed,
      url: postgresUrl(),
      port,
      // Both ways of adding partitions to a transaction are killed.
      transactions: kind === 'broker' ? '1' : '2',
      log: () => undefined,
    })
    expect(report.problems).toEqual([])
    expect(report.comparisons).toBeGreaterThan(0)
    expect(report.events).toBeGreaterThan(2000)
  },
  300_000 + kills * 60_000,
)
