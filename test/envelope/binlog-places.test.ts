import { expect, test } from 'vitest'
import type { MysqlBatch, MysqlRun } from '../../src/capture/mysql/batch.ts'
import { mysqlSourceBlock } from '../../src/capture/mysql/origin.ts'
import { createEnvelopeEncoder } from '../../src/envelope/encoder.ts'
import { DEFAULT_ENVELOPE_SETTINGS } from '../../src/envelope/options.ts'
import { createRowDecoder } from '../../src/envelope/row-decoder.ts'
import { MemoryRegistry } from '../../src/registry/memory/memory-registry.ts'
import { column } from './catalog.ts'
import { fakeBatch, tableOf } from './fake-batch.ts'
import { rows } from './vector-values.ts'

const clock = { now: () => 1795231940000, sleep: () => Promise.resolve(), uuid: () => 'u', random: () => 0 }

/** Three transactions of one row each: in two files of one server, then in the first file of another. */
async function decoded(): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const table = tableOf([column('id', 'int4', { notNull: true })], [0])
  const plain = fakeBatch(
    [table],
    [[{ op: 'c', after: ['1'] }], [{ op: 'u', before: ['1'], after: ['1'] }], [{ op: 'u', before: ['1'], after: ['1'] }]],
  )
  const places = [
    { file: 'bin.000002', pos: 900, epoch: 0 },
    { file: 'bin.000003', pos: 5_000_000_000, epoch: 0 },
    { file: 'bin.000001', pos: 4, epoch: 1 },
  ]
  const transactions = plain.transactions.map((run, i): MysqlRun => {
    const { file, pos, epoch } = places[i]!
    const info = {
      file,
      beginPos: pos,
      gtid: `0-${epoch + 1}-${i}`,
      gtidsBefore: null,
      serverId: epoch + 1,
      epoch,
      thread: null,
      ddl: false,
    }
    return { ...run, commit: `${file}:${pos + 10}/0-${epoch + 1}-${i}${epoch === 0 ? '' : `~${epoch}`}`, info }
  })
  const batch: MysqlBatch = {
    ...plain,
    transactions,
    eventOf: Int32Array.of(0, 1, 2),
    rowOf: Int32Array.of(0, 1, 2),
    events: {
      count: 3,
      pos: Float64Array.from(places, (p) => p.pos),
      index: Int32Array.of(2, 2, 2),
      seconds: Uint32Array.of(1, 2, 3),
      query: [null, 'UPDATE t', null],
    },
  }
  const registry = new MemoryRegistry()
  const encoder = createEnvelopeEncoder({
    ...{ ...DEFAULT_ENVELOPE_SETTINGS, prefix: 'p', connector: 'mysql', registry, clock, runId: 'u', headerFormat: 'simple' as const },
    source: mysqlSourceBlock({ name: 'p', flavor: 'mysql' }),
  })
  await encoder.prepare([table])
  const [topic] = encoder.encode(batch)
  const decoder = createRowDecoder({
    keySchema: registry.schemaText(topic!.keySchema),
    valueSchema: registry.schemaText(topic!.valueSchema),
  })
  return rows(decoder.decode({ ...topic!, baseOffset: 0, appendId: 1 })).map((r) => r.row)
}

test('the place in the binlog orders changes in the lake, across files and behind a failover', async () => {
  const seq = (await decoded()).map((r) => r['_event_seq'] as bigint)
  expect(seq).toEqual([(2n << 36n) + 900n, (3n << 36n) + 5_000_000_000n, (1n << 56n) + (1n << 36n) + 4n])
  expect(seq).toEqual(seq.toSorted((a, b) => (a < b ? -1 : 1)))
})
