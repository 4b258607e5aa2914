import { crc32c } from '@platformatic/kafka'
import type { TopicBatch } from '../../contract/log.ts'
import { assert } from '../../failure/failure.ts'
import type { Codec } from './compression.ts'
import { partitionOf } from './murmur2.ts'

/**
 * TopicBatch → Kafka's record batches (magic 2), one open batch per partition; no object per record.
 *
 *   batch  => baseOffset:i64 length:i32 leaderEpoch:i32 magic:i8 crc:u32 attributes:i16 lastOffsetDelta:i32 baseTimestamp:i64
 *             maxTimestamp:i64 producerId:i64 producerEpoch:i16 baseSequence:i32 count:i32 record*      crc: of all that follows it
 *   record => length:zz attributes:i8 timestampDelta:zz offsetDelta:zz key:blob value:blob headers:zz header*
 *   blob   => length:zz bytes       −1: null
 *   header => nameLength:zz name value:blob
 * zz: zigzag varint. With a codec the records (not the header) are compressed. Numbers are big-endian.
 */
export const BATCH_HEADER = 61
const ATTRIBUTES = 21
const TRANSACTIONAL = 0x10
/** Most bytes a record's own fields need beyond its blobs and headers. */
const RECORD_OVERHEAD = 72

/** A finished batch; `bytes` lacks producer id, epoch, sequence and CRC until `seal`. */
export interface SealableBatch {
  readonly topic: string
  readonly partition: number
  readonly count: number
  readonly bytes: Buffer
}

/** Writes who sends the batch, and the CRC over everything after it. */
export function seal(batch: SealableBatch, producerId: bigint, epoch: number, sequence: number): void {
  const { bytes } = batch
  bytes.writeBigInt64BE(producerId, 43)
  bytes.writeInt16BE(epoch, 51)
  bytes.writeInt32BE(sequence, 53)
  bytes.writeUInt32BE(crc32c(bytes.subarray(ATTRIBUTES)), 17)
}

/** One partition's batch under construction: its buffer is kept for the next one. */
class OpenBatch {
  buf: Buffer = Buffer.allocUnsafe(64 << 10)
  pos = BATCH_HEADER
  count = 0
  baseMs = 0
  maxMs = 0

  reserve(bytes: number): void {
    if (this.pos + bytes <= this.buf.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.buf.length * 2, this.pos + bytes))
    this.buf.copy(larger, 0, 0, this.pos)
    this.buf = larger
  }
}

export interface BatchLimits {
  /** Partitions of the topic, ≥ 1. */
  readonly partitions: number
  /** Uncompressed bytes at which a batch is finished; a single larger record is a batch of its own. */
  readonly maxBytes: number
}

/** Splits one topic's records by partition and cuts them into batches. Records without a key go to partition 0, so that they stay in order. */
export class PartitionWriter {
  private readonly topic: string
  private readonly codec: Codec
  private readonly limits: BatchLimits
  private readonly open: (OpenBatch | undefined)[] = []
  private done: SealableBatch[] = []

  constructor(topic: string, codec: Codec, limits: BatchLimits) {
    assert(limits.partitions >= 1, 'a topic has a partition')
    this.topic = topic
    this.codec = codec
    this.limits = limits
  }

  /** Adds all records of a batch of this topic. */
  add(batch: TopicBatch): void {
    assert(batch.topic === this.topic, 'a partition writer gets records of its topic')
    const shared = sharedHeaders(batch.headers)
    const reader = new RecordReader(batch.records)
    const tail = batch.valueTail ?? EMPTY
    for (let i = 0; i < batch.count; i++) {
      reader.next()
      this.put(reader, shared, tail)
    }
    assert(reader.end === batch.records.length, 'a record batch holds exactly its records')
  }

  /** Finishes all open batches; gives them, per partition in order. The writer can be used again. */
  finish(): SealableBatch[] {
    for (let p = 0; p < this.open.length; p++) this.close(p)
    const done = this.done
    this.done = []
    return done
  }

