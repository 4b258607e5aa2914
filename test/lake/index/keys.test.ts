import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { LakeColumn, LakeType } from '../../../src/contract/columns.ts'
import { ParquetFile } from '../../../src/format/parquet/file.ts'
import { bagKeys, ordinalOf, rowId } from '../../../src/lake/index/bag-key.ts'
import { BloomFilter, murmur2 } from '../../../src/lake/index/bloom.ts'
import { bucketHash, bucketOf, javaHash } from '../../../src/lake/index/bucket.ts'
import { bigDecimal, javaDouble, localDate } from '../../../src/lake/index/java-text.ts'
import type { Keys } from '../../../src/lake/index/keys.ts'
import { PartitionPaths } from '../../../src/lake/index/partition-path.ts'
import { keyWriter } from '../../../src/lake/index/record-key.ts'
import { recordKeys } from '../../../src/lake/merge/join.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { type Value, vectorOf } from '../../format/parquet/values.ts'

const GOLDEN = join(import.meta.dirname, '../../golden/parquet')

function keyTexts(k: Keys, n: number): string[] {
  return Array.from({ length: n }, (_, i) => k.data.toString('utf8', k.offsets[i], k.offsets[i + 1]))
}

function keysOf(columns: readonly [string, LakeType, Value[]][]): string[] {
  const lake = columns.map(([name, type]): LakeColumn => ({ name, type }))
  const vectors = columns.map(([, type, values]) => vectorOf(type, values))
  const n = columns[0][2].length
  return keyTexts(keyWriter('t', lake).write(vectors, null, n, 1), n)
}

async function goldenKeys(name: string): Promise<{ keys: Buffer[]; file: ParquetFile }> {
  const store = new MemoryStore({ now: () => 0 })
  const body = readFileSync(join(GOLDEN, name))
  await store.put(name, body)
  const file = await ParquetFile.open(store, name, body.length)
  const { data, starts } = await recordKeys(file, 0)
  return { keys: Array.from({ length: starts.length - 1 }, (_, i) => data.subarray(starts[i] + 4, starts[i + 1])), file }
}

describe('buckets', () => {
  it('hash as Java does, code units of UTF-16 included', () => {
    const hash = (s: string): number => javaHash(Buffer.from(s), 0, Buffer.from(s).length)
    expect(hash('hello')).toBe(99162322)
    expect(hash('')).toBe(0)
    for (const s of ['Zürich', '日本語', '🦆 and more', 'polygenelubricants']) {
      let h = 0
      for (let i = 0; i < s.length; i++) h = (Math.imul(h, 31) + s.charCodeAt(i)) | 0
      expect(hash(s), s).toBe(h)
    }
  })

  it.each([0, 1, 2])('agree with those that Spark chose (bucket %i of 3)', async (bucket) => {
    const { keys } = await goldenKeys(`spark-hudi-bucket-${bucket}-of-3.parquet`)
    const hash = bucketHash(['id'], 3)
    expect(keys.map((k) => bucketOf(hash, k, 0, k.length))).toEqual(keys.map(() => bucket))
  })

  it('take the values of the hash fields out of a composite key', () => {
    const at = (key: string, fields: string[]): number =>
      bucketOf(bucketHash(fields, 1 << 30), Buffer.from(key), 0, Buffer.from(key).length)
    const list = (...values: (string | null)[]): number => {
      let h = 1
      for (const v of values) h = (Math.imul(h, 31) + (v === null ? 0 : javaHash(Buffer.from(v), 0, Buffer.from(v).length))) | 0
      return (h & 0x7fffffff) % (1 << 30)
    }
    expect(at('a:1,b:2', ['a', 'b'])).toBe(list('1', '2'))
    expect(at('a:1,b:2', ['b'])).toBe(list('2'))
    expect(at('a:__null__,b:__empty__', ['a', 'b'])).toBe(list(null, ''))
    expect(at('a:x:y,b:', ['a', 'b'])).toBe(list('x:y', ''))
    expect(at('12:30', ['t'])).toBe(list())
    expect(at('a:1,loose,b:2,,', ['a', 'b'])).toBe(list('1', 'loose', '2'))
    expect(at('plain, with comma', ['a'])).toBe(list('plain, with comma'))
  })
})

