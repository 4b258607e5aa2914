import { expect, test } from 'vitest'
import type { Log, StoredBatch } from '../../src/contract/log.ts'
import { Failure } from '../../src/failure/failure.ts'
import { blob, makeBatch, makeCursor } from './log-data.ts'

/** What an implementation gives the suite. `reopen` closes (or drops) the log and opens what is durable. */
export interface LogUnderTest {
  open(): Promise<Log>
  reopen(log: Log): Promise<Log>
  /** Opens a second, reading view of the same log. */
  reader(log: Log): Promise<Log>
}

/** Joins what `read` gives into one piece, checking that offsets are dense. */
export function readAll(log: Log, topic: string, from: number, upTo: number): { first: number; count: number; bytes: Buffer } {
  const parts: Uint8Array[] = []
  let next = -1
  let first = -1
  let count = 0
  for (const b of log.read(topic, 0, from, upTo)) {
    if (next === -1) first = b.baseOffset
    else expect(b.baseOffset).toBe(next)
    expect(b.runs.reduce((n, r) => n + r.count, 0)).toBe(b.count)
    next = b.baseOffset + b.count
    count += b.count
    parts.push(b.records)
  }
  return { first, count, bytes: Buffer.concat(parts) }
}

/** The tests that every log passes. */
export function logSuite(under: LogUnderTest): void {
  appendTests(under)
  queryTests(under)
  largeTests(under)
}

function appendTests(under: LogUnderTest): void {
  test('an empty log has no cursor, no topic, no boundary', async () => {
    const log = await under.open()
    expect(log.cursor('s')).toBeNull()
    expect(log.topics()).toEqual([])
    expect(log.lastBoundary()).toBeNull()
    expect([...log.appends(0)]).toEqual([])
    expect(log.range('a', 0)).toEqual({ start: 0, end: 0 })
    expect([...log.read('a', 0, 0, 99)]).toEqual([])
    log.close()
  })

  test('records and cursor come back as they were given, before and after a reopen', async () => {
    let log = await under.open()
    const a = makeBatch('a', 0, 3)
    const headers = Buffer.concat([Buffer.of(1, 1), Buffer.from('h'), blob(Buffer.from('v'))])
    const runs = [
      { count: 1, commit: '16/B374D848', commitUs: 9_007_199_254_740_993n },
      { count: 2, commit: '16/B374E000', commitUs: -5n },
    ]
    const cursor = makeCursor('16/B374D848:7', { commitUs: 9_007_199_254_740_993n, snapshotDone: ['a', 'ü.b'], boundary: false })
    expect(await log.append([{ ...a, headers, runs }, makeBatch('b', 0, 0)], cursor)).toBe(1)
    for (const step of ['same', 'reopened']) {
      if (step === 'reopened') log = await under.reopen(log)
      expect(log.cursor('s')).toEqual(cursor)
      const [stored, ...more] = [...log.read('a', 0, 0, 1)] as StoredBatch[]
      expect(more).toEqual([])
      expect(stored!.runs).toEqual(runs)
      expect(Buffer.from(stored!.headers!)).toEqual(headers)
      expect(Buffer.from(stored!.records)).toEqual(a.records)
      expect(stored).toMatchObject({ topic: 'a', partition: 0, count: 3, keySchema: 1, valueSchema: 2, baseOffset: 0, appendId: 1 })
    }
    expect(await log.append([makeBatch('a', 3, 1)], makeCursor('2'))).toBe(2)
    expect(log.range('a', 0)).toEqual({ start: 0, end: 4 })
    log.close()
  })

  test('cursors of several sources do not meet', async () => {
    const log = await under.open()
    await log.append([], makeCursor('1', { source: 'x' }))
    await log.append([makeBatch('a', 0, 1)], makeCursor('7', { source: 'y', commit: null, commitUs: null, consistent: false }))
    expect(log.cursor('x')?.at).toBe('1')
    expect(log.cursor('y')).toMatchObject({ at: '7', commit: null, commitUs: null, consistent: false })
    expect(log.cursor('z')).toBeNull()
    log.close()
  })

  test('an append that fails leaves nothing behind, and the next one takes its place', async () => {
    let log = await under.open()
    await log.append([makeBatch('a', 0, 2)], makeCursor('1'))
    const bad = { ...makeBatch('a', 2, 1), runs: null as never }
    await expect(log.append([makeBatch('b', 0, 1), bad], makeCursor('2'))).rejects.toThrow()
    expect(log.cursor('s')?.at).toBe('1')
    expect(log.topics()).toEqual(['a'])
    expect(await log.append([makeBatch('b', 0, 5), makeBatch('a', 2, 1)], makeCursor('3'))).toBe(2)
    log = await under.reopen(log)
    expect(log.range('a', 0).end).toBe(3)
    expect(log.range('b', 0).end).toBe(5)
    log.close()
  })
}

