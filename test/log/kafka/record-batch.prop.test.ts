import { Reader, readRecordsBatch } from '@platformatic/kafka'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { TopicBatch } from '../../../src/contract/log.ts'
import { codecOf } from '../../../src/log/kafka/compression.ts'
import { partitionOf } from '../../../src/log/kafka/murmur2.ts'
import { COMPRESSIONS } from '../../../src/log/kafka/options.ts'
import { PartitionWriter, type SealableBatch, seal } from '../../../src/log/kafka/record-batch.ts'
import { propertyRuns } from '../../support/property-runs.ts'

interface Row {
  readonly ms: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly side: Buffer | null
  readonly headers: readonly (readonly [string, Buffer | null])[]
}

const bytes = (max: number): fc.Arbitrary<Buffer> => fc.uint8Array({ maxLength: max }).map((b) => Buffer.from(b))
const header = fc.tuple(fc.string({ maxLength: 12 }), fc.option(bytes(70)))
const row: fc.Arbitrary<Row> = fc.record({
  ms: fc.oneof(fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }), fc.integer({ min: 0, max: 2 ** 44 })),
  key: fc.option(bytes(30)),
  value: fc.option(
    fc.oneof(
      bytes(200),
      fc.integer({ min: 0, max: 9000 }).map((n) => Buffer.alloc(n, n)),
    ),
  ),
  side: fc.option(
    fc.array(fc.integer({ min: 0, max: 65535 }), { minLength: 1, maxLength: 4 }).map((a) => {
      const b = Buffer.alloc(a.length * 2)
      for (const [i, v] of a.entries()) b.writeUInt16LE(v, i * 2)
      return b
    }),
    { freq: 5 },
  ),
  headers: fc.array(header, { maxLength: 3 }),
})

function varint(n: bigint): Buffer {
  const out: number[] = []
  let v = n
  for (; v > 127n; v >>= 7n) out.push(Number(v & 127n) | 128)
  out.push(Number(v))
  return Buffer.from(out)
}
const blob = (b: Buffer | null): Buffer => (b === null ? varint(0n) : Buffer.concat([varint(BigInt(b.length + 1)), b]))
const headerBytes = (h: Row['headers']): Buffer[] =>
  h.flatMap(([name, value]) => {
    const n = Buffer.from(name)
    return [varint(BigInt(n.length)), n, blob(value)]
  })
const recordBytes = (r: Row): Buffer =>
  Buffer.concat([
    varint(BigInt(r.ms) * 2n),
    blob(r.key),
    blob(r.value),
    blob(r.side),
    varint(BigInt(r.headers.length)),
    ...headerBytes(r.headers),
  ])

function batchOf(rows: readonly Row[], shared: Row['headers'] | null, tail: Buffer | undefined): TopicBatch {
  const records = Buffer.concat(rows.map(recordBytes))
  const headers = shared === null ? null : Buffer.concat([varint(BigInt(shared.length)), ...headerBytes(shared)])
  return { topic: 't', partition: 0, count: rows.length, keySchema: 1, valueSchema: 2, records, headers, runs: [], valueTail: tail }
}

/** What the client library's reader (not ours) finds in the batches of each partition. */
function readBack(batches: readonly SealableBatch[]): Map<number, Row[]> {
  const out = new Map<number, Row[]>()
  for (const b of batches) {
    seal(b, 77n, 3, 1000)
    const read = readRecordsBatch(Reader.from(b.bytes))
    expect([read.magic, read.producerId, read.producerEpoch, read.firstSequence]).toEqual([2, 77n, 3, 1000])
    expect(read.attributes & 0x10, 'transactional').toBe(0x10)
    expect(read.length).toBe(b.bytes.length - 12)
    expect([read.records.length, read.lastOffsetDelta]).toEqual([b.count, b.count - 1])
    const rows = read.records.map((r, i): Row => {
      expect(r.offsetDelta).toBe(i)
      const headers = r.headers.map(([k, v]) => [String(k), v] as [string, Buffer | null])
      return { ms: Number(read.firstTimestamp + r.timestampDelta), key: r.key, value: r.value, side: null, headers }
    })
    expect(Number(read.maxTimestamp)).toBe(Math.max(...rows.map((r) => r.ms)))
    out.set(b.partition, [...(out.get(b.partition) ?? []), ...rows])
  }
  return out
}

function expected(r: Row, shared: Row['headers'] | null, tail: Buffer | undefined): Row {
  const side: Row['headers'] = r.side === null ? [] : [['tributary.unavailable', r.side]]
  const value = r.value === null || tail === undefined ? r.value : Buffer.concat([r.value, tail])
  return { ...r, value, side: null, headers: [...r.headers, ...(shared ?? []), ...side] }
}

test('every record arrives in the partition of its key, in order, with all its fields, whatever the codec', () => {
  const input = fc.record({
    rows: fc.array(row, { minLength: 1, maxLength: 60 }),
    shared: fc.option(fc.array(header, { maxLength: 2 })),
    tail: fc.option(bytes(40), { nil: undefined }),
    partitions: fc.integer({ min: 1, max: 5 }),
    maxBytes: fc.constantFrom(200, 5000, 960_000),
    compression: fc.constantFrom(...COMPRESSIONS),
  })
  fc.assert(
    fc.property(input, ({ rows, shared, tail, partitions, maxBytes, compression }) => {
      const writer = new PartitionWriter('t', codecOf(compression), { partitions, maxBytes })
      // Twice: buffers are used again.
      for (let round = 0; round < 2; round++) {
        writer.add(batchOf(rows, shared, tail))
        const got = readBack(writer.finish())
        const want = new Map<number, Row[]>()
        for (const r of rows) {
          const p = r.key === null ? 0 : partitionOf(r.key, 0, r.key.length, partitions)
          want.set(p, [...(want.get(p) ?? []), expected(r, shared, tail)])
        }
        expect([...got].sort()).toEqual([...want].sort())
      }
    }),
    { numRuns: propertyRuns(150) },
  )
})

test('a batch above the limit is cut, a single larger record is a batch of its own', () => {
  const one = (n: number): Row => ({ ms: 1, key: null, value: Buffer.alloc(n), side: null, headers: [] })
  const writer = new PartitionWriter('t', codecOf('none'), { partitions: 3, maxBytes: 1000 })
  writer.add(batchOf([one(350), one(350), one(350), one(5000), one(10)], null, undefined))
  const done = writer.finish()
  expect(done.map((b) => [b.partition, b.count])).toEqual([
    [0, 2],
    [0, 1],
    [0, 1],
    [0, 1],
  ])
})
