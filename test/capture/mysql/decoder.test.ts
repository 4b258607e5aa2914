import { describe, expect, test } from 'vitest'
import { BatchBuilder } from '../../../src/capture/batch-builder.ts'
import { parsePosition, type StreamPosition } from '../../../src/capture/mysql/position.ts'
import { serverFailure } from '../../../src/capture/mysql/server-failure.ts'
import { settingProblems } from '../../../src/capture/mysql/server-state.ts'
import { BinlogDecoder, type Outcome } from '../../../src/capture/mysql/wire/decoder.ts'
import { PacketEvents } from '../../../src/capture/mysql/wire/event-source.ts'
import { PacketInbox } from '../../../src/capture/mysql/wire/packets.ts'
import { classify, emptiedTable, writtenTable } from '../../../src/capture/mysql/wire/query-event.ts'
import type { TableSchema } from '../../../src/contract/change.ts'
import { isFailure } from '../../../src/failure/failure.ts'
import { event, packet, query, tableMap, withChecksum, writeRows } from './events.ts'

const SCHEMA = { id: { schema: 'd', table: 't' }, version: 1, columns: [], key: [], identity: 'full', rowEstimate: -1 } as TableSchema
const END = { upTo: '', boundary: false, snapshotDone: [], snapshotComplete: false }

/** A decoder that is given bodies of events, and resolves every table. */
class Fed {
  readonly builder = new BatchBuilder(1 << 16)
  readonly decoder: BinlogDecoder
  #end = 4

  constructor(from = 'bin.000001:4', limit = 1 << 20) {
    this.decoder = new BinlogDecoder(this.builder, parsePosition(from) as StreamPosition, { limit, includeQuery: false })
  }