function queryTests(under: LogUnderTest): void {
  test('read stops at the append asked for and starts inside a batch', async () => {
    const log = await under.open()
    for (let i = 0; i < 5; i++) await log.append([makeBatch('a', i * 10, 10), makeBatch('b', i, 1)], makeCursor(String(i)))
    expect(readAll(log, 'a', 0, 3)).toMatchObject({ first: 0, count: 30 })
    expect(readAll(log, 'a', 10, 3)).toMatchObject({ first: 10, count: 20 })
    expect(readAll(log, 'a', 15, 3)).toMatchObject({ first: 10, count: 20 })
    expect(readAll(log, 'a', 50, 5).count).toBe(0)
    expect(readAll(log, 'a', 30, 3).count).toBe(0)
    log.close()
  })

  test('schemas, endAt, appendOf and touched agree with what read meets', async () => {
    const log = await under.open()
    await log.append([makeBatch('a', 0, 4)], makeCursor('1'))
    await log.append([makeBatch('b', 0, 1)], makeCursor('2'))
    await log.append([{ ...makeBatch('a', 4, 2), valueSchema: 9 }, makeBatch('a', 6, 1)], makeCursor('3'))
    expect(log.schemas('a', 0, 0, 3).map((s) => [s.valueSchema, s.records])).toEqual([
      [2, 5],
      [9, 2],
    ])
    expect(log.schemas('a', 0, 4, 3).map((s) => [s.valueSchema, s.records])).toEqual([
      [9, 2],
      [2, 1],
    ])
    expect(log.schemas('a', 0, 0, 2).map((s) => s.valueSchema)).toEqual([2])
    expect([1, 2, 3].map((id) => log.endAt('a', 0, id))).toEqual([4, 4, 7])
    expect(log.endAt('b', 0, 1)).toBe(0)
    expect([0, 3, 4, 6, 7].map((o) => log.appendOf('a', 0, o))).toEqual([1, 1, 3, 3, null])
    expect(log.touched(0, 1)).toEqual(['a'])
    expect(log.touched(1, 2)).toEqual(['b'])
    expect(log.touched(1, 3)).toEqual(['a', 'b'])
    expect(log.touched(3, 3)).toEqual([])
    log.close()
  })

  test('lastBoundary is the newest consistent boundary; appends come in order with their sizes', async () => {
    const log = await under.open()
    await log.append([makeBatch('a', 0, 4)], makeCursor('1', { consistent: false }))
    expect(log.lastBoundary()).toBeNull()
    await log.append([makeBatch('a', 4, 1)], makeCursor('2'))
    await log.append([makeBatch('a', 5, 1)], makeCursor('3', { boundary: false }))
    expect(log.lastBoundary()).toMatchObject({ id: 2, records: 1, cursor: { at: '2' } })
    expect([...log.appends(0)].map((a) => [a.id, a.records, a.cursor.at])).toEqual([
      [1, 4, '1'],
      [2, 1, '2'],
      [3, 1, '3'],
    ])
    expect([...log.appends(2)].map((a) => a.id)).toEqual([3])
    for (let i = 0; i < 600; i++) await log.append([], makeCursor(`n${i}`))
    expect([...log.appends(0)].map((a) => a.id)).toEqual(Array.from({ length: 603 }, (_, i) => i + 1))
    log.close()
  })

  test('a reader sees each append once it is durable, and not before', async () => {
    const log = await under.open()
    await log.append([makeBatch('a', 0, 4)], makeCursor('1'))
    const reader = await under.reader(log)
    expect(readAll(reader, 'a', 0, 9).count).toBe(4)
    await log.append([makeBatch('a', 4, 4), makeBatch('new', 0, 1)], makeCursor('2'))
    expect(readAll(reader, 'a', 0, 9).count).toBe(8)
    expect(reader.topics()).toEqual(['a', 'new'])
    expect(reader.cursor('s')?.at).toBe('2')
    await expect(reader.append([], makeCursor('3'))).rejects.toThrow(Failure)
    reader.close()
    log.close()
  })
}

