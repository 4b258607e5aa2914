import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { differences, expectedRows, sorted } from './expected-rows.ts'
import { type Fixture, makeFixture } from './fixture.ts'
import { newestBaseFiles, readWith } from './readers.ts'
import { type Row, type Spark, startSpark } from './spark.ts'

const TABLES = ['customers', 'products', 'orders', 'order_lines', 'visits', 'miscellany']

let fixture: Fixture
let spark: Spark

beforeAll(async () => {
  fixture = await makeFixture('interop')
  await fixture.capture()
  await fixture.work(400)
  await fixture.capture()
  await fixture.db.sql(
    `UPDATE shop.miscellany SET t = NOT t, e = e / 3, g = g * 2, k = k + interval '1 microsecond', s = s || ARRAY['more'] WHERE a < 3;
     DELETE FROM shop.miscellany WHERE b IS NULL; INSERT INTO shop.miscellany (a, c, d) VALUES (4, 'later', '\\x01')`,
  )
  await fixture.capture()
  await fixture.work(400)
  await fixture.capture()
  spark = await startSpark('0.15')
})

afterAll(async () => {
  await spark?.close()
  await fixture?.drop()
})

/** The row's own columns: what the database has. */
async function database(table: string, style: 'engine' | 'ours' = 'engine'): Promise<{ rows: string[]; columns: string[] }> {
  const rows = await expectedRows(fixture.db, 'shop', table, style)
  const columns = Object.keys(rows[0])
  expect(columns.length).toBeGreaterThan(3)
  return { rows: sorted(rows, columns), columns }
}

describe.each(TABLES)('shop.%s after a snapshot and two stretches of changes', (table) => {
  test('Spark 3.5 with Hudi 0.15 reads the rows of the database', async () => {
    const expected = await database(table)
    expect(differences(sorted(await spark.read(fixture.table(table)), expected.columns), expected.rows)).toEqual([])
  })
  test('hudi-rs reads the rows of the database', async () => {
    const expected = await database(table)
    expect(differences(sorted(await readWith('hudi-rs', [fixture.table(table)]), expected.columns), expected.rows)).toEqual([])
  })
  test.each(['pyarrow', 'duckdb'] as const)('%s reads the base files', async (reader) => {
    const expected = await database(table)
    expect(differences(sorted(await readWith(reader, newestBaseFiles(fixture.table(table))), expected.columns), expected.rows)).toEqual([])
  })
  test('lake query reads the rows of the database', async () => {
    const expected = await database(table, 'ours')
    expect(differences(sorted(await fixture.query(`SELECT * FROM shop.${table}`), expected.columns), expected.rows)).toEqual([])
  })
})

describe('Spark as a second writer of shop.orders', () => {
  let before: Row[]
  beforeAll(async () => {
    const path = fixture.table('orders')
    before = await spark.read(path)
    const orders = before.filter((r) => Number(r['id']) % 1000 === 7)
    const changed = orders.map((r) => ({ ...r, status: 'by spark', total: '12345.67' }))
    await spark.upsert(path, [...changed, { ...orders[0], id: 999_000_001, status: 'new by spark' }])
    await spark.delete(
      path,
      before.filter((r) => Number(r['id']) % 1000 === 8),
    )
  })

  /** The rows as they must be now: what was there, with Spark's changes. */
  function afterSpark(): Row[] {
    const kept = before.filter((r) => Number(r['id']) % 1000 !== 8)
    const changed = kept.map((r) => (Number(r['id']) % 1000 === 7 ? { ...r, status: 'by spark', total: '12345.67' } : r))
    const first = before.find((r) => Number(r['id']) % 1000 === 7)
    return [...changed, { ...first, id: 999_000_001, status: 'new by spark' }]
  }

  const columns = ['id', 'customer_id', 'status', 'total', 'note']

  test('our reader, Spark and hudi-rs agree on the table', async () => {
    const expected = sorted(afterSpark(), columns)
    expect(differences(sorted(await spark.read(fixture.table('orders')), columns), expected)).toEqual([])
    expect(differences(sorted(await readWith('hudi-rs', [fixture.table('orders')]), columns), expected)).toEqual([])
    expect(differences(sorted(await fixture.query('SELECT * FROM shop.orders'), columns), expected)).toEqual([])
  })

  test('our next commits keep what Spark wrote and add what the database changed', async () => {
    await fixture.db.sql(`UPDATE shop.orders SET status = 'by the database' WHERE id % 1000 = 9`)
    await fixture.db.sql(`UPDATE shop.orders SET note = 'both wrote' WHERE id = 1007`)
    await fixture.capture()
    const now = await expectedRows(fixture.db, 'shop', 'orders', 'engine')
    const ofDatabase = new Map(now.map((r) => [r['id'], r]))
    const expected = afterSpark().map((r) => {
      const id = Number(r['id'])
      return id % 1000 === 9 || id === 1007 ? (ofDatabase.get(r['id']) ?? r) : r
    })
    const rows = sorted(expected, columns)
    expect(differences(sorted(await spark.read(fixture.table('orders')), columns), rows)).toEqual([])
    expect(differences(sorted(await readWith('hudi-rs', [fixture.table('orders')]), columns), rows)).toEqual([])
    expect(differences(sorted(await fixture.query('SELECT * FROM shop.orders'), columns), rows)).toEqual([])
  })
})
