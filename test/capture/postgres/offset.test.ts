import { describe, expect, test } from 'vitest'
import { cursorOfOffset, debeziumOffset, offsetOfCursor } from '../../../src/capture/postgres/offset.ts'
import { parsePosition } from '../../../src/capture/postgres/position.ts'
import type { ChangeBatch, TransactionRun } from '../../../src/contract/change.ts'

const run = (more: Partial<TransactionRun>): TransactionRun => ({
  ...{
    from: 0,
    to: 1,
    firstIndex: 0,
    commit: '0/100',
    commitEnd: '0/130',
    commitUs: 1_700_000_000_000_001n,
    xid: 77n,
    begins: true,
    ends: true,
  },
  ...more,
})

/** What an offset is made of: the position behind a batch, its transactions, and the place of its last change. */
function batch(upTo: string, transactions: readonly TransactionRun[], place: number, op = 117): ChangeBatch {
  const one = { count: 1, op: Uint8Array.of(op), placeHi: Uint32Array.of(0), placeLo: Uint32Array.of(place) }
  return { ...one, upTo, transactions, boundary: true } as unknown as ChangeBatch
}

describe("Debezium's offset behind a batch", () => {
  test('at the end of a transaction: all of it is behind, as after its COMMIT', () => {
    expect(debeziumOffset(batch('0/100+48', [run({})], 0xf0), null)).toBe(
      '{"lsn_proc":304,"messageType":"COMMIT","lsn_commit":304,"lsn":304,"txId":77,"ts_usec":1700000000000001}',
    )
  })

  test('inside a transaction: the last change, and the commit before it, which an earlier batch may have held', () => {
    const inside = batch('0/200:3', [run({ commit: '0/200', xid: 78n, ends: false })], 0x180)
    const before = '{"lsn_proc":304,"messageType":"COMMIT","lsn_commit":304,"lsn":304}'
    const expected = '{"lsn_proc":384,"messageType":"UPDATE","lsn_commit":304,"lsn":384,"txId":78,"ts_usec":1700000000000001}'
    expect(debeziumOffset(inside, before)).toBe(expected)
    const both = batch('0/200:3', [run({}), run({ commit: '0/200', xid: 78n, ends: false })], 0x180)
    expect(debeziumOffset(both, null)).toBe(expected)
  })

  test('of a snapshot: Debezium would begin it anew', () => {
    const position = 'snapshot {"seq":5,"until":"0/50","done":{},"current":null}'
    expect(JSON.parse(debeziumOffset(batch(position, [run({ xid: 9n })], 0x50, 114), null))).toEqual({
      ...{ last_snapshot_record: false, lsn: 80, txId: 9, ts_usec: 1700000000000001, snapshot: 'INITIAL', snapshot_completed: false },
    })
  })

  test('a batch that only moves the position keeps the time of the last transaction', () => {
    const empty = { ...batch('0/300+1', [], 0), count: 0 } as ChangeBatch
    expect(debeziumOffset(empty, '{"ts_usec":123}')).toContain('"ts_usec":123}')
  })
})

describe("a cursor from Debezium's offset", () => {
  test('goes on behind its last whole transaction; 64 bits survive', () => {
    const end = 0x7fff_ffff_ffff_fff1n
    const { cursor, repeats } = cursorOfOffset(
      `{"lsn_proc":${end},"messageType":"COMMIT","lsn_commit":${end},"lsn":${end},"ts_usec":5}`,
      's',
    )
    expect(repeats).toBe(false)
    const at = parsePosition(cursor.at)
    expect(at.kind === 'stream' && at.lsn + BigInt(at.tail)).toBe(end)
    expect(JSON.parse(offsetOfCursor(cursor), (_k, v, c?: { source: string }) => c?.source ?? v)).toMatchObject({ lsn_commit: String(end) })
  })

  test('inside a transaction begins with it, and says so; after a snapshot at its point', () => {
    const inside = cursorOfOffset('{"lsn_proc":500,"messageType":"INSERT","lsn_commit":400,"lsn":500}', 's')
    expect([inside.repeats, inside.cursor.at]).toEqual([true, '0/18F+1'])
    const behind = cursorOfOffset('{"lsn":500,"snapshot":"INITIAL","snapshot_completed":true}', 's')
    expect([behind.repeats, behind.cursor.at]).toEqual([false, '0/1F3+1'])
  })

  test.each(['', '[]', '{"lsn":"5"}', '{"lsn":0}', '{"lsn":5,"snapshot":true}'])('%j is refused', (text) => {
    expect(() => cursorOfOffset(text, 's')).toThrow('TRB-KAFKA-015')
  })
})
