import { describe, expect, test } from 'vitest'
import { debeziumOffset, positionOfDebezium } from '../../../src/capture/mysql/debezium-offset.ts'
import { comparePositions, hasReached, isBefore, onServer, parsePosition, printPosition } from '../../../src/capture/mysql/position.ts'
import { requireSameServer } from '../../../src/capture/mysql/server-state.ts'

const A = '3e11fa47-71ca-11e1-9e33-c80aa9429562'
const inside = (rows: number): string => `bin.000003:120/${A}:1-4 {"rows":${rows},"event":3,"row":${rows},"gtid":"${A}:5","begin":199}`

describe('positions', () => {
  test('survive printing', () => {
    const texts = [
      'bin.000001:4',
      `bin.000003:120/${A}:1-4`,
      'mysql-bin.000001:4/0-1-5,1-1-7',
      'bin.000001:4/',
      inside(2),
      'bin.000001:4/0-1-5 {"server":"abc","epoch":2,"prepared":{"x\'61\',x\'\',1":"bin.000001:4/0-1-4"}}',
      'bin.000001:4/0-1-5 {"until":"bin.000001:900/0-1-9","from":{"a.b":"bin.000001:500/0-1-7"}}',
      'snapshot {"seq":7,"until":"bin.000001:900","done":{"a.b":"bin.000001:500"},"current":{"table":"a.c","start":"bin.000001:900","key":["1"]},"server":"s"}',
    ]
    for (const text of texts) expect(printPosition(parsePosition(text))).toBe(text)
  })
  test('what is none is refused', () => {
    for (const text of [
      '',
      '0/16B374D8',
      'bin.000001',
      'bin:x',
      'bin.000001:4 {',
      'bin.000001:4 {"event":1}',
      'snapshot {}',
      'bin.000001:4/zzz',
    ]) {
      expect(() => parsePosition(text)).toThrow('TRB-MY-022')
    }
  })
  test('are ordered by file and byte, by GTIDs where there are any, and inside of a transaction by rows', () => {
    const ascending = [
      [
        'snapshot {"seq":1,"until":"b.1:4","done":{},"current":null,"server":null}',
        'b.000001:4',
        'b.000001:900',
        'b.000002:4',
        'b.000010:4',
      ],
      [`b.000009:4/${A}:1-3`, `b.000001:4/${A}:1-4`, inside(1), inside(2), `b.000001:9/${A}:1-5`],
      ['b.000009:4/0-1-3', 'b.000001:4/0-2-4', 'b.000001:4/0-2-4,1-1-1'],
    ]
    for (const list of ascending) {
      for (let i = 0; i < list.length; i++) {
        for (let k = 0; k < list.length; k++) expect(Math.sign(comparePositions(list[i], list[k]))).toBe(Math.sign(i - k))
      }
    }
  })
  test('on another server places come behind all before, and files of the first are of no use', () => {
    const from = parsePosition('bin.000001:4/0-1-5 {"server":"a","epoch":2,"prepared":{"x\'61\',x\'\',1":"bin.000001:4/0-1-4"}}')
    if (from.kind !== 'stream') throw new Error('it is a place in the stream')
    expect(onServer(from, 'a')).toEqual(from)
    expect(printPosition(onServer(from, 'b'))).toBe('bin.000001:4/0-1-5 {"server":"b","epoch":3}')
  })
  test('without GTIDs no other server can go on, be it with a stream or a snapshot', () => {
    const at = { file: 'b.000002', pos: 500, gtids: null }
    const refused = (gtids: string | null, gtid: boolean, server: string | null) => () =>
      requireSameServer({ ...at, gtids }, server, { server: 'b', gtid })
    expect(refused(null, false, 'a')).toThrow('TRB-MY-009')
    expect(refused(`${A}:1-4`, false, 'a')).toThrow('TRB-MY-009')
    expect(refused(null, true, 'a')).toThrow('TRB-MY-009')
    for (const fine of [refused(`${A}:1-4`, true, 'a'), refused(null, false, 'b'), refused(null, false, null)]) expect(fine).not.toThrow()
  })
  test('a state that was read tells which transactions are part of it', () => {
    const read = { file: 'b.000002', pos: 500, gtids: null }
    expect([isBefore(null, 'b.000001', 900, read), isBefore(null, 'b.000002', 400, read), isBefore(null, 'b.000002', 500, read)]).toEqual([
      true,
      true,
      false,
    ])
    const byGtid = { ...read, gtids: `${A}:1-4` }
    expect([isBefore(`${A}:4`, 'c.000009', 4, byGtid), isBefore(`${A}:5`, 'b.000001', 4, byGtid)]).toEqual([true, false])
    expect(hasReached({ file: 'x.000001', pos: 4, gtids: `${A}:1-9` }, byGtid)).toBe(true)
    expect(hasReached({ file: 'b.000002', pos: 499, gtids: null }, read)).toBe(false)
  })
})

describe("Debezium's offsets", () => {
  test('become positions that go on behind the last record, and back', () => {
    const offset = { ts_sec: 1795232265, file: 'bin.000001', pos: 1256, gtids: `${A}:1-4`, row: 2, server_id: 1, event: 3 }
    const position = positionOfDebezium(offset)
    expect(parsePosition(position)).toMatchObject({
      file: 'bin.000001',
      pos: 1256,
      gtids: `${A}:1-4`,
      inside: { rows: -1, event: 3, row: 2 },
    })
    expect(debeziumOffset(position, 1795232265, 1)).toEqual(offset)
    const whole = { ts_sec: 5, file: 'bin.000001', pos: 1635, gtids: '0-2-5', server_id: 1 }
    expect(debeziumOffset(positionOfDebezium(whole), 5, 1)).toEqual(whole)
  })
  test('of a snapshot that was not finished, or of another connector, are refused', () => {
    expect(() => positionOfDebezium({ file: 'bin.000001', pos: 4, snapshot: 'INITIAL' })).toThrow('TRB-MY-022')
    expect(() => positionOfDebezium({ lsn: 5 })).toThrow('TRB-MY-022')
  })
})