  private put(r: RecordReader, shared: SharedHeaders, tail: Uint8Array): void {
    const partition =
      r.keyStart < 0 || this.limits.partitions === 1 ? 0 : partitionOf(r.bytes, r.keyStart, r.keyEnd, this.limits.partitions)
    const size = r.end - r.start + RECORD_OVERHEAD + shared.bytes.length + tail.length + r.headerCount * 4
    let to = this.open[partition]
    if (to === undefined) {
      to = new OpenBatch()
      this.open[partition] = to
    }
    if (to.count > 0 && to.pos + size > this.limits.maxBytes) this.close(partition)
    to.reserve(size)
    if (to.count === 0) {
      to.baseMs = r.timestampMs
      to.maxMs = r.timestampMs
    } else if (r.timestampMs > to.maxMs) to.maxMs = r.timestampMs
    writeRecord(to, r, shared, tail)
    to.count++
  }

  private close(partition: number): void {
    const b = this.open[partition]
    if (b === undefined || b.count === 0) return
    const { compress, bits } = this.codec
    let bytes: Buffer
    let attributes = TRANSACTIONAL
    if (compress === null) {
      bytes = Buffer.from(b.buf.subarray(0, b.pos))
    } else {
      const packed = compress(b.buf.subarray(BATCH_HEADER, b.pos))
      bytes = Buffer.allocUnsafe(BATCH_HEADER + packed.length)
      bytes.set(packed, BATCH_HEADER)
      attributes |= bits
    }
    bytes.writeBigInt64BE(0n, 0)
    bytes.writeInt32BE(bytes.length - 12, 8)
    bytes.writeInt32BE(-1, 12)
    bytes.writeInt8(2, 16)
    bytes.writeInt16BE(attributes, ATTRIBUTES)
    bytes.writeInt32BE(b.count - 1, 23)
    bytes.writeBigInt64BE(BigInt(b.baseMs), 27)
    bytes.writeBigInt64BE(BigInt(b.maxMs), 35)
    bytes.writeInt32BE(b.count, 57)
    this.done.push({ topic: this.topic, partition, count: b.count, bytes })
    b.pos = BATCH_HEADER
    b.count = 0
  }
}

const EMPTY = new Uint8Array(0)
/** Header that carries a record's `side` (contract/log.ts): the name with its length in front. Debezium's consumers pass over it. */
const UNAVAILABLE = Buffer.from('\x2atributary.unavailable', 'latin1')

interface SharedHeaders {
  readonly count: number
  readonly bytes: Uint8Array
}

/** Headers that every record of a batch carries, already in Kafka's form. */
function sharedHeaders(headers: Uint8Array | null): SharedHeaders {
  if (headers === null) return { count: 0, bytes: EMPTY }
  const r = new RecordReader(headers)
  const count = r.varint()
  const to = new OpenBatch()
  to.pos = 0
  to.reserve(headers.length * 2 + 16)
  copyHeaders(to, r, count)
  return { count, bytes: Buffer.from(to.buf.subarray(0, to.pos)) }
}

/** Walks the records of a TopicBatch (grammar: contract/log.ts); all fields are of the current record. */
class RecordReader {
  readonly bytes: Uint8Array
  start = 0
  end = 0
  timestampMs = 0
  /** −1: null. */
  keyStart = -1
  keyEnd = -1
  valueStart = -1
  valueEnd = -1
  /** Ordinals of values that are not in the source's log; −1: none. */
  sideStart = -1
  sideEnd = -1
  headerCount = 0
  headerStart = 0
  pos = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  next(): void {
    this.pos = this.end
    this.start = this.end
    this.timestampMs = this.zigzag()
    const key = this.varint()
    this.keyStart = key === 0 ? -1 : this.pos
    if (key > 0) this.pos += key - 1
    this.keyEnd = this.pos
    const value = this.varint()
    this.valueStart = value === 0 ? -1 : this.pos
    if (value > 0) this.pos += value - 1
    this.valueEnd = this.pos
    const side = this.varint()
    this.sideStart = side === 0 ? -1 : this.pos
    if (side > 0) this.pos += side - 1
    this.sideEnd = this.pos
    this.headerCount = this.varint()
    this.headerStart = this.pos
    for (let i = this.headerCount; i > 0; i--) {
      const name = this.varint()
      this.pos += name
      const length = this.varint()
      if (length > 0) this.pos += length - 1
    }
    this.end = this.pos
    assert(this.end <= this.bytes.length, 'a record ends inside its batch')
  }

