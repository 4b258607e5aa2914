import { describe, expect, test } from 'vitest'
import type { StoredBatch } from '../../src/contract/log.ts'
import type { Watermark } from '../../src/contract/table.ts'
import { parseAsOf } from '../../src/query/as-of.ts'
import { planReplay, type Reached, type ReplayLog, replayBatches } from '../../src/query/replay.ts'

/** Transactions as [commit, commitUs, topic, records]; each is an append of its own. Offsets count from 0 per topic. */
type Transaction = readonly [commit: string, commitUs: bigint, topic: string, count: number]

function fakeLog(transactions: readonly Transaction[], start: Readonly<Record<string, number>> = {}, source = 's'): ReplayLog {
  const batches = new Map<string, StoredBatch[]>()
  const ends = new Map<string, number>()
  transactions.forEach(([commit, commitUs, topic, count], i) => {
    const baseOffset = ends.get(topic) ?? 0
    ends.set(topic, baseOffset + count)
    const runs = [{ count, commit, commitUs }]
    const rest = { partition: 0, records: Buffer.alloc(0), headers: null, keySchema: 1, valueSchema: 2 }
    batches.set(topic, [...(batches.get(topic) ?? []), { topic, count, runs, baseOffset, appendId: i + 1, ...rest }])
  })
  const last = transactions.at(-1)
  return {
    lastBoundary: () =>
      last === undefined
        ? null
        : {
            id: transactions.length,
            records: 0,
            bytes: 0,
            cursor: { source, at: '', boundary: true, commit: last[0], commitUs: last[1], snapshotDone: [], consistent: true },
          },
    topics: () => [...batches.keys()],
    range: (topic) => ({ start: start[topic] ?? 0, end: ends.get(topic) ?? 0 }),
    *read(topic, _partition, from, upTo) {
      for (const b of batches.get(topic) ?? []) if (b.baseOffset + b.count > from && b.appendId <= upTo) yield b
    },
  }
}

function base(appendId: number, offsets: Readonly<Record<string, number>>): Watermark {
  const tables = Object.entries(offsets).map(([topic, nextOffset]) => ({
    ...{ path: topic, schema: 'p', table: topic, instant: null, topic, nextOffset },
  }))
  return { seq: 1, source: 's', commit: '0/100', commitUs: 1000n, writtenMs: 0, appendId, tables }
}

const lsn = (text: string): Extract<ReturnType<typeof parseAsOf>, { kind: 'lsn' }> => parseAsOf(`lsn:${text}`, 0) as never
const time = (us: bigint): { kind: 'time'; us: bigint; text: string } => ({ kind: 'time', us, text: '' })
const both = new Set(['a', 'b'])

const LOG = fakeLog([
  ['0/100', 1000n, 'a', 5],
  ['0/200', 2000n, 'a', 2],
  ['0/300', 3000n, 'b', 4],
  ['0/400', 4000n, 'a', 3],
  ['0/500', 5000n, 'b', 1],
])

function cuts(plan: Reached | string): Record<string, readonly [number, number]> | string {
  if (typeof plan === 'string') return plan
  return Object.fromEntries([...plan.topics].map(([t, r]) => [t, [r.from, r.to] as const]))
}

describe('records between a state and a target', () => {
  test('an LSN includes the transaction at it and nothing after', () => {
    const w = base(1, { a: 5, b: 0 })
    expect(cuts(planReplay(LOG, w, lsn('0/3FF'), both))).toEqual({ a: [5, 7], b: [0, 4] })
    expect(cuts(planReplay(LOG, w, lsn('0/400'), both))).toEqual({ a: [5, 10], b: [0, 4] })
    expect(planReplay(LOG, w, lsn('0/400'), both)).toMatchObject({ doubt: null, last: { commit: '0/400' } })
  })

  test('a target just after the state needs nothing and is exact', () => {
    expect(planReplay(LOG, base(1, { a: 5, b: 0 }), lsn('0/1FF'), both)).toMatchObject({ topics: new Map(), last: null, doubt: null })
  })

  test('only the topics wanted are read for rows, all of them for where a time cuts', () => {
    const plan = planReplay(LOG, base(1, { a: 5, b: 0 }), time(4500n), new Set(['a']))
    expect(cuts(plan)).toEqual({ a: [5, 10] })
  })

  test('a time cuts every topic at the first later transaction in log order, so none shows half of what follows it', () => {
    // 0/300 was committed later than its place says: what comes after it in the log is not part of the state at 2500.
    const log = fakeLog([
      ['0/200', 2000n, 'a', 1],
      ['0/300', 2600n, 'b', 1],
      ['0/400', 2400n, 'a', 1],
    ])
    expect(cuts(planReplay(log, base(0, { a: 0, b: 0 }), time(2500n), both))).toEqual({ a: [0, 1] })
  })

  test('a target beyond the log takes all of it, and says how far it reached', () => {
    const plan = planReplay(LOG, base(1, { a: 5, b: 0 }), lsn('0/501'), both) as Reached
    expect(cuts(plan)).toEqual({ a: [5, 10], b: [0, 5] })
    expect(plan.doubt).toContain('0/500')
  })

  test('a table that the state does not know is named', () => {
    expect(planReplay(LOG, base(1, { a: 5 }), lsn('0/400'), both)).toMatchObject({ unknown: ['b'] })
    expect(planReplay(LOG, base(1, { a: 5 }), lsn('0/2FF'), both)).toMatchObject({ unknown: [] })
  })

  test('records removed by retention, the log of another source and an older log cannot help', () => {
    const trimmed = fakeLog([['0/200', 2000n, 'a', 9]], { a: 7 })
    expect(planReplay(trimmed, base(0, { a: 5 }), lsn('0/200'), both)).toContain('retention')
    expect(planReplay(fakeLog([['0/200', 1n, 'a', 1]], {}, 'other'), base(0, { a: 0 }), lsn('0/200'), both)).toContain('"other"')
    expect(planReplay(LOG, base(99, { a: 5 }), lsn('0/400'), both)).toContain('not the log that fed it')
    expect(planReplay(fakeLog([]), base(0, {}), lsn('0/400'), both)).toContain('no consistent state')
  })

  test('the last batch is cut at the target', () => {
    const runs = [
      { count: 3, commit: '0/200', commitUs: 1n },
      { count: 4, commit: '0/300', commitUs: 2n },
    ]
    const batch: StoredBatch = {
      ...{ topic: 'a', partition: 0, count: 7, records: Buffer.alloc(0), headers: null, keySchema: 1, valueSchema: 2, runs },
      ...{ baseOffset: 10, appendId: 1 },
    }
    const cut = [...replayBatches({ read: () => [batch] }, { topic: 'a', from: 10, to: 14, upTo: 1, schemas: [] })]
    expect(cut).toMatchObject([{ count: 4, runs: [{ count: 3 }, { count: 1 }] }])
    expect([...replayBatches({ read: () => [batch] }, { topic: 'a', from: 5, to: 10, upTo: 1, schemas: [] })]).toEqual([])
  })
})
