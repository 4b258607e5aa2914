import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { LakeType } from '../../../src/contract/columns.ts'
import { isFailure } from '../../../src/failure/failure.ts'
import { toVector } from '../../../src/format/parquet/column.ts'
import { ParquetFile } from '../../../src/format/parquet/file.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { duckdbRows } from './duckdb-values.ts'
import { show, type Value, valuesOf } from './values.ts'

const GOLDEN = join(import.meta.dirname, '../../golden/parquet')

async function open(name: string, change: (b: Buffer) => Buffer = (b) => b): Promise<ParquetFile> {
  const store = new MemoryStore({ now: () => 0 })
  const body = change(readFileSync(join(GOLDEN, name)))
  await store.put(name, body)
  return ParquetFile.open(store, name, body.length)
}

async function column(file: ParquetFile, name: string, type: LakeType): Promise<Value[]> {
  const out: Value[] = []
  for (let g = 0; g < file.meta.rowGroups.length; g++) {
    out.push(...valuesOf(type, toVector((await file.read(g, name, type))!), file.meta.rowGroups[g].rows))
  }
  return out
}

const text: LakeType = { kind: 'string' }
/** Types of the columns of the golden files. */
const TYPES: Record<string, LakeType> = {
  b: { kind: 'boolean' },
  i: { kind: 'int' },
  l: { kind: 'long' },
  seq: { kind: 'long' },
  f: { kind: 'float' },
  d: { kind: 'double' },
  s: text,
  raw: { kind: 'bytes' },
  dec: { kind: 'decimal', precision: 12, scale: 2 },
  ts: { kind: 'timestamp-micros' },
  day: { kind: 'date' },
  tm: { kind: 'time-micros' },
  list: { kind: 'list', element: text },
  map: { kind: 'map', value: { kind: 'long' } },
  id: text,
  region: text,
  name: text,
  amount: { kind: 'decimal', precision: 12, scale: 2 },
  qty: { kind: 'int' },
  ratio: { kind: 'double' },
  ok: { kind: 'boolean' },
  at: { kind: 'timestamp-micros' },
}

describe('files of other writers', () => {
  const names = readdirSync(GOLDEN).filter((n) => n.endsWith('.parquet') && n !== 'pyarrow-narrow.parquet')
  it.each(names)('%s reads as DuckDB reads it', async (name) => {
    const file = await open(name)
    for (const c of file.columns) {
      const type = c.name.startsWith('_hoodie') ? text : c.name === 'ts' && name.startsWith('spark') ? TYPES.seq : TYPES[c.name]
      const cast = c.name === 'ts' && !name.startsWith('spark') ? '::timestamptz' : ''
      const expected = await duckdbRows(`select "${c.name}"${cast} from read_parquet('${join(GOLDEN, name)}')`)
      expect((await column(file, c.name, type)).map(show), c.name).toEqual(expected.map((r) => show(r[0])))
    }
  })

  it('values of a narrower type are widened to the type that is asked for', async () => {
    const file = await open('pyarrow-narrow.parquet')
    const narrow = await column(file, 'n', { kind: 'int' })
    expect(await column(file, 'n', { kind: 'long' })).toEqual(narrow.map((v) => (v === null ? null : BigInt(v as number))))
    expect(await column(file, 'n', { kind: 'double' })).toEqual(narrow)
    expect(await column(file, 'x', { kind: 'double' })).toEqual(await column(file, 'x', { kind: 'float' }))
    const decimal = await column(file, 'p', { kind: 'decimal', precision: 3, scale: 1 })
    expect(await column(file, 'p', { kind: 'decimal', precision: 20, scale: 1 })).toEqual(decimal)
    expect(await column(file, 'p', { kind: 'decimal', precision: 20, scale: 3 })).toEqual(
      decimal.map((v) => (v === null ? null : (v as bigint) * 100n)),
    )
  })

  it('a column that the file does not have is null, one of another type is refused', async () => {
    const file = await open('pyarrow-narrow.parquet')
    expect(await file.read(0, 'absent', text)).toBeNull()
    await expect(file.read(0, 'n', text)).rejects.toSatisfy((e) => isFailure(e, 'TRB-LAKE-402'))
  })
})

describe('a damaged file', () => {
  const damaged: [string, (b: Buffer) => Buffer][] = [
    ['cut short', (b) => b.subarray(0, b.length - 20)],
    ['only the magic', () => Buffer.from('PAR1PAR1')],
    [
      'a footer length beyond the file',
      (b) => Buffer.concat([b.subarray(0, b.length - 8), Buffer.from([255, 255, 255, 127]), b.subarray(b.length - 4)]),
    ],
    ['a footer of noise', (b) => Buffer.concat([b.subarray(0, b.length - 60), Buffer.alloc(52, 0xee), b.subarray(b.length - 8)])],
  ]
  it.each(damaged)('is refused: %s', async (_what, change) => {
    await expect(open('pyarrow-gzip-plain.parquet', change)).rejects.toSatisfy((e) => isFailure(e, 'TRB-LAKE-401'))
  })

  it('is refused when a page does not inflate to its size', async () => {
    const file = await open('pyarrow-v2-zstd.parquet')
    const c = file.column('seq')!
    const [chunk] = await file.rawColumn(0, c)
    const half = { meta: chunk.meta, bytes: chunk.bytes.subarray(0, chunk.bytes.length >> 1) }
    expect(() => file.decode(c, { kind: 'long' }, [half])).toThrow('TRB-LAKE-401')
  })
})
