import { crc32c } from '@platformatic/kafka'
import type { StoredBatch } from '../../contract/log.ts'
import { Failure } from '../../failure/failure.ts'
import { GrowableSink, writeSlice } from '../../format/bytes/growable-sink.ts'
import { writeVarint, writeZigzagNumber } from '../../format/bytes/varint.ts'
import { decompressRecords } from './consumer-decompress.ts'

/** A transaction that was aborted: data of this producer from this offset on does not count, until its abort marker. */
export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: bigint
}

/** Schema ids of a StoredBatch whose keys or values are not in the Confluent wire format (JSON, text). */
export const NOT_AVRO = -1

/** Header in which our own records name the columns whose value was not in the source's log (`side` of contract/log.ts). */
export const SIDE_HEADER = Buffer.from('tributary.unavailable', 'latin1')

const HEAD = 61
const TRANSACTIONAL = 16
const CONTROL = 32

/**
 * Kafka's record batches → batches of contract/log.ts, as bytes. Wire form (big-endian; varints zigzag, as everywhere in a record):
 *
 *   records => batch*                          the last one may be cut off
 *   batch   => baseOffset:i64 length:i32 leaderEpoch:i32 magic:i8(2) crc:u32 attributes:i16 lastOffsetDelta:i32 baseTimestamp:i64
 *              maxTimestamp:i64 producerId:i64 producerEpoch:i16 baseSequence:i32 count:i32 (record* | compressed record*)
 *   record  => length:varint attributes:i8 timestampDelta:varlong offsetDelta:varint key:bytes value:bytes headerCount:varint header*
 *   header  => name:bytes value:bytes          bytes => length:varint (−1 null) byte*
 *
 * Compaction leaves gaps between offsets; a StoredBatch has none and one pair of schema ids, so a batch may become several. Headers of
 * records are left out, but for the marks in SIDE_HEADER, which become the record's `side`.
 */
export class RecordBatchDecoder {
  /** Offset after the last batch that was read, control batches included: where to go on. */
  next = 0
  readonly #topic: string
  readonly #partition: number
  readonly #out = new GrowableSink(1 << 18)
  readonly #aborting = new Set<bigint>()
  #buf: Buffer = Buffer.alloc(0)
  #pos = 0
  #keySchema = 0
  #valueSchema = 0
  #keySeen = false
  #timestamp = 0
  #offset = 0
  readonly #headers: boolean

  /** `headers`: records keep theirs. */
  constructor(topic: string, partition: number, headers = false) {
    this.#topic = topic
    this.#partition = partition
    this.#headers = headers
  }