  /** Lengths only: below 2^31. */
  varint(): number {
    const { bytes } = this
    let byte = bytes[this.pos++]!
    if (byte < 0x80) return byte
    let value = byte & 0x7f
    for (let shift = 7; ; shift += 7) {
      byte = bytes[this.pos++]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
  }

  /** Milliseconds since epoch: fit a double. */
  zigzag(): number {
    const { bytes } = this
    let value = 0
    let factor = 1
    for (;;) {
      const byte = bytes[this.pos++]!
      value += (byte & 0x7f) * factor
      if (byte < 0x80) break
      factor *= 128
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
}

function writeRecord(to: OpenBatch, r: RecordReader, shared: SharedHeaders, tail: Uint8Array): void {
  // The length is known only behind the record: three bytes are left for it, and the record moves when it needs another number.
  const at = to.pos
  let pos = at + 3
  const { buf } = to
  buf[pos++] = 0
  pos = putZigzag(buf, pos, r.timestampMs - to.baseMs)
  pos = putZigzag(buf, pos, to.count)
  if (r.keyStart < 0) buf[pos++] = 1
  else {
    pos = putZigzag(buf, pos, r.keyEnd - r.keyStart)
    pos = copyBytes(buf, pos, r.bytes, r.keyStart, r.keyEnd)
  }
  if (r.valueStart < 0) buf[pos++] = 1
  else {
    pos = putZigzag(buf, pos, r.valueEnd - r.valueStart + tail.length)
    pos = copyBytes(buf, pos, r.bytes, r.valueStart, r.valueEnd)
    if (tail.length > 0) pos = copyBytes(buf, pos, tail, 0, tail.length)
  }
  const side = r.sideStart >= 0
  to.pos = putZigzag(buf, pos, r.headerCount + shared.count + (side ? 1 : 0))
  if (r.headerCount > 0) {
    r.pos = r.headerStart
    copyHeaders(to, r, r.headerCount)
    r.pos = r.end
  }
  if (shared.bytes.length > 0) to.pos = copyBytes(to.buf, to.pos, shared.bytes, 0, shared.bytes.length)
  if (side) {
    pos = copyBytes(to.buf, to.pos, UNAVAILABLE, 0, UNAVAILABLE.length)
    pos = putZigzag(to.buf, pos, r.sideEnd - r.sideStart)
    to.pos = copyBytes(to.buf, pos, r.bytes, r.sideStart, r.sideEnd)
  }
  placeLength(to, at)
}

/** Puts the record's length in front of it; the record starts three bytes behind `at`. */
function placeLength(to: OpenBatch, at: number): void {
  const length = to.pos - at - 3
  const bytes = length < 0x40 ? 1 : length < 0x2000 ? 2 : length < 0x100000 ? 3 : length < 0x8000000 ? 4 : 5
  if (bytes !== 3) {
    to.reserve(2)
    to.buf.copyWithin(at + bytes, at + 3, to.pos)
    to.pos += bytes - 3
  }
  putZigzag(to.buf, at, length)
}

/** Copies headers from our grammar (name: plain length; value: length + 1) into Kafka's. The caller has reserved the room. */
function copyHeaders(to: OpenBatch, r: RecordReader, count: number): void {
  const { buf } = to
  let pos = to.pos
  for (let i = 0; i < count; i++) {
    const name = r.varint()
    pos = putZigzag(buf, pos, name)
    pos = copyBytes(buf, pos, r.bytes, r.pos, r.pos + name)
    r.pos += name
    const length = r.varint()
    if (length === 0) buf[pos++] = 1
    else {
      pos = putZigzag(buf, pos, length - 1)
      pos = copyBytes(buf, pos, r.bytes, r.pos, r.pos + length - 1)
      r.pos += length - 1
    }
  }
  to.pos = pos
}

/** Small copies byte by byte: a call into memmove costs more than it saves. */
function copyBytes(to: Buffer, pos: number, from: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length > 48) to.set(from.subarray(start, end), pos)
  else for (let i = 0; i < length; i++) to[pos + i] = from[start + i]!
  return pos + length
}

function putZigzag(out: Buffer, start: number, value: number): number {
  let pos = start
  let v = value < 0 ? -2 * value - 1 : 2 * value
  while (v > 0x7fffffff) {
    out[pos++] = (v % 128) | 0x80
    v = Math.floor(v / 128)
  }
  while (v >= 0x80) {
    out[pos++] = (v & 0x7f) | 0x80
    v >>>= 7
  }
  out[pos++] = v
  return pos
}
