import { dirname } from 'node:path'
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { Statement } from 'better-sqlite3'
import type { Clock } from '../../contract/clock.ts'
import type { AppendInfo, Log, LogCursor, StoredBatch, TopicBatch, TopicSchemas } from '../../contract/log.ts'
import { assert, Failure } from '../../failure/failure.ts'
import { guard, type StateDatabase } from './database.ts'
import { LogRows, type Topic } from './log-rows.ts'
import { pruneLog, type Retention, storedBytes } from './retention.ts'
import { writeRuns } from './run-list.ts'
import { splitBatch } from './split-batch.ts'

/** Bits of the column `codec`. */
const CODEC_ZSTD = 1
const CODEC_TAIL = 2
/** Records below this size are stored raw: a zstd context costs more than it saves. */
const COMPRESS_FROM_BYTES = 1024
/** Appends between two calls of the retention, each of which deletes up to 256 batches. */
const PRUNE_EVERY = 32
/** A window of 128 KB stays in the processor's cache: a fifth less time than zstd's own choice for these sizes, and 2 % more bytes. */
const ZSTD = { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_windowLog]: 17 }

/** Output buffer of a compression: mostly one piece, at least what zlib takes by itself. */
const packedGuess = (raw: number): number => Math.max(16 << 10, raw >> 2)

/**
 * Output buffer of a decompression: the whole at once, rather than 16 KB pieces to be joined, and a little more, because a full buffer is
 * followed by another; a damaged length asks for no more than this.
 */
const inOnePiece = (raw: number): number => Math.min(raw + 64, 4 << 20)

export interface EmbeddedLogOptions {
  readonly clock: Clock
  readonly retention: Retention
  /** Called after each durable append, in append order: the in-process notification of followers. */
  readonly onAppend?: (info: { readonly id: number; readonly records: number; readonly bytes: number }) => void
}

/** The log over the writing connection: one per state directory (the caller holds the state lock). */
export function createEmbeddedLog(db: StateDatabase, options: EmbeddedLogOptions): Log {
  return new EmbeddedLog(db, options)
}

/** The log over a read-only connection, for another thread or process. `append` and `release` are refused. */
export function createLogReader(db: StateDatabase): Log {
  return new EmbeddedLog(db, null)
}

class EmbeddedLog implements Log {
  private readonly db: StateDatabase
  private readonly options: EmbeddedLogOptions | null
  private readonly rows: LogRows
  private writer: Writer | null = null

  constructor(db: StateDatabase, options: EmbeddedLogOptions | null) {
    this.db = db
    this.options = options
    this.rows = guard(db.name, () => new LogRows(db))
  }

  async append(batches: readonly TopicBatch[], cursor: LogCursor): Promise<number> {
    const options = this.options
    assert(options !== null, 'a log reader does not append')
    const writer = this.writing(options)
    return guard(this.db.name, () => writer.append(batches, cursor))
  }

  cursor(source: string): LogCursor | null {
    return guard(this.db.name, () => this.rows.cursor(source))
  }

  *read(topic: string, partition: number, from: number, upTo: number): Iterable<StoredBatch> {
    const held = guard(this.db.name, () => this.rows.topic(topic, partition))
    if (held === null) return
    if (from < held.start) throw new Failure('TRB-LOG-006', { topic, offset: from, start: held.start })
    let offset = from
    for (;;) {
      const row = guard(this.db.name, () => this.rows.batchAt(held.id, offset, upTo))
      if (row === undefined) {
        this.requireHeld(topic, partition, offset)
        return
      }
      if (offset !== from && row.base !== offset) this.requireHeld(topic, partition, offset)
      const batch = this.unpack(topic, partition, row)
      offset = batch.baseOffset + batch.count
      yield batch
    }
  }

  schemas(topic: string, partition: number, from: number, upTo: number): readonly TopicSchemas[] {
    return guard(this.db.name, () => {
      const held = this.rows.topic(topic, partition)
      return held === null ? [] : this.rows.schemas(held.id, from, upTo)
    })
  }

