import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import { compressionsAlgorithms, crc32c, createRecordsBatch, ProtocolError } from '@platformatic/kafka'
import { compressSync } from 'snappy'
import { expect, test } from 'vitest'
import type { StoredBatch } from '../../../src/contract/log.ts'
import { isFailure } from '../../../src/failure/failure.ts'
import { RecordReader } from '../../../src/format/record-batch/reader.ts'
import { NOT_AVRO, RecordBatchDecoder } from '../../../src/log/kafka/consumer-batches.ts'
import { decompressRecords } from '../../../src/log/kafka/consumer-decompress.ts'
import { ConsumerFailures } from '../../../src/log/kafka/consumer-errors.ts'

interface Message {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers?: Readonly<Record<string, Buffer>>
}

const wire = (id: number, text: string): Buffer => Buffer.concat([Buffer.from([0, 0, 0, 0, id]), Buffer.from(text)])
const message = (key: number, value: number, text: string): Message => ({ key: wire(key, 'k'), value: wire(value, text) })

/** A batch as a producer of another library writes it, at an offset and with these attributes. */
function batch(base: number, messages: readonly Message[], codec = 0, attributes = 0, producer = -1n): Buffer {
  const list = messages.map((m) => {
    const headers = new Map(Object.entries(m.headers ?? {}).map(([k, v]) => [Buffer.from(k), v]))
    return { topic: 't', key: m.key ?? undefined, value: m.value as Buffer, headers, timestamp: 1_700_000_000_000n }
  })
  const plain = Buffer.from(
    createRecordsBatch(list as never, { producerId: producer, producerEpoch: 0, sequences: { getWithDefault: () => 0 } as never } as never)
      .buffer,
  )
  const pack = [
    (b: Buffer) => b,
    gzipSync,
    xerial,
    (b: Buffer) => Buffer.from(compressionsAlgorithms.lz4.compressSync(b as never)),
    zstdCompressSync,
  ]
  const out = Buffer.concat([plain.subarray(0, 61), pack[codec]!(plain.subarray(61))])
  out.writeBigInt64BE(BigInt(base), 0)
  out.writeInt32BE(out.length - 12, 8)
  out.writeInt16BE(codec | attributes, 21)
  out.writeBigInt64BE(producer, 43)
  out.writeUInt32BE(crc32c(out.subarray(21)), 17)
  return out
}

/** Snappy in the frames of Kafka's Java client. */
function xerial(b: Buffer): Buffer {
  const packed = compressSync(b)
  const head = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0])
  head.writeInt32BE(packed.length, 16)
  return Buffer.concat([head, packed])
}

const marker = (base: number, producer: bigint, type: number): Buffer => {
  const key = Buffer.from([0, 0, 0, type])
  return batch(base, [{ key, value: Buffer.alloc(6) }], 0, 16 | 32, producer)
}

interface Seen {
  readonly offset: number
  readonly schemas: string
  readonly key: string | null
  readonly value: string | null
  readonly side: string | null
}

function read(bytes: Buffer, from = 0, to = 1000, aborted: { producerId: bigint; firstOffset: bigint }[] = []): Seen[] {
  const out: Seen[] = []
  const reader = new RecordReader()
  for (const b of new RecordBatchDecoder('t', 0).decode(bytes, aborted, from, to)) out.push(...recordsOf(b, reader))
  return out
}

function recordsOf(b: StoredBatch, r: RecordReader): Seen[] {
  const out: Seen[] = []
  r.open(b.records, b.count)
  const text = (start: number, end: number, skip: number): string | null => (start < 0 ? null : r.buf.toString('latin1', start + skip, end))
  while (r.next()) {
    const where = { offset: b.baseOffset + r.index, schemas: `${b.keySchema}:${b.valueSchema}` }
    const side = text(r.sideStart, r.sideEnd, 0)
    out.push({ ...where, key: text(r.keyStart, r.keyEnd, 5), value: text(r.valueStart, r.valueEnd, 5), side })
  }
  return out
}

test.each([
  ['none', 0],
  ['gzip', 1],
  ['snappy', 2],
  ['lz4', 3],
  ['zstd', 4],
] as const)('reads batches compressed with %s', (_name, codec) => {
  const messages = Array.from({ length: 50 }, (_, i) => message(1, 2, `value ${i}`))
  const seen = read(batch(7, messages, codec))
  expect(seen.map((s) => s.value)).toEqual(messages.map((_, i) => `value ${i}`))
  expect(seen[49]).toEqual({ offset: 56, schemas: '1:2', key: 'k', value: 'value 49', side: null })
})

