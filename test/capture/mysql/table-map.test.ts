import { expect, test } from 'vitest'
import { T } from '../../../src/capture/mysql/wire/column-type.ts'
import { parseTableMap, type TableMap } from '../../../src/capture/mysql/wire/table-map.ts'

/** A TABLE_MAP of table d.t: per column its type and the bytes of its meta; then metadata fields as [kind, bytes]. */
function tableMap(
  columns: readonly (readonly [number, readonly number[]])[],
  fields: readonly (readonly [number, readonly number[]])[],
): Buffer {
  const meta = columns.flatMap(([, m]) => m)
  const bitmap = new Array<number>((columns.length + 7) >> 3).fill(0)
  return Buffer.from([
    ...[7, 0, 0, 0, 0, 0, 1, 0, 1, 100, 0, 1, 116, 0],
    ...[columns.length, ...columns.map(([type]) => type), meta.length, ...meta, ...bitmap],
    ...fields.flatMap(([kind, bytes]) => [kind, bytes.length, ...bytes]),
  ])
}

const parsed = (bytes: Buffer, mariadb: boolean): TableMap => parseTableMap(bytes, 0, bytes.length, mariadb)!

test('a YEAR has a bit of its own among the numbers', () => {
  // BIGINT UNSIGNED, YEAR, INT: the bits of a real server for (bigint unsigned, year, int)
  const map = parsed(
    tableMap(
      [
        [T.LONGLONG, []],
        [T.YEAR, []],
        [T.LONG, []],
      ],
      [[1, [0b1100_0000]]],
    ),
    false,
  )
  expect([...map.unsigned!]).toEqual([1, 1, 0])
})

test.each([
  ['mysql', false, T.GEOMETRY, T.VECTOR],
  ['mariadb', true, T.VECTOR, T.GEOMETRY],
] as const)('%s: which columns have a collation beside those of text', (_flavor, mariadb, without, withOne) => {
  // VARCHAR of latin1 (8), a column of each kind, VARCHAR of utf32 (60)
  const between = (type: number): Buffer =>
    tableMap(
      [
        [T.VARCHAR, [40, 0]],
        [type, [4]],
        [T.VARCHAR, [240, 0]],
      ],
      [[3, type === withOne ? [8, 63, 60] : [8, 60]]],
    )
  expect([...parsed(between(withOne), mariadb).collations!]).toEqual([8, 63, 60])
  expect([...parsed(between(without), mariadb).collations!]).toEqual([8, 0, 60])
})