  endAt(topic: string, partition: number, upTo: number): number {
    return guard(this.db.name, () => {
      const held = this.rows.topic(topic, partition)
      return held === null ? 0 : (this.rows.endAt(held.id, upTo) ?? held.start)
    })
  }

  appendOf(topic: string, partition: number, offset: number): number | null {
    return guard(this.db.name, () => {
      const held = this.rows.topic(topic, partition)
      if (held === null || offset < held.start || offset >= held.next) return null
      return this.rows.appendOf(held.id, offset)
    })
  }

  touched(after: number, upTo: number): readonly string[] {
    return guard(this.db.name, () => this.rows.touched(after, upTo))
  }

  lastBoundary(): AppendInfo | null {
    return guard(this.db.name, () => this.rows.lastBoundary())
  }

  *appends(after: number): Iterable<AppendInfo> {
    let last = after
    for (;;) {
      const page = guard(this.db.name, () => this.rows.appends(last))
      yield* page
      if (page.length === 0) return
      last = page[page.length - 1]!.id
    }
  }

  range(topic: string, partition: number): { readonly start: number; readonly end: number } {
    return guard(this.db.name, () => {
      const held = this.rows.topic(topic, partition)
      return held === null ? { start: 0, end: 0 } : { start: held.start, end: held.next }
    })
  }

  topics(): readonly string[] {
    return guard(this.db.name, () => this.rows.topicNames())
  }

  release(appendId: number): void {
    const options = this.options
    assert(options !== null, 'a log reader does not release')
    const writer = this.writing(options)
    guard(this.db.name, () => writer.prune(appendId))
  }

  close(): void {
    this.db.close()
  }

  private writing(options: EmbeddedLogOptions): Writer {
    this.writer ??= guard(this.db.name, () => new Writer(this.db, options))
    return this.writer
  }

  private requireHeld(topic: string, partition: number, offset: number): void {
    const held = guard(this.db.name, () => this.rows.topic(topic, partition))
    if (held !== null && offset < held.start) throw new Failure('TRB-LOG-006', { topic, offset, start: held.start })
  }

  private unpack(topic: string, partition: number, row: ReturnType<LogRows['batchAt']> & object): StoredBatch {
    const crc = checksum(row.records, row.headers, row.runs)
    if (crc !== row.crc) throw this.damaged(`checksum of ${topic} offset ${row.base} differs`)
    let records: Buffer = row.records
    if ((row.codec & CODEC_ZSTD) !== 0) {
      try {
        records = zstdDecompressSync(row.records, { chunkSize: inOnePiece(row.raw) })
      } catch (e) {
        throw this.damaged(`the records of ${topic} offset ${row.base} do not decompress`, e)
      }
    }
    if (records.length !== row.raw) throw this.damaged(`${topic} offset ${row.base} has ${records.length} bytes instead of ${row.raw}`)
    const { base, append, count, headers } = row
    const batch = { topic, partition, count, keySchema: row.key_schema, valueSchema: row.value_schema, records, headers }
    if ((row.codec & CODEC_TAIL) === 0) return { ...batch, runs: this.rows.runs(row.runs), baseOffset: base, appendId: append }
    const end = row.runs.length - 4
    const start = end - row.runs.readUInt32LE(end)
    const runs = this.rows.runs(row.runs.subarray(0, start))
    return { ...batch, runs, valueTail: row.runs.subarray(start, end), baseOffset: base, appendId: append }
  }

  private damaged(detail: string, cause?: unknown): Failure {
    return new Failure('TRB-LOG-002', { file: this.db.name, dir: dirname(this.db.name), detail }, cause)
  }
}

/** The appending half: prepared statements and the next numbers. */
class Writer {
  private readonly db: StateDatabase
  private readonly options: EmbeddedLogOptions
  private readonly rows: LogRows
  private readonly topics = new Map<string, Topic>()
  private readonly insertBatch: Statement
  private readonly insertAppend: Statement
  private readonly insertTopic: Statement
  private readonly moveTopic: Statement
  private lastId: number
  /** Stored bytes of all held appends. */
  private held: number
  private released = 0