test('gives only the offsets asked for, over batches with a gap between them, and leaves a batch that is cut off', () => {
  const bytes = Buffer.concat([
    batch(0, [message(1, 2, 'a'), message(1, 2, 'b')]),
    batch(9, [message(1, 2, 'c'), message(1, 2, 'd')]),
    batch(11, [message(1, 2, 'e')]).subarray(0, 70),
  ])
  expect(read(bytes).map((s) => [s.offset, s.value])).toEqual([[0, 'a'], [1, 'b'], [9, 'c'], [10, 'd']]) // biome-ignore format: pairs
  expect(read(bytes, 1, 10).map((s) => s.value)).toEqual(['b', 'c'])
  const decoder = new RecordBatchDecoder('t', 0)
  for (const _ of decoder.decode(bytes, [], 0, 100));
  expect(decoder.next).toBe(11)
})

test('a change of schemas starts a new batch; a null value takes the ids of its neighbours', () => {
  const bytes = batch(0, [
    message(1, 2, 'a'),
    { key: wire(1, 'k'), value: null },
    message(1, 3, 'b'),
    { key: Buffer.from('{}'), value: Buffer.from('{"a":1}') },
  ])
  expect(read(bytes).map((s) => s.schemas)).toEqual(['1:2', '1:2', '1:3', `${NOT_AVRO}:${NOT_AVRO}`])
  const first = read(batch(0, [{ key: wire(1, 'k'), value: null }, message(1, 2, 'a')]))
  expect(first.map((s) => s.schemas)).toEqual(['1:2', '1:2'])
  expect(first.map((s) => s.value)).toEqual([null, 'a'])
})

test('marks of values that are not in the log come from their header, other headers are left out', () => {
  const headers = { other: Buffer.from('x'), 'tributary.unavailable': Buffer.from([3, 0]) }
  expect(read(batch(0, [{ ...message(1, 2, 'a'), headers }, message(1, 2, 'b')])).map((s) => s.side)).toEqual(['\x03\x00', null])
})

test('what an aborted transaction wrote is left out, up to its marker; what others wrote is not', () => {
  const bytes = Buffer.concat([
    batch(0, [message(1, 2, 'aborted')], 0, 16, 7n),
    batch(1, [message(1, 2, 'other')], 0, 16, 8n),
    marker(2, 7n, 0),
    marker(3, 8n, 1),
    batch(4, [message(1, 2, 'later')], 0, 16, 7n),
  ])
  expect(read(bytes, 0, 100, [{ producerId: 7n, firstOffset: 0n }]).map((s) => s.value)).toEqual(['other', 'later'])
})

test('bytes that are not what they should be are refused (TRB-INGEST-001)', () => {
  const whole = batch(0, [message(1, 2, 'a')])
  const changed = Buffer.from(whole)
  changed[whole.length - 2] ^= 1
  const old = Buffer.from(whole)
  old[16] = 1
  const unknown = batch(0, [message(1, 2, 'a')], 0, 7)
  for (const [bytes, reason] of [
    [changed, 'checksum'],
    [old, 'old format 1'],
    [unknown, 'unknown compression 7'],
  ] as const) {
    expect(() => read(bytes)).toThrow(expect.objectContaining({ code: 'TRB-INGEST-001', message: expect.stringContaining(reason) }))
  }
})

test('what the brokers forbid is told from what passes (TRB-INGEST-003, -004)', () => {
  const failures = new ConsumerFailures('b:9092', 'g')
  expect(isFailure(failures.of('Fetch', new ProtocolError('TOPIC_AUTHORIZATION_FAILED')), 'TRB-INGEST-003')).toBe(true)
  expect(isFailure(failures.answer('Fetch', 't', 30), 'TRB-INGEST-003')).toBe(true)
  expect(isFailure(failures.of('Fetch', new Error('ECONNREFUSED')), 'TRB-INGEST-004')).toBe(true)
})

test.each([0, 1, 200, 255, 256, 300, 65_791, 65_792, 300_000, 9_000_000])(
  'a zstd frame of %i bytes is read whole, whether it says its size or not',
  (size) => {
    const raw = Buffer.alloc(size, 'tributary ')
    const silent = { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } }
    for (const options of [{}, silent]) expect(decompressRecords(4, zstdCompressSync(raw, options))!.equals(raw)).toBe(true)
  },
)
