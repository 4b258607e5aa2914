import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { positionOfDebezium } from '../../../src/capture/mysql/debezium-offset.ts'
import { damagingProxy } from '../../support/damaging-proxy.ts'
import { FLAVORS, freshDatabase, type TestDatabase } from '../../support/mysql.ts'
import { optionsFor, Reader, tablesAfter, tablesNow } from './capture.ts'

describe.each(FLAVORS)('stream of %s', (flavor) => {
  let db: TestDatabase
  beforeAll(async () => {
    db = await freshDatabase(flavor, 'm1s')
  })
  afterAll(async () => {
    await db.drop()
  })

  /** Runs `work` while a stream that was opened before it is read to the end; the tables then equal the database. */
  async function streamed(work: () => Promise<unknown>, extra: Parameters<typeof optionsFor>[1] = {}): Promise<Reader> {
    const reader = await Reader.open(optionsFor(db, extra))
    try {
      await reader.pull()
      await work()
      await reader.toHead()
      return reader
    } finally {
      await reader.close()
    }
  }

  test('inserts, updates and deletes come in order, with old and new rows', async () => {
    await db.sql('CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(20))')
    const { changes, runs } = await streamed(async () => {
      await db.sql("INSERT INTO a VALUES (1, 'x'), (2, NULL)")
      await db.sql("BEGIN; UPDATE a SET v = 'y'; DELETE FROM a WHERE id = 1; COMMIT")
    })
    expect(changes.map((c) => [c.op, c.index, c.row, c.before, c.after])).toEqual([
      ['c', 0, 0, null, ['02', '0278']],
      ['c', 1, 1, null, ['04', null]],
      ['u', 0, 0, ['02', '0278'], ['02', '0279']],
      ['u', 1, 1, ['04', null], ['04', '0279']],
      ['d', 2, 0, ['02', '0279'], null],
    ])
    const places = changes.map((c) => c.place)
    expect(places).toEqual([...places].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)))
    expect(runs.filter((r) => r.to > r.from).map((r) => [r.begins, r.ends, r.info.ddl])).toEqual([
      [true, true, false],
      [true, true, false],
    ])
    expect(changes[4].gtid).toMatch(flavor === 'mysql' ? /^[0-9a-f-]{36}:\d+$/ : /^\d+-\d+-\d+$/)
  })

  test('every batch position resumes exactly, also in the middle of a transaction', async () => {
    await db.sql('CREATE TABLE r (id INT PRIMARY KEY, v INT)')
    const reader = await streamed(
      async () => {
        await db.sql('INSERT INTO r VALUES (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)')
        await db.sql('BEGIN; UPDATE r SET v = v + 1; DELETE FROM r WHERE id > 3; INSERT INTO r VALUES (9, 9); COMMIT')
        await db.sql('TRUNCATE r')
        await db.sql('INSERT INTO r VALUES (7, 7)')
      },
      { batchBytes: 1 },
    )
    const all = reader.changes.map((c) => [c.op, c.index, c.before, c.after, c.place, c.row])
    expect(all.length).toBe(15)
    expect(reader.marks.filter((m) => !m.boundary).length).toBeGreaterThan(8)
    for (const mark of reader.marks) {
      const again = await Reader.open(optionsFor(db), mark.at)
      await again.until(all.length - mark.changes)
      await again.close()
      expect(again.changes.map((c) => [c.op, c.index, c.before, c.after, c.place, c.row])).toEqual(all.slice(mark.changes))
      if (!mark.boundary && mark.changes > 0) expect(again.runs[0].begins).toBe(false)
    }
  })

  test("goes on behind any record that Debezium took, by its connector's offset", async () => {
    await db.sql('CREATE TABLE o (id INT PRIMARY KEY)')
    const reader = await streamed(async () => {
      await db.sql('INSERT INTO o VALUES (1)')
      await db.sql('BEGIN; INSERT INTO o VALUES (2), (3); INSERT INTO o VALUES (4); DELETE FROM o WHERE id = 2; COMMIT')
      await db.sql('INSERT INTO o VALUES (5)')
    })
    const ids = reader.changes.map((c) => [c.op, ...(c.after ?? c.before)!])
    for (const [i, c] of reader.changes.entries()) {
      const offset = { file: c.file, pos: c.beginPos, gtids: c.gtidsBefore, row: c.row + 1, event: c.event, ts_sec: 1, server_id: 1 }
      const again = await Reader.open(optionsFor(db), positionOfDebezium(offset))
      await again.until(ids.length - i - 1)
      await again.close()
      expect(again.changes.map((x) => [x.op, ...(x.after ?? x.before)!])).toEqual(ids.slice(i + 1))
    }
  })

  test('shape changes, renames and truncates in the middle of the stream', async () => {
    await db.sql('CREATE TABLE d (id INT PRIMARY KEY, v VARCHAR(20))')
    const { changes } = await streamed(async () => {
      await db.sql("INSERT INTO d VALUES (1, 'one')")
      await db.sql('ALTER TABLE d ADD COLUMN w INT FIRST')
      await db.sql("INSERT INTO d VALUES (5, 2, 'two')")
      await db.sql('ALTER TABLE d DROP COLUMN v, MODIFY w BIGINT')
      await db.sql('INSERT INTO d VALUES (6, 3)')
      await db.sql('RENAME TABLE d TO d2')
      await db.sql('INSERT INTO d2 VALUES (7, 4)')
      await db.sql('DROP TABLE d2')
      await db.sql('CREATE TABLE d3 AS SELECT 8 AS id')
      await db.sql('TRUNCATE TABLE `d3`')
      await db.sql('DROP TABLE d3')
    })
    expect(changes.map((c) => [c.table, c.op, c.after?.length ?? 0])).toEqual([
      ['d', 'c', 2],
      ['d', 'c', 3],
      ['d', 'c', 2],
      ['d2', 'c', 2],
      ['d3', 'c', 1],
      ['d3', 't', 0],
    ])
  })

  test('savepoints, rolled back statements and transactions, tables without transactions', async () => {
    await db.sql('CREATE TABLE s (id INT PRIMARY KEY); CREATE TABLE m (id INT PRIMARY KEY) ENGINE=MyISAM')
    const { changes } = await streamed(async () => {
      await db.sql(
        'BEGIN; INSERT INTO s VALUES (1); SAVEPOINT a; INSERT INTO s VALUES (2); ROLLBACK TO a; INSERT INTO s VALUES (3); COMMIT',
      )
      await db.sql('BEGIN; INSERT INTO s VALUES (4); ROLLBACK')
      await db.sql('INSERT INTO s VALUES (5), (1)').catch(() => undefined)
      // With GTIDs MySQL refuses to mix the two kinds of tables.
      if (flavor === 'mysql') await db.sql('INSERT INTO m VALUES (1)')
      else await db.sql('BEGIN; INSERT INTO s VALUES (6); INSERT INTO m VALUES (1); ROLLBACK')
      await db.sql('INSERT INTO m VALUES (2), (3), (1)').catch(() => undefined)
      if (flavor === 'mysql') await db.sql('INSERT INTO m VALUES (9); INSERT INTO s VALUES (7)')
      else
        await db.sql(
          'BEGIN; INSERT INTO s VALUES (7); SAVEPOINT b; INSERT INTO m VALUES (9); INSERT INTO s VALUES (8); ROLLBACK TO b; COMMIT',
        )
    })
    await db.sql('DROP TABLE m')
    const rows = (table: string): string[] => changes.filter((c) => c.table === table).map((c) => c.after![0]!)
    expect(rows('s')).toEqual(['02', '06', '0e'])
    expect(rows('m')).toEqual(['02', '04', '06', '12'])
  })

  test('XA transactions count when they are committed, not when they are prepared', async () => {
    await db.sql('CREATE TABLE xa (id INT PRIMARY KEY)')
    const reader = await streamed(async () => {
      await db.sql("XA START 'a','b'; INSERT INTO xa VALUES (1), (2); XA END 'a','b'; XA PREPARE 'a','b'")
      await db.sql('INSERT INTO xa VALUES (10)').catch(() => undefined)
      const other = await db.connect()
      await other.query('INSERT INTO xa VALUES (3)')
      await other.query("XA COMMIT 'a','b'").catch(() => undefined)
      await db.sql("XA COMMIT 'a','b'").catch(() => undefined)
      await db.sql("XA START 'c'; INSERT INTO xa VALUES (4); XA END 'c'; XA PREPARE 'c'")
      await db.sql("XA ROLLBACK 'c'")
      await db.sql("XA START 'd'; INSERT INTO xa VALUES (5); XA END 'd'; XA COMMIT 'd' ONE PHASE")
      await db.sql('INSERT INTO xa VALUES (6)')
    })
    // A session whose transaction is prepared can go on in MySQL.
    expect(reader.changes.map((c) => c.after![0])).toEqual([...(flavor === 'mysql' ? ['14'] : []), '06', '02', '04', '0a', '0c'])
    expect(tablesAfter(reader.changes).get('xa')).toEqual((await tablesNow(db)).get('xa'))
    for (const mark of reader.marks) {
      const again = await Reader.open(optionsFor(db, { batchBytes: 1 }), mark.at)
      await again.until(reader.changes.length - mark.changes)
      await again.close()
      expect(again.changes.map((c) => c.after![0])).toEqual(reader.changes.slice(mark.changes).map((c) => c.after![0]))
    }
  })

  test('compressed transactions and events', async () => {
    await db.sql('CREATE TABLE z (id INT PRIMARY KEY, t TEXT)')
    const session = flavor === 'mysql' ? 'SESSION binlog_transaction_compression' : 'GLOBAL log_bin_compress'
    const reader = await streamed(
      async () => {
        await db.sql(`SET ${session} = ON`)
        try {
          await db.sql(`INSERT INTO z SELECT seq, REPEAT('abc ', 200) FROM ${numbers(flavor, 3000)}`)
          await db.sql("UPDATE z SET t = CONCAT(t, 'x') WHERE id % 2 = 0")
          await db.sql('DELETE FROM z WHERE id % 3 = 0')
        } finally {
          await db.sql(`SET ${session} = OFF`)
        }
        await db.sql("INSERT INTO z VALUES (100000, 'plain')")
      },
      { batchBytes: 100_000 },
    )
    expect(reader.changes.length).toBe(3000 + 1500 + 1000 + 1)
    expect(tablesAfter(reader.changes).get('z')).toEqual((await tablesNow(db)).get('z'))
    const inside = reader.marks.filter((m) => !m.boundary)
    expect(inside.length).toBeGreaterThan(10)
    for (const mark of [inside[0], inside[5], inside.at(-1)!]) {
      const again = await Reader.open(optionsFor(db), mark.at)
      await again.until(reader.changes.length - mark.changes)
      await again.close()
      expect(again.changes.map((c) => [c.op, c.index, c.after])).toEqual(
        reader.changes.slice(mark.changes).map((c) => [c.op, c.index, c.after]),
      )
    }
  })

  if (flavor === 'mysql')
    test('a compressed transaction of several packets is unpacked while it comes', async () => {
      await db.sql('CREATE TABLE zl (id INT PRIMARY KEY, b VARBINARY(1000), t VARCHAR(50))')
      const reader = await streamed(async () => {
        await db.sql('SET SESSION binlog_transaction_compression = ON')
        const source = numbers(flavor, 17_500)
        await db.sql(`BEGIN; INSERT INTO zl SELECT seq, RANDOM_BYTES(1000), 'x' FROM ${source}; DELETE FROM zl WHERE id % 2 = 0; COMMIT`)
        await db.sql('SET SESSION binlog_transaction_compression = OFF')
        await db.sql("INSERT INTO zl VALUES (0, NULL, 'behind')")
      })
      expect(reader.changes.length).toBe(26_251)
      expect(tablesAfter(reader.changes).get('zl')).toEqual((await tablesNow(db)).get('zl'))
      const inside = reader.marks.filter((m) => !m.boundary)
      const mark = inside[Math.floor(inside.length / 2)]
      const again = await Reader.open(optionsFor(db), mark.at)
      await again.until(reader.changes.length - mark.changes)
      await again.close()
      expect(again.changes.map((c) => [c.op, c.index, c.after?.[0]])).toEqual(
        reader.changes.slice(mark.changes).map((c) => [c.op, c.index, c.after?.[0]]),
      )
    })

  if (flavor === 'mysql')
    test('nothing is seen of a large compressed transaction that is damaged, though its checksum stands at its end', async () => {
      await db.sql('CREATE TABLE zd (id INT PRIMARY KEY, b VARBINARY(1000))')
      const proxy = await damagingProxy(db.port, 12 << 20)
      const reader = await Reader.open(optionsFor(db, { port: proxy.port, retryForMs: 1 }))
      try {
        await reader.pull()
        await db.sql('SET SESSION binlog_transaction_compression = ON')
        await db.sql(`INSERT INTO zd SELECT seq, RANDOM_BYTES(1000) FROM ${numbers(flavor, 17_500)}`)
        const error: unknown = await reader.toHead().catch((e: unknown) => e)
        expect(error).toMatchObject({ code: 'TRB-MY-011' })
        expect(reader.changes).toEqual([])
      } finally {
        await db.sql('SET SESSION binlog_transaction_compression = OFF')
        await reader.close()
        await proxy.close()
      }
    })

  test('rows of more than one packet', async () => {
    await db.sql('CREATE TABLE big (id INT PRIMARY KEY, b LONGBLOB)')
    await db.sql('SET GLOBAL max_allowed_packet = 1073741824')
    const { changes } = await streamed(async () => {
      const client = await db.connect()
      for (const size of [16_777_100, 16_777_215, 34_000_000]) await client.query(`INSERT INTO big VALUES (${size}, REPEAT('x', ${size}))`)
      await client.query("INSERT INTO big VALUES (1, 'small')")
    })
    expect(changes.map((c) => c.after![1]!.length / 2 - 4)).toEqual([16_777_100, 16_777_215, 34_000_000, 2])
  }, 120_000)

  test('rotated files', async () => {
    await db.sql('CREATE TABLE f (id INT PRIMARY KEY)')
    const reader = await streamed(async () => {
      await db.sql('INSERT INTO f VALUES (1)')
      await db.sql('FLUSH BINARY LOGS')
      await db.sql('INSERT INTO f VALUES (2)')
      await db.sql('FLUSH BINARY LOGS')
    })
    expect(reader.changes.map((c) => c.after![0])).toEqual(['02', '04'])
    const [first, second] = reader.changes
    expect(second.place > first.place).toBe(true)
    expect(second.commit.split(':')[0]).not.toBe(first.commit.split(':')[0])
  })

  test('texts of statements', async () => {
    await db.sql('CREATE TABLE q (id INT PRIMARY KEY)')
    const { changes } = await streamed(
      async () => {
        if (flavor === 'mysql') await db.sql('SET SESSION binlog_rows_query_log_events = ON')
        await db.sql('INSERT INTO q VALUES (1)')
        await db.sql('BEGIN; INSERT INTO q VALUES (2); DELETE FROM q WHERE id = 1; COMMIT')
        if (flavor === 'mysql') await db.sql('SET SESSION binlog_rows_query_log_events = OFF')
      },
      { includeQuery: true },
    )
    expect(changes.map((c) => c.query)).toEqual(['INSERT INTO q VALUES (1)', 'INSERT INTO q VALUES (2)', 'DELETE FROM q WHERE id = 1'])
  })
})

/** A derived table of the numbers 1 … n, named `seq`. */
function numbers(flavor: 'mysql' | 'mariadb', n: number): string {
  if (flavor === 'mariadb') return `seq_1_to_${n} AS s`
  const series = `SELECT 1 UNION ALL SELECT seq + 1 FROM s WHERE seq < ${n}`
  return `(WITH RECURSIVE s (seq) AS (${series}) SELECT /*+ SET_VAR(cte_max_recursion_depth = 1000000) */ seq FROM s) AS s`
}