describe('record keys', () => {
  it('of one column are its value as Java prints it', () => {
    expect(keysOf([['k', { kind: 'int' }, [0, -5, 2147483647]]])).toEqual(['0', '-5', '2147483647'])
    const longs = [0n, -1n, 9007199254740993n, -(1n << 63n), (1n << 63n) - 1n, 4294967296n, -4294967297n, 1234567890123n]
    expect(keysOf([['k', { kind: 'long' }, longs]])).toEqual(longs.map(String))
    expect(keysOf([['k', { kind: 'string' }, ['', 'a:b', 'é,f', '__empty__']]])).toEqual(['', 'a:b', 'é,f', '__empty__'])
    expect(keysOf([['k', { kind: 'boolean' }, [true, false]]])).toEqual(['true', 'false'])
    expect(keysOf([['k', { kind: 'date' }, [0, 19000, -719529]]])).toEqual(['1970-01-01', '2022-01-08', '-0001-12-31'])
    expect(keysOf([['k', { kind: 'decimal', precision: 10, scale: 2 }, [12345n, -5n, 0n]]])).toEqual(['123.45', '-0.05', '0.00'])
    expect(keysOf([['k', { kind: 'bytes' }, [Buffer.from([1, 255])]]])).toEqual(['01ff'])
    expect(keysOf([['k', { kind: 'timestamp-micros' }, [1700000000123456n]]])).toEqual(['1700000000123456'])
    expect(keysOf([['k', { kind: 'double' }, [1, 0.5, 1e21, 1.5e-7, 12345678.9]]])).toEqual([
      '1.0',
      '0.5',
      '1.0E21',
      '1.5E-7',
      '1.23456789E7',
    ])
  })

  it('of several columns are those of the ComplexKeyGenerator', async () => {
    const { keys } = await goldenKeys('spark-hudi-composite.parquet')
    const parts = keys.map((k) => /^id:(.*),region:(.*)$/.exec(k.toString())!)
    const ours = keysOf([
      ['id', { kind: 'string' }, parts.map((p) => p[1])],
      ['region', { kind: 'string' }, parts.map((p) => p[2])],
    ])
    expect(ours).toEqual(keys.map(String))
    expect(
      keysOf([
        ['a', { kind: 'string' }, ['', null, 'x']],
        ['b', { kind: 'int' }, [1, 2, null]],
      ]),
    ).toEqual(['a:__empty__,b:1', 'a:__null__,b:2', 'a:x,b:__null__'])
  })

  it('never agree for different values, also where the plain composite form would', () => {
    const values = [
      '1',
      '1,b:2',
      '2,b:3',
      '3',
      '',
      '__empty__',
      '%2Cb:2',
      '1%2Cb:2',
      '1%252Cb:2',
      '%5F_empty__',
      'a,c',
      '100%',
      '_x,b:2',
      ',b:',
    ]
    const pairs = values.flatMap((a) => values.map((b) => [a, b] as const))
    const keys = keysOf([
      ['a', { kind: 'string' }, pairs.map((p) => p[0])],
      ['b', { kind: 'string' }, pairs.map((p) => p[1])],
    ])
    expect(new Set(keys).size).toBe(pairs.length)
    expect(keys).toContain('a:a,c,b:100%')
  })

  it('refuse a null in a single column, and columns that are no plain values', () => {
    expect(() => keysOf([['k', { kind: 'int' }, [null]]])).toThrow('TRB-LAKE-403')
    expect(() => keysOf([['k', { kind: 'list', element: { kind: 'int' } }, [[1]]]])).toThrow('TRB-LAKE-404')
  })
})

