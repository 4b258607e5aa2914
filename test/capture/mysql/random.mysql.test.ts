import { expect, test } from 'vitest'
import { FLAVORS, freshDatabase } from '../../support/mysql.ts'
import { optionsFor, Reader, tablesAfter, tablesNow } from './capture.ts'

const seed = Number(process.env['TRIBUTARY_SEED'] ?? process.pid)

/** Seeded pseudo-random numbers (mulberry32). */
function seeded(start: number): () => number {
  let a = start >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

type Pick = (n: number) => number

/** Column type → a literal of it. */
const TYPES: readonly (readonly [string, (pick: Pick) => string])[] = [
  ['TINYINT', (n) => String(n(256) - 128)],
  ['SMALLINT UNSIGNED', (n) => String(n(65536))],
  ['MEDIUMINT', (n) => String(n(1 << 24) - (1 << 23))],
  ['INT UNSIGNED', (n) => String(n(2 ** 32))],
  ['BIGINT', (n) => `${n(2) === 0 ? '-' : ''}${n(9_000_000)}${String(n(1e9)).padStart(9, '0')}`],
  ['BIGINT UNSIGNED', (n) => `${n(18)}${String(n(1e9)).padStart(9, '0')}${String(n(1e9)).padStart(9, '0')}`],
  ['DOUBLE', (n) => `${n(1e9)}.${n(1e6)}e${n(200) - 100}`],
  ['FLOAT', (n) => `${n(1000)}.${n(1000)}`],
  ['DECIMAL(38,10)', (n) => `${n(2) === 0 ? '-' : ''}${n(1e9)}${n(1e9)}.${n(1e9)}`],
  ['DECIMAL(5,5)', (n) => `0.${String(n(100_000)).padStart(5, '0')}`],
  ['BIT(13)', (n) => String(n(8192))],
  ['CHAR(60) CHARACTER SET utf8mb4', (n) => `'${'aé€😀'.slice(0, n(5))}${n(1000)}'`],
  ['VARCHAR(300) CHARACTER SET utf8mb4', (n) => `REPEAT('ü${n(10)}', ${n(140)})`],
  ['VARCHAR(20) CHARACTER SET latin1', (n) => `'é${n(100)}'`],
  ['BINARY(5)', (n) => `X'${n(256).toString(16).padStart(2, '0')}00'`],
  ['VARBINARY(300)', (n) => `REPEAT(X'00ff', ${n(150)})`],
  ['MEDIUMTEXT', (n) => `REPEAT('t${n(10)}', ${n(400)})`],
  ['LONGBLOB', (n) => `REPEAT(X'80', ${n(3) === 0 ? 70_000 : n(100)})`],
  ["ENUM('a','b,c','ü')", (n) => String(1 + n(3))],
  [`SET(${Array.from({ length: 20 }, (_, i) => `'s${i}'`).join()})`, (n) => String(n(1 << 20))],
  ['DATE', (n) => `'${1000 + n(8999)}-${String(1 + n(12)).padStart(2, '0')}-${String(1 + n(28)).padStart(2, '0')}'`],
  ['TIME(3)', (n) => `'${n(2) === 0 ? '-' : ''}${n(838)}:${n(60)}:${n(60)}.${n(1000)}'`],
  ['TIME', (n) => `'${n(2) === 0 ? '-' : ''}${n(838)}:${n(60)}:${n(60)}'`],
  ['DATETIME(6)', (n) => `'${1000 + n(8999)}-01-${String(1 + n(28)).padStart(2, '0')} ${n(24)}:${n(60)}:${n(60)}.${n(1e6)}'`],
  ['TIMESTAMP(2) NULL', (n) => `FROM_UNIXTIME(${1 + n(2_000_000_000)}.${n(100)})`],
  ['YEAR', (n) => String(1901 + n(250))],
  ['JSON', (n) => `'{"a": [${n(1e6)}, "x${n(100)}", true, null], "b": {"c": "${'é'.repeat(n(100))}"}}'`],
]

test.each(FLAVORS)(`%s: a random workload over every type leaves what the database holds (TRIBUTARY_SEED=${seed})`, async (flavor) => {
  const random = seeded(seed)
  const pick: Pick = (n) => Math.floor(random() * n)
  const db = await freshDatabase(flavor, 'm1n')
  await db.sql(`CREATE TABLE r (id INT PRIMARY KEY, ${TYPES.map(([type], i) => `c${i} ${type}`).join(', ')}) CHARACTER SET utf8mb4`)
  const reader = await Reader.open(optionsFor(db))
  await reader.pull()
  const value = (i: number): string => (pick(5) === 0 ? 'NULL' : TYPES[i][1](pick))
  for (let n = 0; n < 40; n++) {
    const rows = Array.from({ length: 1 + pick(5) }, (_, k) => `(${[n * 10 + k, ...TYPES.map((_t, i) => value(i))].join(', ')})`)
    const column = pick(TYPES.length)
    const statements = [
      `INSERT INTO r VALUES ${rows.join(', ')}`,
      `UPDATE r SET c${column} = ${value(column)} WHERE id % 7 = ${pick(7)}`,
      ...(pick(4) === 0 ? [`DELETE FROM r WHERE id % 11 = ${pick(11)}`] : []),
      ...(pick(4) === 0 ? [`UPDATE r SET id = id + 100000 WHERE id < 1000 AND id % 13 = ${pick(13)}`] : []),
    ]
    await db
      .sql(`SET SESSION sql_mode = ''; BEGIN; ${statements.join('; ')}; ${pick(10) === 0 ? 'ROLLBACK' : 'COMMIT'}`)
      .catch((e: Error) => {
        // A key that moved onto another one.
        if (!('errno' in e) || e.errno !== 1062) throw e
      })
    await db.sql('COMMIT')
  }
  await reader.toHead()
  await reader.close()
  const streamed = tablesAfter(reader.changes).get('r')!
  const stored = (await tablesNow(db)).get('r')!
  await db.drop()
  expect(stored.size).toBeGreaterThan(20)
  expect(new Map([...streamed].sort())).toEqual(new Map([...stored].sort()))
})