  constructor(db: StateDatabase, options: EmbeddedLogOptions) {
    this.db = db
    this.options = options
    this.rows = new LogRows(db)
    this.insertBatch = db.prepare(
      `INSERT INTO batches (topic, base, count, append, key_schema, value_schema, codec, crc, raw, runs, headers, records)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    this.insertAppend = db.prepare(
      `INSERT INTO appends (id, source, position, boundary, commit_at, commit_us, snapshot_done, consistent, records, bytes, stored, created_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    this.insertTopic = db.prepare('INSERT INTO topics (name, partition, start, next) VALUES (?, ?, 0, 0)')
    this.moveTopic = db.prepare('UPDATE topics SET next = ? WHERE id = ?')
    this.lastId = this.rows.lastAppend()
    this.held = storedBytes(db)
  }

  /** Appends up to `released` may go; what does not go in this call goes along with later appends, faster than they come. */
  prune(released: number): void {
    this.released = Math.max(this.released, released)
    if (this.released > 0) this.held -= pruneLog(this.db, this.released, this.held, this.options.retention, this.options.clock.now())
  }

  append(batches: readonly TopicBatch[], cursor: LogCursor): number {
    const id = this.lastId + 1
    let records = 0
    let bytes = 0
    let stored = 0
    this.db.exec('BEGIN IMMEDIATE')
    try {
      for (const batch of batches) {
        if (batch.count === 0) continue
        stored += this.store(id, batch)
        records += batch.count
        bytes += batch.records.length
      }
      const { source, at, commit, commitUs, snapshotDone } = cursor
      const flags = [cursor.boundary ? 1 : 0, cursor.consistent ? 1 : 0] as const
      const done = JSON.stringify(snapshotDone)
      const now = this.options.clock.now()
      this.insertAppend.run(id, source, at, flags[0], commit, commitUs, done, flags[1], records, bytes, stored, now)
      this.db.exec('COMMIT')
    } catch (e) {
      this.topics.clear()
      if (this.db.inTransaction) this.db.exec('ROLLBACK')
      throw e
    }
    this.lastId = id
    this.held += stored
    this.options.onAppend?.({ id, records, bytes })
    if (id % PRUNE_EVERY === 0) this.prune(0)
    return id
  }

  /** Returns the bytes stored. */
  private store(append: number, batch: TopicBatch): number {
    const topic = this.topic(batch.topic, batch.partition)
    const headers = batch.headers === null ? null : asBuffer(batch.headers)
    let stored = 0
    for (const piece of splitBatch(batch)) {
      const raw = asBuffer(piece.records)
      const packed = raw.length < COMPRESS_FROM_BYTES ? raw : zstdCompressSync(raw, { chunkSize: packedGuess(raw.length), params: ZSTD })
      const smaller = packed.length < raw.length
      const records = smaller ? packed : raw
      const runs = piece.valueTail === undefined ? writeRuns(piece.runs) : withTail(writeRuns(piece.runs), piece.valueTail)
      const crc = checksum(records, headers, runs)
      const codec = (smaller ? CODEC_ZSTD : 0) | (piece.valueTail === undefined ? 0 : CODEC_TAIL)
      const { count, keySchema, valueSchema } = piece
      this.insertBatch.run(topic.id, topic.next, count, append, keySchema, valueSchema, codec, crc, raw.length, runs, headers, records)
      topic.next += piece.count
      stored += records.length + runs.length
    }
    this.moveTopic.run(topic.next, topic.id)
    return stored
  }

  private topic(name: string, partition: number): Topic {
    const key = `${partition}/${name}`
    let topic = this.topics.get(key)
    if (topic === undefined) {
      const held = this.rows.topic(name, partition)
      topic = held ?? { id: Number(this.insertTopic.run(name, partition).lastInsertRowid), start: 0, next: 0 }
      this.topics.set(key, topic)
    }
    return topic
  }
}

/** Runs of a batch with CODEC_TAIL: runs tail length:u32le, the length that of the tail. */
function withTail(runs: Buffer, tail: Uint8Array): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(tail.length)
  return Buffer.concat([runs, tail, length])
}

function checksum(records: Buffer, headers: Buffer | null, runs: Buffer): number {
  const crc = crc32(runs, crc32(records))
  return headers === null ? crc : crc32(headers, crc)
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
