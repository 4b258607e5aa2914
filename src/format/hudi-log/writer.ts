import { assert } from '../../failure/failure.ts'
import { GrowableSink, writeAll, writeSlice } from '../bytes/growable-sink.ts'
import { varintSize, writeZigzag32 } from '../bytes/varint.ts'
import type { PlainVector } from '../parquet/column.ts'
import { BLOCK_TYPES, type BlockHeader, type BlockType, HEADER_KEYS, LOG_VERSION, MAGIC } from './block.ts'

/** Version of the content of delete, Avro and CDC blocks. */
export const CONTENT_VERSION = 3

const HEAD_BYTES = MAGIC.length + 8 + 4 + 4
/** contentLength, footer count, total. */
const FIXED_BYTES = 8 + 4 + 8

/** One block, in parts to be written one after the other; the content is not copied. Spec hudi §4.1. */
export function printBlock(type: BlockType, header: BlockHeader, content: readonly Uint8Array[]): Uint8Array[] {
  const entries = [...header].map(([key, value]) => ({ key: HEADER_KEYS.indexOf(key), value: Buffer.from(value, 'utf8') }))
  const headerBytes = entries.reduce((n, e) => n + 8 + e.value.length, 4)
  const contentBytes = content.reduce((n, c) => n + c.length, 0)
  const length = 8 + headerBytes + contentBytes + FIXED_BYTES
  const head = Buffer.alloc(HEAD_BYTES + headerBytes + 8)
  MAGIC.copy(head)
  head.writeBigInt64BE(BigInt(length), 6)
  head.writeInt32BE(LOG_VERSION, 14)
  head.writeInt32BE(BLOCK_TYPES.indexOf(type), 18)
  let at = head.writeInt32BE(entries.length, HEAD_BYTES)
  for (const e of entries) {
    at = head.writeInt32BE(e.key, at)
    at = head.writeInt32BE(e.value.length, at)
    at += e.value.copy(head, at)
  }
  head.writeBigInt64BE(BigInt(contentBytes), at)
  const tail = Buffer.alloc(12)
  tail.writeBigInt64BE(BigInt(length + MAGIC.length), 4)
  return [head, ...content, tail]
}

/** The block that undoes the blocks of instant `target` before it (table version 6). */
export function printRollback(instant: string, target: string): Buffer {
  const header: BlockHeader = new Map([
    ['command', '0'],
    ['instant', instant],
    ['target', target],
  ])
  return Buffer.concat(printBlock('command', header, []))
}

/**
 * Content of a delete block, version 3: the keys go whatever was stored (ordering value IntWrapper(0), which is the one form that every reader takes
 * the same way). Grammar: version:i32 length:i32 array<key:?string partition:?string ordering:union> as Avro.
 */
export function deleteContent(keys: PlainVector, partition: string): Buffer {
  const { data, starts } = keys
  const n = starts.length - 1
  const path = Buffer.from(partition, 'utf8')
  const out = new GrowableSink(64 + data.length + n * (path.length + 16))
  out.pos = 8
  if (n > 0) writeZigzag32(out, n)
  for (let i = 0; i < n; i++) {
    const length = starts[i + 1] - starts[i] - 4
    assert(length >= 0, 'a record key is not null')
    writeBranch(out, 1)
    writeZigzag32(out, length)
    writeSlice(out, data, starts[i] + 4, length)
    writeBranch(out, 1)
    writeZigzag32(out, path.length)
    writeAll(out, path)
    writeBranch(out, 2)
    writeZigzag32(out, 0)
  }
  writeZigzag32(out, 0)
  out.buf.writeInt32BE(CONTENT_VERSION, 0)
  out.buf.writeInt32BE(out.pos - 8, 4)
  return out.buf.subarray(0, out.pos)
}

/** Content of an Avro or CDC block from Avro datums: version:i32 count:i32 (length:i32 datum)*. Also the form of v6 archive files. */
export function avroContent(datums: readonly Uint8Array[]): Buffer {
  const out = Buffer.allocUnsafeSlow(datums.reduce((n, d) => n + 4 + d.length, 8))
  let at = out.writeInt32BE(datums.length, out.writeInt32BE(CONTENT_VERSION, 0))
  for (const d of datums) {
    at = out.writeInt32BE(d.length, at)
    out.set(d, at)
    at += d.length
  }
  return out
}

function writeBranch(out: GrowableSink, branch: number): void {
  writeZigzag32(out, branch)
}

/** Bytes that one key takes in `deleteContent`, for budgets. */
export function deleteEntryBytes(keyBytes: number, partitionBytes: number): number {
  return 4 + varintSize(keyBytes * 2) + keyBytes + varintSize(partitionBytes * 2) + partitionBytes
}
