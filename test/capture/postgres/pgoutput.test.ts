import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BatchBuilder } from '../../../src/capture/batch-builder.ts'
import { PgoutputDecoder, type Resume } from '../../../src/capture/postgres/wire/pgoutput.ts'
import type { ChangeBatch, TableSchema } from '../../../src/contract/change.ts'
import { isFailure } from '../../../src/failure/failure.ts'
import { type Change, changesOf } from './capture.ts'
import * as m from './messages.ts'

const START: Resume = { lsn: 0n, tail: 1, done: -1 }

function schema(table: string, columns: readonly string[]): TableSchema {
  const column = (name: string): TableSchema['columns'][number] => ({
    name,
    sourceType: 'text',
    connect: { type: 'string', optional: true },
    encode: () => false,
    unavailable: null,
    fallback: null,
  })
  return { id: { schema: 'public', table }, version: 1, columns: columns.map(column), key: [0], identity: 'default', rowEstimate: -1 }
}

/** Feeds chunks as a socket would, resolving every relation; returns the batches. */
function decode(
  chunks: readonly Buffer[],
  resume = START,
  limit = 1 << 20,
  skip: readonly string[] = [],
): { batches: ChangeBatch[]; decoder: PgoutputDecoder } {
  const builder = new BatchBuilder(limit + 4096)
  const decoder = new PgoutputDecoder(builder, resume, limit, true)
  const batches: ChangeBatch[] = []
  const cut = (): void => {
    const { lsn, done } = decoder.at()
    decoder.split()
    batches.push(builder.cut({ upTo: `${lsn}:${done}`, boundary: done < 0, snapshotDone: [], snapshotComplete: false }))
  }
  for (const chunk of chunks) {
    builder.append(chunk)
    for (let outcome = decoder.run(); outcome !== 'more' && outcome !== 'ended'; outcome = decoder.run()) {
      if (outcome === 'relation') {
        const r = decoder.pending!
        decoder.resolve(r.oid, {
          schema: skip.includes(r.table)
            ? null
            : schema(
                r.table,
                r.columns.map((c) => c.name),
              ),
          start: null,
        })
      } else if (builder.empty) builder.compact()
      else cut()
    }
  }
  if (!builder.empty) cut()
  return { batches, decoder }
}

const changes = (batches: readonly ChangeBatch[]): Change[] => batches.flatMap(changesOf)

function transaction(commit: bigint, body: readonly Buffer[]): Buffer[] {
  return [m.xlog(0n, m.begin(commit, 7)), ...body, m.xlog(0n, m.commit(commit, commit + 40n))]
}

const R1 = m.xlog(0n, m.relation(11, 'public', 'one', ['id', 'v']))
const R2 = m.xlog(0n, m.relation(12, 'public', 'two', ['id']))

