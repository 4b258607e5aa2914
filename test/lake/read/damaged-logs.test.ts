import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FileSlice } from '../../../src/contract/slice.ts'
import { isFailure } from '../../../src/failure/failure.ts'
import { LogReader } from '../../../src/format/hudi-log/reader.ts'
import { printBlock, printRollback } from '../../../src/format/hudi-log/writer.ts'
import { ParquetFile } from '../../../src/format/parquet/file.ts'
import { chunkStart } from '../../../src/format/parquet/metadata.ts'
import { readDelta } from '../../../src/lake/read/delta.ts'
import type { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { valuesOf } from '../../format/parquet/values.ts'
import { goldenFiles } from '../../support/golden-table.ts'
import { propertyRuns } from '../../support/property-runs.ts'
import { buildSlice, instantOf, type ModelBlock, newStore, printModelBlock, putLog, RULES, SCHEMA } from './slice-model.ts'

const rows = (id: string, name: string): ModelBlock => ({ kind: 'avro', partial: false, rows: [{ id, ts: 1, op: 'c', name, note: 'n' }] })
const ALL = (): boolean => true

async function names(store: MemoryStore, slice: FileSlice, visible: (i: string) => boolean = ALL): Promise<string[]> {
  const delta = await readDelta({ store, table: 't', slice, schema: SCHEMA, rules: RULES['event-time'], visible })
  const out: string[] = []
  for await (const chunk of delta.rows()) {
    const at = chunk.columns.findIndex((c) => c.name === 'name')
    out.push(...(valuesOf({ kind: 'string' }, chunk.vectors[at], chunk.count) as string[]))
  }
  return out.sort()
}

/** A slice of logs given as bytes, without a base file. */
async function sliceOf(store: MemoryStore, logs: readonly Buffer[]): Promise<FileSlice> {
  const slice = await buildSlice(store, null, [], 1)
  const files = []
  for (const [i, body] of logs.entries()) files.push(await putLog(store, i + 1, body))
  return { ...slice, logs: files }
}

async function printed(b: ModelBlock, instant: string): Promise<Buffer> {
  return Buffer.concat(await printModelBlock(b, instant))
}

describe('blocks that count', () => {
  test('blocks of instants that are not visible are left out', async () => {
    const store = newStore()
    const slice = await buildSlice(store, null, [rows('a', '1'), rows('b', '2'), rows('c', '3')], 2)
    expect(await names(store, slice, (i) => i !== instantOf(2))).toEqual(['1', '3'])
  })
  test('a rollback block takes back the blocks before it, not those after it', async () => {
    const store = newStore()
    const block = await printed(rows('a', '1'), instantOf(1))
    const other = await printed(rows('b', '2'), instantOf(2))
    const again = await printed(rows('c', '3'), instantOf(1))
    expect(await names(store, await sliceOf(store, [block, other, printRollback(instantOf(3), instantOf(1)), again]))).toEqual(['2', '3'])
  })
  test('a log-compacted block stands where the newest block it replaces stood', async () => {
    const store = newStore()
    const of = async (n: number, id: string, name: string, compacted?: string): Promise<Buffer> => {
      const bytes = await printModelBlock(rows(id, name), instantOf(n))
      if (compacted === undefined) return Buffer.concat(bytes)
      const whole = Buffer.concat(bytes)
      const reader = new LogReader({ range: async (_k, s, l) => whole.subarray(s, s + l) }, 'k', whole.length)
      for await (const b of reader.blocks()) {
        if (b.kind === 'block') {
          const header = new Map([...b.header, ['compacted', compacted] as const])
          return Buffer.concat(printBlock('avro', header, [await reader.content(b)]))
        }
      }
      throw new Error('no block')
    }
    const log = [
      await of(1, 'a', 'old'),
      await of(2, 'a', 'newer'),
      await of(3, 'a', 'newest'),
      await of(4, 'a', 'newer', `${instantOf(2)},${instantOf(1)}`),
    ]
    expect(await names(store, await sliceOf(store, log))).toEqual(['newest'])
    // at a moment before the compaction its block does not count, the others do
    const earlier = newStore()
    expect(await names(earlier, await sliceOf(earlier, log), (i) => i <= instantOf(2))).toEqual(['newer'])
    // what it replaces is gone: it stands for itself
    const alone = newStore()
    expect(await names(alone, await sliceOf(alone, [log[3]]))).toEqual(['newer'])
  })
})

describe('damage', () => {
  test('a log cut inside a block of a completed instant is refused', async () => {
    const store = newStore()
    const block = await printed(rows('a', '1'), instantOf(1))
    await expect(names(store, await sliceOf(store, [block.subarray(0, block.length - 3)]))).rejects.toMatchObject({
      code: 'TRB-LAKE-020',
      details: { at: 0, problem: `it ends inside a block of ${block.length} bytes` },
    })
  })
  test('a log cut inside a block of an instant that does not count is passed over', async () => {
    const store = newStore()
    const whole = await printed(rows('a', '1'), instantOf(1))
    const cut = (await printed(rows('b', '2'), instantOf(2))).subarray(0, -20)
    expect(await names(store, await sliceOf(store, [whole, cut]), (i) => i !== instantOf(2))).toEqual(['1'])
  })
  test('a log cut so early that its instant is not known: refused, unless a rollback of an instant without blocks follows', async () => {
    const whole = await printed(rows('a', '1'), instantOf(1))
    const stump = (await printed(rows('b', '2'), instantOf(2))).subarray(0, 30)
    const before = newStore()
    await expect(names(before, await sliceOf(before, [whole, stump]))).rejects.toMatchObject({ code: 'TRB-LAKE-020' })
    const after = newStore()
    expect(await names(after, await sliceOf(after, [whole, stump, printRollback(instantOf(3), instantOf(2))]))).toEqual(['1'])
    const other = newStore()
    const slice = await sliceOf(other, [whole, stump, printRollback(instantOf(3), instantOf(1))])
    await expect(names(other, slice)).rejects.toMatchObject({ code: 'TRB-LAKE-020' })
  })
  test('a wrong magic is refused', async () => {
    const store = newStore()
    const block = await printed(rows('a', '1'), instantOf(1))
    block[2] = 0x58
    await expect(names(store, await sliceOf(store, [block]))).rejects.toMatchObject({
      code: 'TRB-LAKE-020',
      details: { problem: 'it does not begin with the magic #HUDI#' },
    })
  })
  test('an unknown format version, block type or command is refused by name', async () => {
    for (const [at, value] of [
      [17, 9],
      [21, 8],
    ]) {
      const store = newStore()
      const block = await printed(rows('a', '1'), instantOf(1))
      block[at] = value
      await expect(names(store, await sliceOf(store, [block]))).rejects.toMatchObject({ code: 'TRB-LAKE-021' })
    }
    const store = newStore()
    const command = printRollback(instantOf(2), instantOf(1))
    command[34] = 0x31
    await expect(names(store, await sliceOf(store, [command]))).rejects.toMatchObject({ details: { what: 'the command 1' } })
  })
  test('a page of a Parquet block whose CRC does not fit is damage to the log', async () => {
    const files = goldenFiles('v9_mor_pqblk')
    const body = [...files].find(([p]) => p.includes('.log.'))![1]
    const schema = [{ name: 'name', type: { kind: 'string' } as const }]
    const read = async (log: Buffer): Promise<number> => {
      const store = newStore()
      const slice = await sliceOf(store, [log])
      return (await readDelta({ store, table: 't', slice, schema, rules: RULES['commit-time'], visible: ALL })).count
    }
    expect(await read(body)).toBeGreaterThan(0)
    const start = body.indexOf('PAR1')
    const inside = {
      range: async (_: string, from: number, n: number) => body.subarray(from < 0 ? end + from : start + from).subarray(0, n),
    }
    const end = body.lastIndexOf('PAR1') + 4
    const file = await ParquetFile.open(inside, 'k', end - start)
    const chunk = file.meta.rowGroups[0].columns[file.column('name')!.firstLeaf]
    const broken = Buffer.from(body)
    broken[start + chunkStart(chunk) + chunk.storedBytes - 1] ^= 1
    await expect(read(broken)).rejects.toMatchObject({
      code: 'TRB-LAKE-020',
      details: { problem: expect.stringContaining('the CRC of a page') },
    })
  })
  test('a column that the log has as another type is refused by name', async () => {
    const store = newStore()
    const slice = await buildSlice(store, null, [rows('a', '1')], 1)
    const schema = SCHEMA.map((c) => (c.name === 'note' ? { ...c, type: { kind: 'long' } as const } : c))
    const request = { store, table: 't', slice, schema, rules: RULES['event-time'], visible: ALL }
    await expect(readDelta(request)).rejects.toMatchObject({
      code: 'TRB-LAKE-024',
      details: { column: 'note', from: 'string', to: 'long' },
    })
  })
  test('an ordering field that has no order is refused', async () => {
    const store = newStore()
    const slice = await buildSlice(store, null, [rows('a', '1')], 1)
    const schema = SCHEMA.map((c) => (c.name === 'ts' ? { ...c, type: { kind: 'list', element: { kind: 'long' } } as const } : c))
    const request = { store, table: 't', slice, schema, rules: RULES['event-time'], visible: ALL }
    await expect(readDelta(request)).rejects.toMatchObject({ code: 'TRB-LAKE-023', details: { problem: 'it is a list' } })
  })
})

test('a changed byte outside the values of rows gives the same rows or a failure with a code, never others', async () => {
  const blocks: ModelBlock[] = [rows('a', '1'), { kind: 'delete', keys: [{ id: 'a', ts: null }] }, rows('b', '2'), rows('c', '3')]
  const parts: Buffer[] = []
  for (const [i, b] of blocks.entries()) parts.push(await printed(b, instantOf(i + 1)))
  const bytes = Buffer.concat(parts)
  const frames = new Set<number>()
  let at = 0
  for (const p of parts) {
    // magic, lengths, version, type; count of header entries; the end of the block
    for (const i of [...Array.from({ length: 26 }, (_, k) => k), ...Array.from({ length: 12 }, (_, k) => p.length - 12 + k)])
      frames.add(at + i)
    at += p.length
  }
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...frames), fc.integer({ min: 1, max: 255 }), async (where, flip) => {
      const wrong = Buffer.from(bytes)
      wrong[where] ^= flip
      const store = newStore()
      const slice = await sliceOf(store, [wrong])
      const found = await names(store, slice).catch((e: unknown) => {
        if (isFailure(e) && e.code !== 'TRB-INT-001') return ['2', '3']
        throw e
      })
      expect(found).toEqual(['2', '3'])
    }),
    { numRuns: propertyRuns(100) },
  )
}, 180_000)

test('any damage to a log ends in rows or in a failure with a code', async () => {
  const parts: Buffer[] = []
  const kinds: ModelBlock[] = [
    rows('a', '1'),
    { ...rows('b', '2'), kind: 'parquet' } as ModelBlock,
    { kind: 'delete', keys: [{ id: 'a', ts: 3 }] },
  ]
  for (const [i, b] of kinds.entries()) parts.push(await printed(b, instantOf(i + 1)))
  const bytes = Buffer.concat(parts)
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 }), async (changes) => {
      const wrong = Buffer.from(bytes)
      for (const [where, value] of changes) wrong[where] = value
      const store = newStore()
      try {
        await names(store, await sliceOf(store, [wrong]))
      } catch (e) {
        if (!isFailure(e) || e.code === 'TRB-INT-001') throw e
      }
    }),
    { numRuns: propertyRuns(100) },
  )
}, 180_000)
