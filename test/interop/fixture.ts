import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pg from 'pg'
import { type Finished, run } from '../../demo/programs.ts'
import { createShop, startWorkload } from '../../demo/shop.ts'
import { freshDatabase, type TestDatabase } from '../support/postgres.ts'
import { parseExact, type Row } from './spark.ts'

/** Every scalar type of the lake's mapping, its extremes, and nulls. No time before 1582: Spark refuses those of any foreign writer. */
const MISCELLANY = `
CREATE TYPE shop.mood AS ENUM ('glad', 'sad');
CREATE TABLE shop.miscellany (
  a int, b smallint, c text, d bytea, e double precision, f real, g numeric(38,10), h numeric(5,0), i numeric, j timestamp, k timestamptz,
  l date, m uuid, n json, o jsonb, p inet, q shop.mood, r bigint[], s text[], t boolean, u char(3), v bigint,
  PRIMARY KEY (a, c)
);
INSERT INTO shop.miscellany VALUES
  (1, 32767, 'all', '\\x00ff10', 0.1, 0.1, 1234567890123456789012345678.0123456789, 99999, 12345678901234567890.000000000000001,
   '2026-11-21 01:02:03.456789', '2026-11-21 01:02:03.456789+05', '2026-11-21', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"b": 1,  "a": [1]}',
   '{"b": 1, "a": [1]}', '10.1.2.3/24', 'glad', '{1,9007199254740993,-9223372036854775808}', '{grüße,"a,b",""}', true, 'ab', 9007199254740993),
  (2, -32768, 'extremes', '', -1.7976931348623157e308, 3.4e38, -0.0000000001, -99999, -0.5, '1969-12-31 23:59:59.999999',
   '1900-01-01 00:00:00Z', '1900-01-01', NULL, 'null', '"text"', '::1', 'sad', '{}', '{}', false, '', -9223372036854775808),
  (3, NULL, 'nulls', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (3, 0, 'key with : , and _ in it', '\\xdeadbeef', 0, -0.0, 0, 0, 0, '2000-01-01', '2000-01-01Z', '9999-12-31', NULL, '[]', '{}',
   'fe80::1', 'glad', '{0}', '{"null"}', NULL, 'abc', 0);
`

/** A lake written by the product itself from the shop of the demo and a table of all types. */
export interface Fixture {
  readonly db: TestDatabase
  readonly lake: string
  /** Directory of a table of schema shop. */
  table(name: string): string
  /** `cdc run --once`: brings the lake up to date. */
  capture(): Promise<void>
  /** Runs the shop's workload for a number of transactions. */
  work(transactions: number): Promise<void>
  query(sql: string, ...flags: string[]): Promise<Row[]>
  lakeCommand(...args: string[]): Promise<Finished>
  drop(): Promise<void>
}

export async function makeFixture(prefix: string): Promise<Fixture> {
  const db = await freshDatabase(prefix)
  const home = mkdtempSync(join(tmpdir(), 'tributary-interop-'))
  const lake = join(home, 'lake')
  const client = await db.connect()
  await createShop(client)
  await client.query(MISCELLANY)
  let seed = 1
  const succeed = async (name: 'cdc' | 'lake', args: readonly string[]): Promise<Finished> => {
    const r = await run({ name, args }, { DATABASE_URL: db.url })
    if (r.code !== 0) throw new Error(`${name} ${args.join(' ')} ended with ${r.code}:\n${r.stdout}\n${r.stderr}`)
    return r
  }
  return {
    db,
    lake,
    table: (name) => join(lake, db.name, 'shop', name),
    async capture() {
      const places = ['--lake', lake, '--state', join(home, 'state'), '--name', db.name]
      await succeed('cdc', ['run', '--source', 'pg', '--tables', 'shop.*', '--table-type', 'cow', '--once', ...places])
    },
    async work(transactions) {
      const writer: pg.Client = await db.connect()
      const workload = startWorkload(writer, seed++)
      while (workload.transactions() < transactions) await workload.pause(async () => undefined)
      await workload.stop()
    },
    async query(sql, ...flags) {
      const r = await succeed('lake', ['query', sql, '--lake', lake, '--format', 'json', ...flags])
      return parseExact(r.stdout) as Row[]
    },
    lakeCommand: (...args) => succeed('lake', args),
    async drop() {
      await db.drop()
      rmSync(home, { recursive: true, force: true })
    },
  }
}