function largeTests(under: LogUnderTest): void {
  test('a large batch is cut into bounded pieces whose bytes, runs and offsets join again', async () => {
    let log = await under.open()
    const big = makeBatch('a', 0, 30_000, 150)
    const runs = [
      { count: 1, commit: '0/1', commitUs: 1n },
      { count: 29_998, commit: '0/2', commitUs: 2n },
      { count: 1, commit: '0/3', commitUs: 3n },
    ]
    await log.append([{ ...big, runs }], makeCursor('1'))
    log = await under.reopen(log)
    const pieces = [...log.read('a', 0, 0, 1)]
    expect(pieces.length).toBeGreaterThan(3)
    for (const p of pieces) expect(p.records.length).toBeLessThan(1.6 * 2 ** 20)
    expect(readAll(log, 'a', 0, 1)).toEqual({ first: 0, count: 30_000, bytes: big.records })
    const joined = new Map<string, number>()
    for (const p of pieces) for (const r of p.runs) joined.set(r.commit, (joined.get(r.commit) ?? 0) + r.count)
    expect([...joined]).toEqual([
      ['0/1', 1],
      ['0/2', 29_998],
      ['0/3', 1],
    ])
    log.close()
  })

  test('what all values of a batch end with comes back with every piece, small or large, compressed or not', async () => {
    let log = await under.open()
    const tails = [Buffer.alloc(0), Buffer.from('tail'), Buffer.alloc(70_000, 7)]
    let offset = 0
    const want: { first: number; tail: Buffer | undefined }[] = []
    for (const [count, size] of [
      [1, 5],
      [900, 40],
      [60, 60_000],
    ]) {
      for (const valueTail of [undefined, ...tails]) {
        const batch = makeBatch('a', offset, count, size)
        await log.append([valueTail === undefined ? batch : { ...batch, valueTail }], makeCursor(String(offset + 1)))
        want.push({ first: offset, tail: valueTail })
        offset += count
      }
    }
    log = await under.reopen(log)
    for (const b of log.read('a', 0, 0, 99)) {
      const { tail } = want.findLast((w) => w.first <= b.baseOffset)!
      expect(b.valueTail === undefined ? undefined : Buffer.from(b.valueTail)).toEqual(tail)
      expect(b.runs.reduce((n, r) => n + r.count, 0)).toBe(b.count)
    }
    log.close()
  })

  test('one record larger than a piece stays whole', async () => {
    const log = await under.open()
    const batch = makeBatch('a', 0, 3, 3 << 20)
    await log.append([batch], makeCursor('1'))
    expect([...log.read('a', 0, 0, 1)].map((b) => b.count)).toEqual([1, 1, 1])
    expect(readAll(log, 'a', 0, 1).bytes.equals(batch.records as Buffer)).toBe(true)
    log.close()
  })
}