describe('pgoutput decoder', () => {
  test('reads every kind of change with its tuples, places and ordinals', () => {
    const bytes = transaction(100n, [
      R1,
      m.xlog(0x1_0000_0002n, m.insert(11, ['1', null])),
      m.xlog(50n, m.update(11, null, ['1', 'unchanged-toast'])),
      m.xlog(51n, m.update(11, { kind: 'K', cells: ['1', null] }, ['2', 'b'])),
      m.xlog(52n, m.update(11, { kind: 'O', cells: ['2', 'b'] }, ['2', 'c'])),
      m.xlog(53n, m.remove(11, 'K', ['2', null])),
      m.xlog(54n, m.remove(11, 'O', ['3', 'z'])),
      R2,
      m.xlog(55n, m.truncate([11, 12])),
      m.xlog(56n, m.logicalMessage('p', 'hello')),
    ])
    const { batches, decoder } = decode([Buffer.concat(bytes)])
    const got = changes(batches).map((c) => [c.index, c.table, c.op, c.beforeKind, c.before, c.after])
    expect(got).toEqual([
      [0, 'public.one', 'c', 0, null, ['1', null]],
      [1, 'public.one', 'u', 0, null, ['1', undefined]],
      [2, 'public.one', 'u', 1, ['1', null], ['2', 'b']],
      [3, 'public.one', 'u', 2, ['2', 'b'], ['2', 'c']],
      [4, 'public.one', 'd', 1, ['2', null], null],
      [5, 'public.one', 'd', 2, ['3', 'z'], null],
      [6, 'public.one', 't', 0, null, null],
      [7, 'public.two', 't', 0, null, null],
      [8, '', 'm', 0, null, null],
    ])
    const [batch] = batches
    expect([batch.placeHi[0], batch.placeLo[0]]).toEqual([1, 2])
    expect(batch.arena.toString('latin1', batch.after[8] + 9, batch.after[8] + 16)).toBe('p\0\0\0\0\x05h')
    expect(batch.transactions).toEqual([
      {
        from: 0,
        to: 9,
        firstIndex: 0,
        commit: '0/64',
        commitEnd: '0/8C',
        commitUs: 946_684_801_000_000n,
        xid: 7n,
        begins: true,
        ends: true,
      },
    ])
    expect(decoder.at()).toEqual({ lsn: 100n, tail: 40, done: -1 })
  })

  test('a transaction that came from elsewhere tells where from; the next one does not', () => {
    const from = [m.xlog(0n, m.origin(0x12345678n, 'src'))]
    const bytes = [
      ...transaction(100n, [...from, R2, m.xlog(1n, m.insert(12, ['1']))]),
      ...transaction(200n, [m.xlog(2n, m.insert(12, ['2']))]),
    ]
    const runs = decode([Buffer.concat(bytes)]).batches.flatMap((b) => b.transactions)
    expect(runs.map((r) => r.origin)).toEqual([{ name: 'src', lsn: '305419896' }, undefined])
  })

  test('a message outside of transactions is one of its own, at its place in the log, and is not given twice', () => {
    const bytes = Buffer.concat([
      ...transaction(100n, [R2, m.xlog(1n, m.insert(12, ['1']))]),
      m.xlog(0n, m.logicalMessage('p', 'apart', 150n)),
      ...transaction(200n, [m.xlog(2n, m.insert(12, ['2']))]),
    ])
    const all = decode([bytes])
    expect(changes(all.batches).map((c) => c.op)).toEqual(['c', 'm', 'c'])
    const [, apart] = all.batches.flatMap((b) => b.transactions)
    expect(apart).toMatchObject({ from: 1, to: 2, commit: '0/96', xid: null, begins: true, ends: true })
    const behind = { lsn: 150n, tail: 1, done: -1 }
    expect(changes(decode([bytes], behind).batches).map((c) => c.op)).toEqual(['c'])
  })

  test('gives the same changes wherever the socket cuts the bytes', () => {
    const bytes = Buffer.concat([
      ...transaction(100n, [
        R1,
        m.xlog(1n, m.insert(11, ['1', 'é'])),
        m.xlog(2n, m.update(11, { kind: 'O', cells: ['1', 'é'] }, ['1', null])),
      ]),
      m.keepalive(150n, true),
      ...transaction(200n, [R2, m.xlog(3n, m.insert(12, ['9'])), m.xlog(4n, m.remove(11, 'K', ['1', null]))]),
    ])
    const whole = changes(decode([bytes]).batches)
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: bytes.length - 1 }), { maxLength: 12 }),
        fc.constantFrom(64, 200, 1 << 20),
        (cuts, limit) => {
          const at = [0, ...cuts.toSorted((a, b) => a - b), bytes.length]
          const chunks = at.slice(1).map((end, i) => bytes.subarray(at[i], end))
          const { batches, decoder } = decode(chunks, START, limit)
          expect(changes(batches)).toEqual(whole)
          expect(decoder.walEnd).toBe(150n)
        },
      ),
    )
  })

  test('splits a long transaction into runs that add up, and never cuts in the middle of a change', () => {
    const rows = Array.from({ length: 100 }, (_, i) => m.xlog(BigInt(i), m.insert(11, [String(i), 'x'.repeat(50)])))
    const { batches } = decode([Buffer.concat(transaction(100n, [R1, ...rows]))], START, 2000)
    expect(batches.length).toBeGreaterThan(4)
    const runs = batches.flatMap((b) => b.transactions)
    expect(runs.map((r) => r.begins)).toEqual(runs.map((_, i) => i === 0))
    expect(runs.map((r) => r.ends)).toEqual(runs.map((_, i) => i === runs.length - 1))
    expect(changes(batches).map((c) => c.index)).toEqual(rows.map((_, i) => i))
    expect(changes(batches).map((c) => c.after![0])).toEqual(rows.map((_, i) => String(i)))
    expect(batches.slice(0, -1).every((b) => !b.boundary)).toBe(true)
  })

  test('goes on behind any position without loss or repeat, ordinals included', () => {
    const row = (i: number): Buffer => m.xlog(BigInt(i), m.insert(i % 3 === 0 ? 12 : 11, i % 3 === 0 ? [`${i}`] : [`${i}`, 'v']))
    const bytes = Buffer.concat([
      ...transaction(100n, [R1, R2, ...[1, 2, 3, 4].map(row)]),
      ...transaction(200n, [...[5, 6, 7].map(row), m.xlog(9n, m.truncate([11, 12]))]),
      ...transaction(300n, [row(8)]),
    ])
    for (const skip of [[], ['two']]) {
      const all = changes(decode([bytes], START, 1 << 20, skip).batches)
      const { batches } = decode([bytes], START, 100, skip)
      let seen = 0
      for (const b of batches) {
        seen += b.count
        const [lsn, done] = b.upTo.split(':')
        const rest = changes(decode([bytes], { lsn: BigInt(lsn), tail: 1, done: Number(done) }, 1 << 20, skip).batches)
        expect(rest).toEqual(all.slice(seen))
      }
      expect(seen).toBe(all.length)
    }
  })

  test('keeps a transaction without captured changes as an empty run', () => {
    const { batches } = decode([Buffer.concat(transaction(100n, [R2, m.xlog(1n, m.insert(12, ['1']))]))], START, 1 << 20, ['two'])
    expect(batches.map((b) => [b.count, b.transactions.length, b.transactions[0].from, b.transactions[0].to])).toEqual([[0, 1, 0, 0]])
    expect(batches[0].arena.length).toBe(0)
  })

  test('drops what committed before a table starts', () => {
    const builder = new BatchBuilder(10_000)
    const decoder = new PgoutputDecoder(builder, START, 1 << 20, false)
    builder.append(
      Buffer.concat([
        ...transaction(100n, [R1, m.xlog(1n, m.insert(11, ['1', null]))]),
        ...transaction(200n, [m.xlog(2n, m.insert(11, ['2', null]))]),
      ]),
    )
    expect(decoder.run()).toBe('relation')
    decoder.resolve(11, { schema: schema('one', ['id', 'v']), start: 200n })
    expect(decoder.run()).toBe('more')
    decoder.split()
    const batch = builder.cut({ upTo: '', boundary: true, snapshotDone: [], snapshotComplete: false })
    expect(changesOf(batch).map((c) => c.after)).toEqual([['2', null]])
  })

  test('refuses what the protocol does not define (TRB-PG-020) and reports the end of the stream', () => {
    for (const bad of [m.xlog(0n, Buffer.from('?x')), m.backend('d', Buffer.from('zzzz')), m.backend('!', Buffer.alloc(2))]) {
      expect(() => decode([bad])).toThrow(expect.objectContaining({ code: 'TRB-PG-020' }))
    }
    const orphan = Buffer.concat(transaction(1n, [m.xlog(0n, m.insert(99, ['1']))]))
    expect(() => decode([orphan])).toThrow(expect.objectContaining({ code: 'TRB-PG-020' }))
    const badTuple = m.update(11, { kind: 'O', cells: ['1', 'a'] }, ['1', 'b'])
    badTuple[8] = 0x3f
    const bytes = Buffer.concat(transaction(1n, [R1, m.xlog(0n, badTuple)]))
    let caught: unknown
    try {
      decode([bytes])
    } catch (e) {
      caught = e
    }
    expect(isFailure(caught, 'TRB-PG-020')).toBe(true)
    const { decoder } = decode([m.backend('E', Buffer.from('SERROR\0C55006\0Mslot is active\0\0'))])
    expect(decoder.error).toEqual({ code: '55006', message: 'slot is active' })
  })
})
