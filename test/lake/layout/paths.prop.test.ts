import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  bucketFileId,
  bucketOfFileId,
  parseBaseFileName,
  parseLogFileName,
  printBaseFileName,
  writeToken,
} from '../../../src/lake/layout/file-name.ts'
import { parsePartitionMetadata, printPartitionMetadata } from '../../../src/lake/layout/partition-metadata.ts'
import { decodeName, encodeName, markedPath, markerKey, partitionSegment, tablePath } from '../../../src/lake/layout/paths.ts'
import { COW_TABLES, goldenFiles } from '../../support/golden-table.ts'

test('names become one path segment each and come back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (name) => {
      const segment = encodeName(name)
      expect(segment).toMatch(/^(?!\.)[A-Za-z0-9._%-]+$/)
      expect(decodeName(segment)).toBe(name)
    }),
  )
})

test('the path of a source table', () => {
  expect(tablePath('shop', 'public', 'orders')).toBe('shop/public/orders')
  expect(tablePath('', 'Größe', '.a/b c%')).toBe('Gr%C3%B6%C3%9Fe/%2Ea%2Fb%20c%25')
  expect(() => encodeName('')).toThrow(expect.objectContaining({ code: 'TRB-LAKE-013' }))
})

test("partition values are escaped as Hudi's key generators do", () => {
  expect(partitionSegment('2026-11-21 10:00:00')).toBe('2026-11-21 10%3A00%3A00')
  expect(partitionSegment('a/b=c%ü')).toBe('a%2Fb%3Dc%25ü')
  expect([partitionSegment(null), partitionSegment('')]).toEqual(Array(2).fill('__HIVE_DEFAULT_PARTITION__'))
})

test('markers name the data file that they announce', () => {
  const key = markerKey('shop/t', '20261121000000000', 'a=1/x_0-1-2_20261121000000000.parquet', 'MERGE')
  expect(key).toBe('shop/t/.hoodie/.temp/20261121000000000/a=1/x_0-1-2_20261121000000000.parquet.marker.MERGE')
  expect(markedPath('shop/t', '20261121000000000', key)).toBe('a=1/x_0-1-2_20261121000000000.parquet')
  expect(markedPath('shop/t', '20261121000000000', 'shop/t/.hoodie/.temp/20261121000000000/MARKERS0')).toBeNull()
})

test.each(COW_TABLES)('every data file name of %s is parsed and printed back', (table) => {
  let files = 0
  for (const path of goldenFiles(table).keys()) {
    if (path.startsWith('.hoodie/')) continue
    const name = path.slice(path.lastIndexOf('/') + 1)
    if (name === '.hoodie_partition_metadata') continue
    files++
    const base = parseBaseFileName(name)
    if (base === null) expect(parseLogFileName(name)).toMatchObject({ cdc: true, version: 1 })
    else expect(printBaseFileName(base)).toBe(name)
  }
  expect(files).toBeGreaterThan(0)
})

test('log file names, with and without a token', () => {
  expect(parseLogFileName('.f-0_20261121000000000.log.3_1-0-1')).toEqual({
    fileId: 'f-0',
    baseInstant: '20261121000000000',
    version: 3,
    token: '1-0-1',
    cdc: false,
  })
  expect(parseLogFileName('.f-0_20261121000000000.log.1')?.token).toBeNull()
  expect([parseLogFileName('x.parquet'), parseBaseFileName('.hoodie_partition_metadata')]).toEqual([null, null])
})

test('the file id of a bucket begins with its number', () => {
  const id = bucketFileId(3, '12345678-1234-4234-8234-123456789012')
  expect(id).toBe('00000003-1234-4234-8234-123456789012-0')
  expect([bucketOfFileId(id), bucketOfFileId('a2345678-1234')]).toEqual([3, null])
  expect(writeToken(1, 2, 3)).toBe('1-2-3')
})

test('partition metadata as Spark wrote it, and ours', () => {
  for (const [path, body] of goldenFiles('v6_cow_part')) {
    if (!path.endsWith('.hoodie_partition_metadata')) continue
    const m = parsePartitionMetadata(body, path)
    expect(m.depth).toBe(1)
    // Spark's own clock stands in the second line.
    const mine = printPartitionMetadata(m, 0).toString().split('\n')
    expect(mine.toSpliced(1, 1)).toEqual(body.toString().split('\n').toSpliced(1, 1))
  }
  expect(() => parsePartitionMetadata(Buffer.from('a=b'), 'f')).toThrow(expect.objectContaining({ code: 'TRB-LAKE-004' }))
})
