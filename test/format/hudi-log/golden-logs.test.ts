import { describe, expect, test } from 'vitest'
import { readAvroContent } from '../../../src/format/hudi-log/avro-content.ts'
import type { LogBlock } from '../../../src/format/hudi-log/block.ts'
import { readDeleteContent } from '../../../src/format/hudi-log/delete-content.ts'
import { LogReader } from '../../../src/format/hudi-log/reader.ts'
import { avroContent, deleteContent, printBlock, printRollback } from '../../../src/format/hudi-log/writer.ts'
import { plainOfBytes } from '../../../src/format/parquet/column.ts'
import { goldenFiles, MOR_TABLES } from '../../support/golden-table.ts'
import { bytesStore } from './bytes-store.ts'

interface Found {
  readonly path: string
  readonly bytes: Buffer
  readonly blocks: LogBlock[]
}

async function logsOf(table: string): Promise<Found[]> {
  const out: Found[] = []
  for (const [path, bytes] of goldenFiles(table)) {
    const name = path.slice(path.lastIndexOf('/') + 1)
    if (!/^\..*\.(log|archive)\.\d+/.test(name) || name.endsWith('.crc') || path.includes('.hoodie/metadata/')) continue
    const blocks: LogBlock[] = []
    for await (const b of new LogReader(bytesStore(bytes), path, bytes.length).blocks()) {
      if (b.kind === 'damaged') throw new Error(`${path}: ${b.problem}`)
      blocks.push(b)
    }
    out.push({ path, bytes, blocks })
  }
  return out
}

describe.each(MOR_TABLES)('%s', (table) => {
  test("every block of Spark's log and archive files, written again, has the same bytes", async () => {
    for (const { bytes, blocks } of await logsOf(table)) {
      const again = blocks.flatMap((b) => printBlock(b.type, b.header, [bytes.subarray(b.contentAt, b.contentAt + b.contentLength)]))
      expect(Buffer.concat(again).equals(bytes)).toBe(true)
    }
  })
  test('Avro and delete contents, decoded and written again, have the same bytes', async () => {
    for (const { path, bytes, blocks } of await logsOf(table)) {
      for (const b of blocks) {
        const content = bytes.subarray(b.contentAt, b.contentAt + b.contentLength)
        if (b.type === 'avro' || b.type === 'cdc') {
          const d = readAvroContent(content, path, b.at)
          const datums = Array.from(d.start, (s, i) => content.subarray(s, d.end[i]))
          expect(avroContent(datums).equals(content)).toBe(true)
        } else if (b.type === 'delete') {
          const d = readDeleteContent(content, path, b.at)
          const partition = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
          if (d.ordering === null) expect(deleteContent(plainOfBytes(d.keys, 0, d.count), partition).equals(content)).toBe(true)
        }
      }
    }
  })
})

test("a rollback block has the bytes of Spark's", async () => {
  const found = (await logsOf('v6_mor_rollback_done')).filter((f) => f.path.endsWith('_1-0-1'))
  expect(found.length).toBe(3)
  for (const { bytes, blocks } of found) {
    const { header } = blocks[0]
    const ours = printRollback(header.get('instant')!, header.get('target')!)
    expect(ours.equals(bytes)).toBe(true)
  }
})

test('delete blocks carry ordering values: late and later deletes of one block', async () => {
  const [log] = await logsOf('v6_mor_isdeleted')
  const block = log.blocks.find((b) => b.type === 'delete')!
  const content = log.bytes.subarray(block.contentAt, block.contentAt + block.contentLength)
  const d = readDeleteContent(content, log.path, block.at)
  expect(d.keys.data.toString()).toBe('k002k001')
  expect(d.ordering).toEqual([500n, 2000n])
})

test('delete blocks of versions 1 and 2 are refused by name, cut ones are damaged', () => {
  const content = deleteContent({ kind: 'plain', data: Buffer.from('\x02\0\0\0k1'), starts: Int32Array.of(0, 6) }, 'p')
  for (let n = 0; n < content.length; n++) {
    expect(() => readDeleteContent(content.subarray(0, n), 'f', 0)).toThrow(/TRB-LAKE-020/)
  }
  content.writeInt32BE(2, 0)
  expect(() => readDeleteContent(content, 'f', 0)).toThrow('TRB-LAKE-021: The log file f holds a delete block of version 2')
})

test('Avro blocks: other versions are refused, a wrong count or length is damage', () => {
  const content = avroContent([Buffer.from('ab'), Buffer.from('c')])
  for (let n = 0; n < content.length; n++) expect(() => readAvroContent(content.subarray(0, n), 'f', 0)).toThrow(/TRB-LAKE-020/)
  const more = Buffer.from(content)
  more.writeInt32BE(1, 4)
  expect(() => readAvroContent(more, 'f', 0)).toThrow(/TRB-LAKE-020/)
  content.writeInt32BE(1, 0)
  expect(() => readAvroContent(content, 'f', 0)).toThrow('an Avro block of version 1')
})