  /**
   * Records with from ≤ offset < to. The bytes of a batch are good until the next one is asked for. Nulls among values take the ids of
   * their neighbours; a stretch of nulls alone has value schema 0. `aborted`: of the same fetch answer, by first offset.
   */
  *decode(bytes: Buffer, aborted: readonly AbortedTransaction[], from: number, to: number): Generator<StoredBatch, void, void> {
    let nextAborted = 0
    let at = 0
    while (at + HEAD <= bytes.length) {
      const end = at + 12 + bytes.readInt32BE(at + 8)
      if (end > bytes.length) return
      if (bytes[at + 16] !== 2) throw this.#bad(Number(bytes.readBigInt64BE(at)), `its batch has the old format ${bytes[at + 16]}`)
      const base = Number(bytes.readBigInt64BE(at))
      const last = base + bytes.readInt32BE(at + 23)
      const attributes = bytes.readInt16BE(at + 21)
      const producer = bytes.readBigInt64BE(at + 43)
      for (; nextAborted < aborted.length && aborted[nextAborted]!.firstOffset <= BigInt(last); nextAborted++) {
        this.#aborting.add(aborted[nextAborted]!.producerId)
      }
      if (last >= from && base < to) {
        const batch = bytes.subarray(at, end)
        if ((attributes & CONTROL) !== 0) this.#control(batch, producer)
        else if ((attributes & TRANSACTIONAL) === 0 || !this.#aborting.has(producer)) yield* this.#batch(batch, base, attributes, from, to)
      }
      this.next = last + 1
      if (this.next >= to) return
      at = end
    }
  }

  /** A control record's key is version:i16 type:i16, type 0 an abort. */
  #control(batch: Buffer, producer: bigint): void {
    this.#buf = batch
    this.#pos = HEAD
    this.#varint()
    this.#pos++
    this.#varlong()
    this.#varint()
    const keyLength = this.#varint()
    if (keyLength >= 4 && batch.readInt16BE(this.#pos + 2) === 0) this.#aborting.delete(producer)
  }

  *#batch(batch: Buffer, base: number, attributes: number, from: number, to: number): Generator<StoredBatch, void, void> {
    if (crc32c(batch.subarray(21)) !== batch.readUInt32BE(17)) throw this.#bad(base, 'the checksum of its batch differs')
    const count = batch.readInt32BE(57)
    const baseTimestamp = Number(batch.readBigInt64BE(27))
    const appendTime = (attributes & 8) !== 0 ? Number(batch.readBigInt64BE(35)) : null
    this.#buf = this.#unpack(batch.subarray(HEAD), attributes & 7, base)
    this.#pos = 0
    const out = this.#out
    let first = -1
    let records = 0
    for (let i = 0; i < count; i++) {
      const mark = out.pos
      const [keySchema, valueSchema, seen] = [this.#keySchema, this.#valueSchema, this.#keySeen]
      this.#record(base, baseTimestamp, appendTime)
      const offset = this.#offset
      if (offset < from) {
        out.pos = mark
        continue
      }
      if (offset >= to) {
        out.pos = mark
        break
      }
      const same = keySchema === this.#keySchema && (valueSchema === this.#valueSchema || valueSchema === 0) && seen === this.#keySeen
      if (records > 0 && (offset !== first + records || !same)) {
        yield this.#stored(first, records, keySchema, valueSchema, 0, mark)
        out.buf.copyWithin(0, mark, out.pos)
        out.pos -= mark
        records = 0
      }
      if (records === 0) first = offset
      records++
    }
    if (records > 0) yield this.#stored(first, records, this.#keySchema, this.#valueSchema, 0, out.pos)
    out.pos = 0
  }

  #stored(baseOffset: number, count: number, keySchema: number, valueSchema: number, start: number, end: number): StoredBatch {
    const records = this.#out.buf.subarray(start, end)
    const runs = [{ count, commit: '', commitUs: 0n }]
    const where = { topic: this.#topic, partition: this.#partition, baseOffset, appendId: 0 }
    return { ...where, count, keySchema, valueSchema, records, headers: null, runs }
  }

  #unpack(packed: Buffer, codec: number, base: number): Buffer {
    if (codec === 0) return packed
    try {
      const records = decompressRecords(codec, packed)
      if (records !== null) return records
    } catch (e) {
      throw this.#bad(base, 'its batch does not decompress', e)
    }
    throw this.#bad(base, `its batch has the unknown compression ${codec}`)
  }

  /** Moves one record to the sink; leaves its offset and the schema ids in force behind. */
  #record(base: number, baseTimestamp: number, appendTime: number | null): void {
    const buf = this.#buf
    const out = this.#out
    const length = this.#varint()
    const end = this.#pos + length
    if (length < 0 || end > buf.length) throw this.#bad(base, 'a record ends outside its batch')
    this.#pos++
    const delta = this.#varlong()
    this.#timestamp = appendTime ?? baseTimestamp + delta
    this.#offset = base + this.#varint()
    writeZigzagNumber(out, this.#timestamp)
    const keyLength = this.#varint()
    const keyAt = this.#pos
    if (keyLength >= 0) {
      this.#keySchema = schemaId(buf, keyAt, keyLength)
      this.#keySeen = true
    }
    this.#copy(keyAt, keyLength)
    const valueLength = this.#varint()
    const valueAt = this.#pos
    if (valueLength >= 0) this.#valueSchema = schemaId(buf, valueAt, valueLength)
    this.#copy(valueAt, valueLength)
    this.#side()
    if (this.#pos !== end) throw this.#bad(this.#offset, 'its record has another length than it says')
  }

  #copy(at: number, length: number): void {
    const out = this.#out
    if (length < 0) {
      out.reserve(1)
      out.buf[out.pos++] = 0
      return
    }
    writeVarint(out, length + 1)
    writeSlice(out, this.#buf, at, length)
    this.#pos = at + length
  }

  /** The record's `side` and an empty list of headers. */
  #side(): void {
    const buf = this.#buf
    const out = this.#out
    const headers = this.#varint()
    const start = this.#pos
    let sideAt = -1
    let sideLength = -1
    for (let i = 0; i < headers; i++) {
      const nameLength = this.#varint()
      const nameAt = this.#pos
      this.#pos += nameLength
      const valueLength = this.#varint()
      if (nameLength === SIDE_HEADER.length && valueLength >= 0 && SIDE_HEADER.compare(buf, nameAt, nameAt + nameLength) === 0) {
        sideAt = this.#pos
        sideLength = valueLength
      }
      if (valueLength > 0) this.#pos += valueLength
    }
    const end = this.#pos
    this.#copy(sideAt, sideLength)
    if (this.#headers) {
      this.#pos = start
      writeVarint(out, headers)
      for (let i = 0; i < headers; i++) this.#header()
    } else {
      out.reserve(1)
      out.buf[out.pos++] = 0
    }
    this.#pos = end
  }

  #header(): void {
    const nameLength = this.#varint()
    writeVarint(this.#out, nameLength)
    writeSlice(this.#out, this.#buf, this.#pos, nameLength)
    this.#pos += nameLength
    const valueLength = this.#varint()
    this.#copy(this.#pos, valueLength)
  }

  #varint(): number {
    const buf = this.#buf
    let b = buf[this.#pos++]!
    let v = b & 127
    for (let shift = 7; b > 127; shift += 7) {
      if (shift > 28) throw this.#bad(this.#offset, 'its record has a number beyond 32 bits')
      b = buf[this.#pos++]!
      v |= (b & 127) << shift
    }
    return (v >>> 1) ^ -(v & 1)
  }

  /** A difference of times: within ±2^53. */
  #varlong(): number {
    const buf = this.#buf
    let b = buf[this.#pos++]!
    let v = b & 127
    for (let scale = 128; b > 127; scale *= 128) {
      if (scale > 2 ** 56) throw this.#bad(this.#offset, 'its record has a time beyond 53 bits')
      b = buf[this.#pos++]!
      v += (b & 127) * scale
    }
    return v % 2 === 0 ? v / 2 : -(v + 1) / 2
  }

  #bad(offset: number, reason: string, cause?: unknown): Failure {
    return new Failure('TRB-INGEST-001', { topic: this.#topic, partition: this.#partition, offset, reason }, cause)
  }
}

function schemaId(buf: Buffer, at: number, length: number): number {
  return length >= 5 && buf[at] === 0 ? buf.readInt32BE(at + 1) : NOT_AVRO
}