  give(type: number, body: Buffer, flags = 0): Outcome {
    this.#end += 19 + body.length
    const bytes = event(type, body, { end: this.#end, flags })
    for (;;) {
      const outcome = this.decoder.event(bytes, 0, bytes.length)
      if (outcome !== 'table') return outcome
      this.decoder.tables.resolve({ schema: SCHEMA, start: null })
    }
  }

  begin(): this {
    this.give(2, query('BEGIN'))
    this.give(19, tableMap(5, 'd', 't', 2))
    return this
  }
}

function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (e) {
    if (isFailure(e)) return e.code
    throw e
  }
  return 'none'
}

describe('decoder', () => {
  test('rows become tuples; positions stand at the begin of a transaction until it ends', () => {
    const f = new Fed().begin()
    expect(f.decoder.at()).toMatchObject({ file: 'bin.000001', pos: 4, inside: null })
    f.give(
      30,
      writeRows(5, [
        [1, 2],
        [3, 4],
      ]),
    )
    expect(f.decoder.at()).toMatchObject({ pos: 4, inside: { rows: 2, event: 3, row: 2, begin: 4 } })
    f.give(16, Buffer.alloc(8, 1))
    const at = f.decoder.at()
    expect(at.inside).toBe(null)
    const batch = f.decoder.cut(END)
    expect(batch.arena.subarray(batch.after[1], batch.after[1] + 20).toString('hex')).toBe(
      '0002' + '620000000403000000' + '620000000404000000',
    )
    expect(batch.transactions.map((r) => [r.from, r.to, r.begins, r.ends, r.commit])).toEqual([[0, 2, true, true, `bin.000001:${at.pos}`]])
  })
  test('a full batch stops inside an event, which then goes on', () => {
    const f = new Fed('bin.000001:4', 1).begin()
    const body = writeRows(5, [
      [1, 1],
      [2, 2],
      [3, 3],
    ])
    const bytes = event(30, body, { end: 500 })
    const rows: number[] = []
    for (let i = 0; i < 3; i++) {
      expect(f.decoder.event(bytes, 0, bytes.length)).toBe(i < 2 ? 'full' : 'done')
      const batch = f.decoder.cut(END)
      rows.push(...batch.rowOf)
      expect([batch.count, batch.events.count, batch.transactions[0].firstIndex]).toEqual([1, 1, i])
    }
    expect(rows).toEqual([0, 1, 2])
  })
  test('events of types that are not known are refused, unless they may be left out', () => {
    expect(codeOf(() => new Fed().give(99, Buffer.alloc(4)))).toBe('TRB-MY-013')
    expect(new Fed().give(99, Buffer.alloc(4), 0x80)).toBe('done')
  })
  test('a server that lost changes says so', () => {
    expect(codeOf(() => new Fed().give(26, Buffer.from([1, 0, 4, 108, 111, 115, 116])))).toBe('TRB-MY-014')
  })
  test('what does not fit is refused: rows of a table that was not described, of another width, cut off, outside of a transaction', () => {
    expect(codeOf(() => new Fed().begin().give(30, writeRows(6, [[1, 2]])))).toBe('TRB-MY-012')
    expect(codeOf(() => new Fed().begin().give(30, writeRows(5, [[1, 2, 3]])))).toBe('TRB-MY-012')
    expect(codeOf(() => new Fed().begin().give(30, writeRows(5, [[1, 2]]).subarray(0, -1)))).toBe('TRB-MY-012')
    expect(codeOf(() => new Fed().give(30, writeRows(5, [[1, 2]])))).toBe('TRB-MY-012')
    expect(codeOf(() => new Fed().begin().give(19, tableMap(6, 'd', 't', 2).subarray(0, -2)))).toBe('TRB-MY-012')
  })
  test('damaged bytes end in a refusal, never in something else', () => {
    const good = writeRows(5, [
      [1, 2],
      [3, 4],
    ])
    for (let i = 0; i < good.length; i++) {
      const bad = Buffer.from(good)
      bad[i] ^= 0xff
      expect(['none', 'TRB-MY-012', 'TRB-MY-015']).toContain(codeOf(() => new Fed().begin().give(30, bad)))
    }
  })
  test('a rollback behind changes that were handed on is refused; of others nothing is seen', () => {
    const small = new Fed().begin()
    small.give(30, writeRows(5, [[1, 1]]))
    small.give(2, query('SAVEPOINT `a`'))
    small.give(30, writeRows(5, [[2, 2]]))
    small.give(2, query('ROLLBACK TO `a`'))
    small.give(16, Buffer.alloc(8))
    expect(small.decoder.cut(END).count).toBe(1)
    const large = new Fed('bin.000001:4', 1).begin()
    large.give(30, writeRows(5, [[1, 1]]))
    large.decoder.cut(END)
    expect(codeOf(() => large.give(2, query('ROLLBACK')))).toBe('TRB-MY-018')
  })
  test('an XA transaction of which nothing is known cannot be committed', () => {
    expect(codeOf(() => new Fed().give(2, query("XA COMMIT X'61',X'',1")))).toBe('TRB-MY-019')
  })
  test('compressed bytes that cannot be unpacked', () => {
    const head = query('')
    expect(codeOf(() => new Fed().give(165, Buffer.concat([head, Buffer.from([0x81, 5, 1, 2, 3])])))).toBe('TRB-MY-024')
  })
})

describe('packets', () => {
  const plain = event(3, Buffer.alloc(0), { end: 23 })
  const events = (bytes: Buffer): PacketEvents => {
    const source = new PacketEvents(true, 0, () => 'bin.000001:4')
    source.inbox.append(packet(bytes))
    return source
  }
  test('a checksum is verified and cut off', () => {
    const source = events(withChecksum(plain))
    expect(source.peek()).toBe(true)
    expect(source.end - source.start).toBe(plain.length)
    const damaged = withChecksum(plain)
    damaged[6] ^= 1
    expect(codeOf(() => events(damaged).peek())).toBe('TRB-MY-011')
    expect(codeOf(() => events(Buffer.concat([plain, Buffer.alloc(1)])).peek())).toBe('TRB-MY-012')
  })
  test('large ones come in several parts, in whatever pieces the network makes of them', () => {
    const payload = Buffer.alloc(0xffffff * 2 + 5, 7)
    const parts = [payload.subarray(0, 0xffffff), payload.subarray(0xffffff, 0xffffff * 2), payload.subarray(0xffffff * 2)]
    const wire = Buffer.concat(
      [...parts, Buffer.from('next')].map((p) =>
        Buffer.concat([Buffer.from([p.length & 255, (p.length >> 8) & 255, p.length >> 16, 0]), p]),
      ),
    )
    const inbox = new PacketInbox()
    const sizes: number[] = []
    for (let at = 0; at < wire.length; at += 1_000_003) {
      inbox.append(wire.subarray(at, at + 1_000_003))
      while (inbox.peek() && inbox.peek()) {
        sizes.push(inbox.end - inbox.start)
        inbox.consume()
      }
    }
    expect(sizes).toEqual([payload.length, 4])
  })
})

describe('statements', () => {
  test('what they are about', () => {
    const kinds = [
      'BEGIN',
      'commit',
      '/* x */ ROLLBACK',
      'SAVEPOINT a',
      'insert into t values (1)',
      'replace into mysql.x values (1)',
      'ALTER TABLE t ADD c INT',
    ]
    expect(kinds.map((k) => classify(k).kind)).toEqual(['begin', 'commit', 'rollback', 'savepoint', 'rows', 'other', 'other'])
    expect(classify("XA COMMIT X'61',X'',1 ONE PHASE")).toEqual({ kind: 'xa commit', xid: "x'61',x'',1" })
  })
  test('which table they empty', () => {
    const name = (sql: string): string => {
      const t = emptiedTable(sql, 'db')
      return t === null ? '' : `${t.schema}/${t.table}`
    }
    expect(name('TRUNCATE t')).toBe('db/t')
    expect(name('truncate /* x */ table `a.b`.`c``d`')).toBe('a.b/c`d')
    expect(name('TRUNCATE TABLE a.b;')).toBe('a/b')
    expect(name('DELETE FROM `m`.`t`')).toBe('m/t')
    expect(name('DELETE FROM t WHERE id = 1')).toBe('')
    expect(name('CREATE TABLE truncated (i INT)')).toBe('')
  })
})

test('which table a statement with rows writes, when it is one', () => {
  const name = (sql: string): string => {
    const t = writtenTable(sql, 'db')
    return t === null ? '' : `${t.schema}/${t.table}`
  }
  expect(name('INSERT IGNORE INTO t (a) VALUES (1)')).toBe('db/t')
  expect(name('replace into `p`.`checksums` (x) select 1')).toBe('p/checksums')
  expect(name('UPDATE t SET a = 1')).toBe('db/t')
  expect(name('DELETE FROM a.t WHERE x')).toBe('a/t')
  for (const several of [
    'UPDATE a, b SET a.x = 1',
    'UPDATE a JOIN b USING (i) SET a.x = 1',
    'DELETE a FROM a JOIN b',
    'CALL p()',
    'UPDATE a x, b SET x.i = 1',
  ]) {
    expect(name(several)).toBe('')
  }
})

describe('the server', () => {
  const state = (variables: Record<string, string>): Parameters<typeof settingProblems>[0] => {
    return { variables: new Map(Object.entries(variables)), gtid: true, server: 's', checksum: true }
  }
  test('without a binlog, or with less in it than is needed', () => {
    expect(settingProblems(state({ log_bin: 'OFF' })).map((f) => f.code)).toEqual(['TRB-MY-005'])
    const half = settingProblems(
      state({ log_bin: 'ON', binlog_format: 'MIXED', binlog_row_image: 'FULL', binlog_row_value_options: 'PARTIAL_JSON' }),
    )
    expect(half.map((f) => f.explain().fix.slice(0, 45))).toEqual([
      "SET GLOBAL binlog_format = 'ROW'; and let ses",
      "SET GLOBAL binlog_row_value_options = ''; and",
    ])
  })
  test('a lost connection is told from a refusal', () => {
    const context = { connect: { host: 'h', port: 1, user: 'u', password: null, ssl: false as const }, doing: 'reading' }
    const failed = (fields: object): string => serverFailure(Object.assign(new Error('x'), fields), context).code
    expect(failed({ code: 'PROTOCOL_CONNECTION_LOST' })).toBe('TRB-MY-021')
    expect(failed({ code: 'ECONNREFUSED', errno: -111 })).toBe('TRB-MY-001')
    expect(failed({ code: 'ER_X', errno: 1236 })).toBe('TRB-MY-020')
  })
})