describe('values as Java prints them', () => {
  it('decimals go over to an exponent as BigDecimal.toString does', () => {
    expect(bigDecimal(1n, 7)).toBe('1E-7')
    expect(bigDecimal(-123n, 10)).toBe('-1.23E-8')
    expect(bigDecimal(1n, 6)).toBe('0.000001')
    expect(bigDecimal(0n, 7)).toBe('0E-7')
    expect(bigDecimal(12n, 0)).toBe('12')
  })

  it('floats and doubles have the fewest digits that read back', () => {
    expect([0.001, 0.00099, 1e7, 9999999, -0, 1 / 3].map((x) => javaDouble(x, false))).toEqual([
      '0.001',
      '9.9E-4',
      '1.0E7',
      '9999999.0',
      '-0.0',
      '0.3333333333333333',
    ])
    expect(javaDouble(Math.fround(0.1), true)).toBe('0.1')
    expect(javaDouble(Math.fround(16777216), true)).toBe('1.6777216E7')
    expect([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map((x) => javaDouble(x, false))).toEqual([
      'NaN',
      'Infinity',
      '-Infinity',
    ])
  })

  it('dates agree with the calendar', () => {
    for (let day = -800_000; day < 3_000_000; day += 9973) {
      const iso = new Date(day * 86_400_000).toISOString().split('T')[0]
      if (!/^[+-]/.test(iso)) expect(localDate(day)).toBe(iso)
    }
    expect(localDate(2932897)).toBe('+10000-01-01')
  })
})

describe('row ids of tables without a key', () => {
  const columns: LakeColumn[] = [
    { name: 'b', type: { kind: 'string' } },
    { name: 'a', type: { kind: 'int' } },
    { name: '_event_lsn', type: { kind: 'long' } },
  ]
  const digest = (cols: readonly LakeColumn[], row: Value[]): string => {
    const vectors = cols.map((c, i) => vectorOf(c.type, [row[i]]))
    return keyTexts(bagKeys(cols, vectors, null, 1, 1), 1)[0]
  }

  it('depend on the content, not on change columns, nulls, order or width of columns', () => {
    const same = digest(columns, ['x', 1, 5n])
    expect(same).toMatch(/^[0-9a-f]{32}$/)
    expect(digest(columns, ['x', 1, 6n])).toBe(same)
    expect(digest([columns[1], columns[0]], [1, 'x'])).toBe(same)
    expect(digest([...columns, { name: 'later', type: { kind: 'list', element: { kind: 'int' } } }], ['x', 1, 5n, null])).toBe(same)
    expect(digest([columns[0], { name: 'a', type: { kind: 'long' } }], ['x', 1n])).toBe(same)
    expect(digest(columns, ['x', 2, 5n])).not.toBe(same)
    expect(digest(columns, ['x', null, 5n])).not.toBe(same)
    expect(digest(columns, ['', 1, 5n])).not.toBe(digest(columns, [null, 1, 5n]))
  })

  it('do not depend on the precision of a decimal', () => {
    const of = (precision: number): string => digest([{ name: 'n', type: { kind: 'decimal', precision, scale: 2 } }], [-12345n])
    expect(of(30)).toBe(of(6))
  })

  it('carry an ordinal that can be read back', () => {
    const d = Buffer.from('0123456789abcdef0123456789abcdef')
    for (const n of [0, 7, 123456]) {
      const id = rowId(d, 0, n)
      expect(ordinalOf(id, 0, id.length)).toBe(n)
    }
    for (const foreign of ['', 'k001', `${d}`, `${d}-`, `${d}-x`, `${d}:1`]) {
      expect(ordinalOf(Buffer.from(foreign), 0, Buffer.from(foreign).length), foreign).toBe(-1)
    }
  })
})

describe('Bloom filters', () => {
  const goldens = readdirSync(GOLDEN).filter((n) => n.startsWith('spark-'))
  it.each(goldens)('have the bits that Hudi sets (%s)', async (name) => {
    const { keys, file } = await goldenKeys(name)
    const raw = Buffer.from(file.meta.keyValues.get('org.apache.hudi.bloomfilter')!, 'base64')
    // DYNAMIC_V0: a header of 25 bytes, then rows with a header of 13
    const hashes = raw.readInt32BE(4)
    const bits = raw.readInt32BE(9)
    const stored = raw.subarray(25 + 13)
    const ours = Buffer.alloc(stored.length)
    for (const k of keys) {
      for (let i = 0, h = 0; i < hashes; i++) {
        h = murmur2(k, 0, k.length, h)
        const bit = Math.abs(h % bits)
        ours[bit >> 3] |= 1 << (bit & 7)
      }
    }
    expect(ours.equals(stored)).toBe(true)
  })

  it('know every key that was added, and few others; they are carried on while there is room', () => {
    const filter = BloomFilter.sized(1000)
    const key = (i: number): Buffer => Buffer.from(`key-${i}`)
    const has = (f: BloomFilter, i: number): boolean => f.mayHold(key(i), 0, key(i).length)
    for (let i = 0; i < 1000; i++) filter.add(key(i), 0, key(i).length)
    const on = BloomFilter.carriedOn(new Map(filter.entries()), 200)!
    expect(Array.from({ length: 1000 }, (_, i) => has(on, i)).every(Boolean)).toBe(true)
    const wrong = Array.from({ length: 2000 }, (_, i) => has(on, 5000 + i)).filter(Boolean).length
    expect(wrong).toBeLessThan(200)
    expect(BloomFilter.carriedOn(new Map(filter.entries()), 500)).toBeNull()
    // the largest filter is carried on although it fills up: making it anew would not help
    expect(BloomFilter.carriedOn(new Map(BloomFilter.sized(5_000_000).entries()), 3_000_000)).not.toBeNull()
  })
})

describe('partition paths', () => {
  const spec = (type: LakeType, truncate: 'none' | 'day' | 'month' | 'year') =>
    new PartitionPaths({
      name: 't',
      database: '',
      path: 't',
      columns: [{ name: 'p', type }],
      key: [],
      orderingField: '',
      partition: { column: 'p', truncate },
      buckets: 1,
      tableType: 'COPY_ON_WRITE',
      tableVersion: 6,
    })
  const pathsOf = (type: LakeType, truncate: 'none' | 'day' | 'month' | 'year', values: Value[]): string[] => {
    const p = spec(type, truncate)
    const v = vectorOf(type, values)
    return values.map((_, i) => p.paths[p.of([v], i)])
  }

  it('are values, escaped, or a truncated date', () => {
    expect(pathsOf({ kind: 'string' }, 'none', ['eu', 'a/b', null, ''])).toEqual([
      'eu',
      'a%2Fb',
      '__HIVE_DEFAULT_PARTITION__',
      '__HIVE_DEFAULT_PARTITION__',
    ])
    expect(pathsOf({ kind: 'int' }, 'none', [7, -1])).toEqual(['7', '-1'])
    const at = [1700000000000000n, -1n]
    expect(pathsOf({ kind: 'timestamp-micros' }, 'day', at)).toEqual(['2023-11-14', '1969-12-31'])
    expect(pathsOf({ kind: 'timestamp-micros' }, 'month', at)).toEqual(['2023-11', '1969-12'])
    expect(pathsOf({ kind: 'date' }, 'year', [19000])).toEqual(['2022'])
  })

  it('need a column of plain values', () => {
    expect(() => spec({ kind: 'list', element: { kind: 'int' } }, 'none')).toThrow('TRB-LAKE-404')
    const missing = { name: 't', database: '', path: 't', columns: [], key: [], orderingField: '', buckets: 1 } as const
    const make = () =>
      new PartitionPaths({ ...missing, partition: { column: 'p', truncate: 'none' }, tableType: 'COPY_ON_WRITE', tableVersion: 6 })
    expect(make).toThrow('TRB-LAKE-405')
  })
})
