import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isFailure } from '../../../src/failure/failure.ts'
import { type BlockType, type DamagedBytes, HEADER_KEYS, type HeaderKey, type LogBlock } from '../../../src/format/hudi-log/block.ts'
import { LogReader } from '../../../src/format/hudi-log/reader.ts'
import { printBlock, printRollback } from '../../../src/format/hudi-log/writer.ts'
import { propertyRuns } from '../../support/property-runs.ts'
import { bytesStore } from './bytes-store.ts'

const TYPES: readonly BlockType[] = ['command', 'delete', 'avro', 'hfile', 'parquet', 'cdc']

interface Written {
  readonly type: BlockType
  readonly header: [HeaderKey, string][]
  readonly content: Uint8Array
}

const block = fc.record({
  type: fc.constantFrom(...TYPES),
  header: fc.uniqueArray(fc.tuple(fc.constantFrom(...HEADER_KEYS), fc.string({ unit: 'grapheme', maxLength: 40 })), {
    selector: (e) => e[0],
    maxLength: 5,
  }),
  content: fc.uint8Array({ maxLength: 3000 }),
})

function print(blocks: readonly Written[]): Buffer {
  return Buffer.concat(blocks.flatMap((b) => printBlock(b.type, new Map(b.header), [b.content])))
}

async function readAll(bytes: Buffer): Promise<(LogBlock | DamagedBytes)[]> {
  const reader = new LogReader(bytesStore(bytes), 'a.log', bytes.length)
  const out = []
  for await (const b of reader.blocks()) out.push(b)
  return out
}

async function plain(bytes: Buffer, b: LogBlock): Promise<Written> {
  const reader = new LogReader(bytesStore(bytes), 'a.log', bytes.length)
  return { type: b.type, header: [...b.header], content: new Uint8Array(await reader.content(b)) }
}

test('what is written is read back: any blocks, in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(block, { maxLength: 6 }), async (blocks) => {
      const bytes = print(blocks)
      const read = await readAll(bytes)
      expect(read.map((b) => b.kind)).toEqual(blocks.map(() => 'block'))
      expect(await Promise.all(read.map((b) => plain(bytes, b as LogBlock)))).toEqual(blocks)
      expect(read.at(-1)?.end ?? 0).toBe(bytes.length)
    }),
    { numRuns: propertyRuns(40) },
  )
})

test('a log that is cut anywhere keeps the blocks before the cut and shows the rest as damaged', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(block, { minLength: 1, maxLength: 4 }), fc.double({ min: 0, max: 1, noNaN: true }), async (blocks, where) => {
      const bytes = print(blocks)
      const cut = Math.floor(where * (bytes.length - 1))
      const read = await readAll(bytes.subarray(0, cut))
      const whole = (await readAll(bytes)).filter((b) => b.end <= cut)
      expect(read.slice(0, whole.length)).toEqual(whole)
      const rest = read.slice(whole.length)
      expect(rest.every((b) => b.kind === 'damaged')).toBe(true)
      expect(rest.length > 0).toBe(cut > (whole.at(-1)?.end ?? 0))
    }),
    { numRuns: propertyRuns(60) },
  )
})

test('a byte of the frame that is changed never makes a block vanish: it is damaged, refused, or another header value', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(block, { minLength: 1, maxLength: 4 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      async (blocks, at, flip) => {
        const bytes = print(blocks)
        const wrong = Buffer.from(bytes)
        wrong[at % bytes.length] ^= flip
        const read = await readAll(wrong).catch((e: unknown) => {
          if (isFailure(e, 'TRB-LAKE-021')) return null
          throw e
        })
        if (read === null) return
        const damaged = read.filter((b) => b.kind === 'damaged').length
        expect(read.length - damaged === blocks.length || damaged > 0).toBe(true)
        // no byte is passed over
        expect(read.reduce((n, b) => n + b.end - b.at, 0)).toBe(bytes.length)
      },
    ),
    { numRuns: propertyRuns(100) },
  )
})

test('damage in the middle: what follows it is found again', async () => {
  const first = printRollback('20260101000000001', '20260101000000000')
  const second = printRollback('20260101000000003', '20260101000000002')
  const read = await readAll(Buffer.concat([first, Buffer.from('junk #HUD'), second]))
  expect(read.map((b) => [b.kind, b.at, b.end])).toEqual([
    ['damaged', 0, first.length + 9],
    ['block', first.length + 9, first.length + 9 + second.length],
  ])
})

test('the instant of a block that is cut inside its content is known', async () => {
  const bytes = Buffer.concat(printBlock('avro', new Map([['instant', '20260101000000001']]), [Buffer.alloc(5000)]))
  const [only] = await readAll(bytes.subarray(0, 1000))
  expect(only).toMatchObject({ kind: 'damaged', instant: '20260101000000001' })
})

test('a whole block of an unknown format version or type is refused by name', async () => {
  for (const [at, value, what] of [
    [17, 2, 'a block of log format version 2'],
    [21, 7, 'a block of type 7'],
    [21, 2, 'a block of type 2'],
  ] as const) {
    const bytes = printRollback('2', '1')
    bytes[at] = value
    await expect(readAll(bytes)).rejects.toMatchObject({ code: 'TRB-LAKE-021', details: { what } })
  }
})

test('bytes without any magic are damaged as a whole', async () => {
  const read = await readAll(Buffer.alloc(3 << 20, 0x23))
  expect(read).toMatchObject([{ kind: 'damaged', at: 0, end: 3 << 20, instant: null }])
})

test('a log of a few megabytes takes one request, a large block three', async () => {
  const small = bytesStore(Buffer.concat([...printBlock('parquet', new Map(), [Buffer.alloc(3 << 20)]), printRollback('2', '1')]))
  const whole = new LogReader(small, 'a', small.bytes.length)
  for await (const b of whole.blocks()) if (b.kind === 'block') await whole.content(b)
  expect(small.requests).toBe(1)
  const large = bytesStore(Buffer.concat([...printBlock('parquet', new Map(), [Buffer.alloc(9 << 20)]), printRollback('2', '1')]))
  const reader = new LogReader(large, 'a', large.bytes.length)
  for await (const b of reader.blocks()) if (b.kind === 'block') await reader.content(b)
  expect(large.requests).toBe(3)
})
