import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import mysql from 'mysql2/promise'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freshName, kafkaServer, readCommitted } from '../../support/kafka.ts'
import { type DatabaseServer, startDatabase } from '../../support/mysql-process.ts'
import { runInProcess } from '../run-in-process.ts'

const LARGE = 12_000
const root = mkdtempSync(join(tmpdir(), 'trib-mysql-kafka-'))
const given = process.env['TRIBUTARY_TEST_MYSQL_PORT']
const name = freshName('m').replaceAll('-', '_')
let server: DatabaseServer | null = null
let db!: mysql.Connection

beforeAll(async () => {
  if (given === undefined) server = await startDatabase('mysql')
  db = await mysql.createConnection({ host: '127.0.0.1', port: port(), user: 'root', multipleStatements: true })
  await db.query(`CREATE DATABASE ${name}; USE ${name}; CREATE TABLE t (id int PRIMARY KEY, b varbinary(1000))`)
}, 180_000)

afterAll(async () => {
  await db?.query(`DROP DATABASE ${name}`)
  await db?.end()
  await server?.destroy()
  rmSync(root, { recursive: true, force: true })
}, 60_000)

function port(): number {
  return server?.port ?? Number(given)
}

async function capture(): Promise<string> {
  const where = ['--source', 'mysql', '--url', `mysql://root@127.0.0.1:${port()}/${name}`, '--tables', `${name}.t`, '--name', name]
  const log = ['--kafka', kafkaServer().bootstrap, '--registry-listen', 'none', '--lake', 'none', '--state', join(root, 'state')]
  const { code, stderr } = await runInProcess('cdc', ['run', ...where, ...log, '--once'])
  expect([code, stderr]).toEqual([0, expect.stringContaining('changes captured')])
  return stderr
}

test('MySQL → Kafka: a compressed transaction that goes out in several appends is there whole, each row once and in order', async () => {
  await db.query('INSERT INTO t VALUES (-1, NULL), (-2, NULL)')
  await capture()
  // More than fits in an append, and packed more than is read as one piece: random bytes do not become smaller.
  await db.query(`SET SESSION binlog_transaction_compression = ON, cte_max_recursion_depth = ${LARGE};
    INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${LARGE - 1}) SELECT i, RANDOM_BYTES(1000) FROM n;
    UPDATE t SET b = 'x' WHERE id = 7; DELETE FROM t WHERE id = 8`)
  await capture()
  const keys: number[] = []
  const tombstones: number[] = []
  for (const r of await readCommitted([`${name}.${name}.t`])) (r.value === null ? tombstones : keys).push(r.key!.readUInt8(5))
  expect([keys.length, tombstones.length]).toEqual([2 + LARGE + 2, 1])
  // Ids are zigzag varints behind the five bytes of the wire header: their low bytes tell the order.
  const low = (id: number): number => (id < 64 ? id * 2 : ((id * 2) & 0x7f) | 0x80)
  const expected = Array.from({ length: LARGE }, (_, i) => low(i))
  expect(keys.slice(2)).toEqual([...expected, low(7), low(8)])
  const cursors = (await readCommitted([`${name}.offsets`])).map((r) => JSON.parse(r.headers['tributary.cursor']!) as { boundary: boolean })
  expect(cursors.some((c) => !c.boundary)).toBe(true)
  expect(cursors.at(-1)!.boundary).toBe(true)
})
