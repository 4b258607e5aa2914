import { describe, expect, test } from 'vitest'
import { openMysqlSource } from '../../../src/capture/mysql/adapter.ts'
import type { MysqlOptions } from '../../../src/capture/mysql/options.ts'
import { systemClock } from '../../../src/cli/clock.ts'
import type { ChangeBatch, Position } from '../../../src/contract/change.ts'
import { FLAVORS, type TestDatabase, useDatabase } from '../../support/mysql.ts'
import { type Change, changesOf, optionsFor } from './capture.ts'

/** A state of the tables: rows by key, or by all values with their number. */
type State = Map<string, Map<string, number>>

/** Applies changes as a lake would: keyed rows replace each other, others are counted. */
function apply(state: State, changes: readonly Change[]): void {
  for (const c of changes) {
    const rows = state.get(c.table) ?? new Map<string, number>()
    state.set(c.table, rows)
    const row = (cells: Change['after']): string => JSON.stringify(cells)
    const own = (cells: NonNullable<Change['after']>): string => JSON.stringify(c.key.map((k) => cells[k]))
    const drop = (text: string): void => {
      const left = (rows.get(text) ?? 0) - 1
      if (left <= 0) rows.delete(text)
      else rows.set(text, left)
    }
    if (c.op === 't') rows.clear()
    else if (c.key.length === 0) {
      if (c.before !== null) drop(row(c.before))
      if (c.after !== null) rows.set(row(c.after), (rows.get(row(c.after)) ?? 0) + 1)
    } else {
      for (const cells of [c.before, c.after]) {
        if (cells === null) continue
        for (const known of [...rows.keys()].filter((k) => k.startsWith(`${own(cells)} `))) rows.delete(known)
      }
      if (c.after !== null) rows.set(`${own(c.after)} ${row(c.after)}`, 1)
    }
  }
}

/** Reads until `enough`, and leaves without a goodbye: what was not handed out is lost with it. */
async function read(options: MysqlOptions, from: Position | null, state: State, enough: (b: ChangeBatch) => boolean): Promise<Position> {
  const source = openMysqlSource(options, { clock: systemClock, observe: () => undefined })
  try {
    const stream = await source.open(from, new AbortController().signal)
    let at = from
    for await (const batch of stream.batches) {
      apply(state, changesOf(batch))
      at = batch.upTo
      if (enough(batch)) return at
    }
    return at!
  } finally {
    await source.close()
  }
}

const TABLES = `CREATE TABLE a_num (id bigint unsigned PRIMARY KEY, v int);
  CREATE TABLE b_text (k varchar(20) COLLATE utf8mb4_unicode_ci, n decimal(8,2), v int, PRIMARY KEY (k, n));
  CREATE TABLE c_bytes (k binary(4) PRIMARY KEY, v int);
  CREATE TABLE d_time (k datetime(6), t time(2), v int, PRIMARY KEY (k, t));
  CREATE TABLE e_label (k enum('z','m','a'), n int, v int, PRIMARY KEY (k, n));
  CREATE TABLE f_bag (x int, v int);
  CREATE TABLE g_empty (id int PRIMARY KEY);`

async function fill(db: TestDatabase): Promise<void> {
  const many = (row: (i: number) => string): string => Array.from({ length: 60 }, (_, i) => `(${row(i)})`).join(', ')
  await db.sql(`${TABLES}
    INSERT INTO a_num VALUES ${many((i) => `${18446744073709551615n - BigInt(i) * 300000000000000000n}, ${i}`)};
    INSERT INTO b_text VALUES ${many((i) => `'${['Ä', 'ä', "it''s", 'z\\\\', 'ß', 'B', ''][i % 7]}${i % 5}', ${(i - 30) / 4}, ${i}`)};
    INSERT INTO c_bytes VALUES ${many((i) => `x'${(i * 71_000_001).toString(16).padStart(8, '0').slice(-8)}', ${i}`)};
    INSERT INTO d_time VALUES ${many((i) => `'2026-01-01 00:00:00' + INTERVAL ${i % 7} MICROSECOND, SEC_TO_TIME(${i} - 36000), ${i}`)};
    INSERT INTO e_label VALUES ${many((i) => `'${'zma'[i % 3]}', ${i}, ${i}`)}; INSERT INTO f_bag VALUES ${many((i) => `${i % 4}, ${i % 3}`)}`)
}

const TABLE_NAMES = ['a_num', 'b_text', 'c_bytes', 'd_time', 'e_label', 'f_bag']

describe.each(FLAVORS)('a snapshot of %s', (flavor) => {
  const database = useDatabase(flavor, 'n')

  test('cut anywhere and continued, while others write, it ends at the state of the database', async () => {
    await fill(database())
    const small = { snapshot: 'initial' as const, batchBytes: 1500, chunkRows: 7 }
    const state: State = new Map()
    let at: Position | null = null
    let complete = false
    for (let round = 0; !complete && round < 400; round++) {
      let left = 1 + ((round * 7) % 3)
      at = await read(optionsFor(database(), small), at, state, (batch) => {
        complete ||= batch.snapshotComplete || !batch.upTo.startsWith('snapshot ')
        return complete || --left === 0
      })
      const t = TABLE_NAMES[round % TABLE_NAMES.length]!
      if (!complete && round < 60)
        await database().sql(`UPDATE ${t} SET v = v + 1000 LIMIT 9; DELETE FROM ${t} LIMIT 1; INSERT INTO f_bag VALUES (9, ${round})`)
    }
    await database().sql('CREATE TABLE z_end (id int PRIMARY KEY); INSERT INTO z_end VALUES (1)')
    await read(optionsFor(database(), small), at, state, () => state.has('z_end'))
    const whole: State = new Map()
    await read(optionsFor(database(), { snapshot: 'initial_only' }), null, whole, () => false)
    const sorted = (s: State): unknown =>
      [...s]
        .map(([t, rows]) => [t, [...rows].sort()])
        .filter(([, rows]) => rows!.length > 0)
        .sort()
    expect(sorted(state)).toEqual(sorted(whole))
  })

  test('marks of the rows are those of Debezium: first and last of all, first and last of each table', async () => {
    const marks: [string, number][] = []
    const source = openMysqlSource(optionsFor(database(), { snapshot: 'initial_only' }), { clock: systemClock, observe: () => undefined })
    try {
      const stream = await source.open(null, new AbortController().signal)
      for await (const b of stream.batches) for (let i = 0; i < b.count; i++) marks.push([b.tables[b.table[i]!]!.id.table, b.mark[i]!])
    } finally {
      await source.close()
    }
    const of = (table: string): number[] => marks.filter(([t]) => t === table).map(([, m]) => m)
    expect(of('a_num').filter((m) => m !== 1)).toEqual([2, 4])
    expect(of('c_bytes').filter((m) => m !== 1)).toEqual([3, 4])
    expect(of('z_end')).toEqual([5])
  })
})
