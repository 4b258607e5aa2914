import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FLAVORS, serverOptions, useDatabase } from '../support/mysql.ts'
import { type Ended, envelope, runBin } from './run-bin.ts'
import { runInProcess } from './run-in-process.ts'

/** Every kind of column; both servers take them. */
const COLUMNS = `id int PRIMARY KEY, ti tinyint, tu tinyint unsigned, bo boolean, si smallint unsigned, mi mediumint, iu int(8) unsigned zerofill,
  bi bigint, bu bigint unsigned, d decimal(12,3), dw decimal(50,20), f float, db double, b1 bit, b11 bit(11), y year, dt date, t time, t6 time(6),
  at datetime, at6 datetime(6), ts timestamp NULL, ts3 timestamp(3) NULL, c char(5), vc varchar(40), l1 varchar(20) CHARACTER SET latin1,
  gk varchar(20) CHARACTER SET gbk, ko varchar(20) CHARACTER SET koi8r, tx mediumtext, bn binary(6), vb varbinary(9), bl blob,
  e enum('a','b,c','ü'), s set('x','y','z'), j json, g geometry, v2 int AS (id * 2) STORED, v3 int AS (id * 3) VIRTUAL`

describe.each(FLAVORS)('a lake of %s', (flavor) => {
  const database = useDatabase(flavor, 'e')
  const dir = mkdtempSync(join(tmpdir(), 'trib-e2e-'))
  afterAll(() => rmSync(dir, { recursive: true, force: true }))
  const { port } = serverOptions(flavor)
  const source = (): string[] => ['--source', flavor, '--url', `mysql://root@127.0.0.1:${port}/${database().name}`, '--name', `e${flavor}`]
  const cdc = (...args: string[]): Promise<Ended> =>
    (args[0] === 'run' ? runBin : runInProcess)('cdc', [...args, ...source()], { cwd: dir })
  const lake = (...args: string[]): Promise<Ended> => runInProcess('lake', args, { cwd: dir })
  const COUNT = (): string => `SELECT count(*) AS n, sum(bi) AS s FROM ${database().name}.rich`
  const places: { readonly file: string; readonly pos: string; readonly gtid: string; readonly n: string; readonly s: string | null }[] = []

  /** Values of a row, made from its number: each column has nulls, limits and usual values. */
  const values = (i: number): string => {
    const pick = (...list: string[]): string => list[i % list.length]!
    return [
      i,
      pick('-128', '127', 'NULL', '0'),
      pick('255', '0', 'NULL'),
      pick('1', '0', 'NULL'),
      pick('65535', '0'),
      pick('-8388608', '8388607', 'NULL'),
      pick('42', '4294967295', 'NULL'),
      pick('-9223372036854775808', '9007199254740993', '7'),
      pick('18446744073709551615', '9223372036854775808', '0', 'NULL'),
      pick('-123456789.125', '0', '0.001', 'NULL'),
      pick('123456789012345678901234567890.12345678901234567890', '-0.00000000000000000001', '0'),
      pick('3.3', '-1.17549435e-38', '16777216', 'NULL', '123456.789'),
      pick('1e-300', '1.7976931348623157e308', '0.1', '-0.0', '123456789.123456789'),
      pick("b'1'", "b'0'", 'NULL'),
      pick("b'10101010101'", "b'1'", "b'0'"),
      pick('1901', '2155', '2026', '0'),
      pick("'1000-01-01'", "'9999-12-31'", "'2020-02-29'", 'NULL'),
      pick("'-838:59:59'", "'838:59:59'", "'10:00'", 'NULL'),
      pick("'-00:00:00.000001'", "'24:00:00'", "'-01:02:03.000004'"),
      pick("'1000-01-01'", "'1969-12-31 23:59:59'", "'9999-12-31 23:59:59'"),
      pick("'2020-02-29 12:34:56.789012'", "'1969-12-31 23:59:59.999999'", 'NULL'),
      pick("'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", 'NULL'),
      pick("'2020-01-01 00:00:00.120'", 'NULL'),
      pick("'ab'", "''", "'é'"),
      pick("'héllo 😀'", "''", `'it''s "q", \\\\ x'`, 'NULL'),
      pick("'çà€'", "'a'", 'NULL'),
      pick("'汉字'", "'a'", 'NULL'),
      pick("'привет'", "''"),
      pick("repeat('x', 3000)", "'line\\nline'", 'NULL'),
      pick("x'0102'", "x'ff0000000000'", 'NULL'),
      pick("x''", "x'00ff00'", 'NULL'),
      pick("x'fffe00'", 'NULL', "''"),
      pick("'a'", "'b,c'", "'ü'", 'NULL'),
      pick("'x,z'", "''", "'y'", 'NULL'),
      pick(`'{"b": 1, "a": [1, 2.5, "x", null, true, 1e20, 0.1]}'`, "'null'", "'[]'", 'NULL'),
      pick("ST_GeomFromText('POINT(1.5 -2)')", "ST_GeomFromText('LINESTRING(0 0,1 1)')", 'NULL'),
    ].join(', ')
  }
  const names = COLUMNS.replace(/\([^)]*\)/g, '')
    .split(',')
    .map((c) => c.trim().split(' ')[0]!)
    .filter((n) => !/^v[23]$/.test(n))
    .join(', ')
  const insert = (from: number, to: number): string =>
    `INSERT INTO rich (${names}) VALUES ${Array.from({ length: to - from }, (_, k) => `(${values(from + k)})`).join(', ')};`

  const here = async (): Promise<void> => {
    const mysql = flavor === 'mysql'
    const status = await database().sql(mysql ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS')
    const [file, pos] = status[0]!
    const set = mysql ? (status[0]![4] ?? '') : (await database().sql('SELECT @@GLOBAL.gtid_binlog_pos'))[0]![0]!
    const own = set.replace(/\s/g, '').split(',').at(-1)!
    const gtid = mysql ? `${own.split(':')[0]}:${/(\d+)$/.exec(own)![1]}` : own
    const [n, s] = (await database().sql('SELECT count(*), sum(bi) FROM rich'))[0]!
    places.push({ file: file!, pos: pos!, gtid, n: n!, s: s! })
  }

  beforeAll(async () => {
    await database().sql(`SET sql_mode = ''; CREATE TABLE rich (${COLUMNS}); CREATE TABLE bag (x int, y varchar(5)); CREATE TABLE nothing (id int PRIMARY KEY);
      ${insert(1, 61)} INSERT INTO bag VALUES (1, 'a'), (1, 'a'), (NULL, NULL), (2, 'é')`)
    const first = await cdc('run', '--once')
    expect([first.code, first.code === 0 ? '' : first.stderr]).toEqual([0, ''])
    for (let round = 1; round <= 3; round++) {
      await database().sql(`SET sql_mode = ''; BEGIN; ${insert(round * 100, round * 100 + 40)}
        UPDATE rich SET bi = bi DIV 2, vc = 'u${round}' WHERE id % 3 = ${round % 3};
        UPDATE rich SET id = id + 10000 WHERE id = ${round * 100}; DELETE FROM rich WHERE id % 11 = ${round}; DELETE FROM bag LIMIT 1;
        INSERT INTO bag VALUES (7, 'r${round}'), (7, 'r${round}'); COMMIT; BEGIN; DELETE FROM rich; ROLLBACK`)
      await here()
    }
    const second = await cdc('run', '--once')
    expect([second.code, second.code === 0 ? '' : second.stderr]).toEqual([0, ''])
  }, 180_000)

  test('every value of every type is the one of the database', async () => {
    const e = await cdc('verify', '--tables', `${database().name}.*`, '--wait', '5s', '--json')
    expect([e.code, e.stderr]).toEqual([0, ''])
    const { tables } = envelope<{ tables: { table: string; verdict: string; notCompared: string[]; columnsMissing: string[] }[] }>(e).result
    const seen = tables.map((t) => [t.table, t.verdict, t.notCompared, t.columnsMissing])
    expect(seen).toEqual([
      ['bag', 'equal', [], []],
      ['nothing', 'equal', [], []],
      ['rich', 'equal', [], []],
    ])
  })

  test('a difference is found', async () => {
    await database().sql("UPDATE rich SET vc = 'not captured' WHERE id = 5")
    const e = await cdc('verify', '--tables', `${database().name}.*`, '--wait', '1s', '--json')
    expect(e.code).toBe(5)
    expect(envelope<{ tables: { verdict: string }[] }>(e).result.tables.map((t) => t.verdict)).toEqual(['equal', 'equal', 'different'])
  })

  test('each transaction is reached by its place in the binlog and by its GTID', async () => {
    for (const at of places.slice(0, 2)) {
      for (const asOf of [`binlog:${at.file}:${at.pos}`, `gtid:${at.gtid}`]) {
        const e = await lake('query', COUNT(), '--as-of', asOf, '--exact', '--format', 'json')
        expect([asOf, e.code, e.code === 0 ? JSON.parse(e.stdout) : e.stderr]).toEqual([asOf, 0, [{ n: Number(at.n), s: at.s }]])
      }
    }
  })

  test('added and dropped columns are followed, a truncation empties the table', async () => {
    await database().sql(`ALTER TABLE rich ADD COLUMN more varchar(9) DEFAULT 'd', DROP COLUMN tx; UPDATE rich SET more = 'm' WHERE id < 10; TRUNCATE TABLE bag;
      INSERT INTO bag VALUES (9, 'z')`)
    const run = await cdc('run', '--once')
    expect([run.code, run.code === 0 ? '' : run.stderr]).toEqual([0, ''])
    const query = `SELECT (SELECT count(*) FROM ${database().name}.rich WHERE more = 'm') AS m, (SELECT count(*) FROM ${database().name}.bag) AS b`
    const e = await lake('query', query, '--format', 'json')
    const [m] = (await database().sql('SELECT count(*) FROM rich WHERE id < 10'))[0]!
    expect(JSON.parse(e.stdout)).toEqual([{ m: Number(m), b: 1 }])
  })
})
