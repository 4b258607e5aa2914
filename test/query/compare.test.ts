import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, describe, expect, test } from 'vitest'
import type { LakeType } from '../../src/contract/columns.ts'
import { canonical, type SourceType } from '../../src/query/canonical.ts'
import { type ComparedColumn, type ComparisonResult, compareTable } from '../../src/query/compare.ts'

const root = mkdtempSync(join(tmpdir(), 'trib-compare-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const source = (name: string, element: SourceType | null = null): SourceType => ({ name, element, typmod: -1 })

function column(name: string, from: SourceType, type: LakeType, key = false): ComparedColumn {
  return { name, type, canonical: canonical(from, type)!, key }
}

const COLUMNS = [
  column('id', source('int8'), { kind: 'long' }, true),
  column('name', source('text'), { kind: 'string' }),
  column('ratio', source('float8'), { kind: 'double' }),
  column('price', source('numeric'), { kind: 'decimal', precision: 10, scale: 2 }),
]

let files = 0
async function compare(lakeSql: string, csv: string, columns: readonly ComparedColumn[] = COLUMNS): Promise<ComparisonResult> {
  const file = join(root, `${files++}.parquet`)
  const sourceCsv = join(root, `${files}.csv`)
  const writer = await (await DuckDBInstance.create(':memory:')).connect()
  await writer.run(`COPY (${lakeSql}) TO '${file}'`)
  writeFileSync(sourceCsv, csv)
  return await compareTable(
    { columns, sourceCsv, files: { whole: [file], merged: [] } },
    { memoryBytes: 512 << 20, threads: 1, spill: root },
  )
}

const row = (id: string, name: string, ratio: string, price: string): string =>
  `SELECT ${id}::BIGINT AS id, ${name} AS name, ${ratio}::DOUBLE AS ratio, ${price}::DECIMAL(10,2) AS price`

describe('comparing a table by value', () => {
  test('equal rows in any order are equal, their digests too', async () => {
    const lake = `${row('9007199254740993', "'a'", '0.1', '1.50')} UNION ALL ${row('2', "''", "'NaN'", '-0.05')} UNION ALL ${row('3', 'NULL', 'NULL', 'NULL')}`
    const r = await compare(lake, '"3",,,\n"2","","NaN","-0.05"\n"9007199254740993","a","0.1","1.50"\n')
    expect(r).toMatchObject({ sourceRows: 3n, lakeRows: 3n, missing: 0n, extra: 0n, examples: [] })
    expect(r.sourceDigest).toBe(r.lakeDigest)
  })

  test.each([
    ['another value', row('1', "'b'", '0.1', '1.50')],
    ['null for the empty text', row('1', 'NULL', '0.1', '1.50')],
    ['one digit of a float', row('1', "'a'", '0.10000000000000002', '1.50')],
    ['one cent', row('1', "'a'", '0.1', '1.51')],
    ['one more in a large key', row('2', "'a'", '0.1', '1.50')],
  ])('%s is a difference', async (_, lake) => {
    const r = await compare(lake, '"1","a","0.1","1.50"\n'.replace('"a"', lake.includes('NULL') ? '""' : '"a"'))
    expect(r).toMatchObject({ missing: 1n, extra: 1n })
    expect(r.sourceDigest).not.toBe(r.lakeDigest)
    expect(r.examples.map((e) => e.side)).toEqual(['missing', 'extra'])
  })

  test('rows count with their multiplicity', async () => {
    const one = row('1', "'a'", '0.1', '1.50')
    const r = await compare(`${one} UNION ALL ${one} UNION ALL ${one}`, '"1","a","0.1","1.50"\n"1","a","0.1","1.50"\n')
    expect(r).toMatchObject({ sourceRows: 2n, lakeRows: 3n, missing: 0n, extra: 1n })
    expect(r.sourceDigest).not.toBe(r.lakeDigest)
  })

  test('texts with quotes, line feeds and commas come through', async () => {
    const columns = [column('name', source('text'), { kind: 'string' })]
    const r = await compare(`SELECT E'a,"b"\\nc\\r\\n' AS name`, '"a,""b""\nc\r\n"\n', columns)
    expect(r).toMatchObject({ missing: 0n, extra: 0n })
  })

  test('an unconstrained numeric is compared without the zeros at its end', async () => {
    const columns = [column('n', source('numeric'), { kind: 'string' })]
    const lake = "SELECT unnest(['112', '0.5', '100', '-3.25', '0']) AS n"
    expect(await compare(lake, '"112"\n"0.5"\n"100"\n"-3.25"\n"0"\n', columns)).toMatchObject({ missing: 0n, extra: 0n })
    expect(await compare("SELECT '112.50' AS n", '"112.5"\n', columns)).toMatchObject({ missing: 0n, extra: 0n })
    expect(await compare("SELECT '10' AS n", '"1"\n', columns)).toMatchObject({ missing: 1n, extra: 1n })
  })

  test('types without a common form are not compared rather than guessed', () => {
    expect(canonical(source('hstore'), { kind: 'map', value: { kind: 'string' } })).toBeNull()
    expect(canonical(source('varbit'), { kind: 'bytes' })).toBeNull()
    expect(canonical(source('text'), { kind: 'long' })).toBeNull()
    expect(canonical(source('_varbit', source('varbit')), { kind: 'list', element: { kind: 'bytes' } })).toBeNull()
  })
})
