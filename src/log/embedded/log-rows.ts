import type { Statement } from 'better-sqlite3'
import type { AppendInfo, LogCursor, RecordRun, TopicSchemas } from '../../contract/log.ts'
import { assert } from '../../failure/failure.ts'
import type { StateDatabase } from './database.ts'
import { readRuns } from './run-list.ts'

export interface Topic {
  readonly id: number
  /** First offset held. */
  readonly start: number
  /** Offset of the next record. */
  next: number
}

export interface BatchRow {
  readonly base: number
  readonly count: number
  readonly append: number
  readonly key_schema: number
  readonly value_schema: number
  readonly codec: number
  readonly crc: number
  readonly raw: number
  readonly runs: Buffer
  readonly headers: Buffer | null
  readonly records: Buffer
}

interface AppendRow {
  readonly id: number
  readonly source: string
  readonly position: string
  readonly boundary: number
  readonly commit_at: string | null
  /** As text: it is a 64-bit integer. */
  readonly commit_us: string | null
  readonly snapshot_done: string
  readonly consistent: number
  readonly records: number
  readonly bytes: number
}

const APPEND_COLUMNS =
  'id, source, position, boundary, commit_at, CAST(commit_us AS TEXT) AS commit_us, snapshot_done, consistent, records, bytes'
const PAGE = 256

/** The log's queries: prepared once per connection; each runs in a read transaction of its own, so none holds back the WAL. */
export class LogRows {
  private readonly statements: ReturnType<typeof prepareAll>

  constructor(db: StateDatabase) {
    this.statements = prepareAll(db)
  }

  topic(name: string, partition: number): Topic | null {
    return (this.statements.topic.get(name, partition) as Topic | undefined) ?? null
  }

  topicNames(): string[] {
    return this.statements.topicNames.all() as string[]
  }

  lastAppend(): number {
    return (this.statements.lastAppend.get() as number | null) ?? 0
  }

  cursor(source: string): LogCursor | null {
    const row = this.statements.cursor.get(source) as AppendRow | undefined
    return row === undefined ? null : toInfo(row).cursor
  }

  lastBoundary(): AppendInfo | null {
    const row = this.statements.lastBoundary.get() as AppendRow | undefined
    return row === undefined ? null : toInfo(row)
  }

  /** Up to 256 appends after this id. */
  appends(after: number): AppendInfo[] {
    return (this.statements.appends.all(after) as AppendRow[]).map(toInfo)
  }

  /** The batch that holds `offset`, or the first after it, if it belongs to an append up to `upTo`. */
  batchAt(topic: number, offset: number, upTo: number): BatchRow | undefined {
    const row = this.statements.batchAt.get(topic, offset, topic) as BatchRow | undefined
    const holds = row !== undefined && row.base + row.count > offset
    const found = holds ? row : (this.statements.batchAfter.get(topic, offset) as BatchRow | undefined)
    return found === undefined || found.append > upTo ? undefined : found
  }

  schemas(topic: number, from: number, upTo: number): TopicSchemas[] {
    const first = this.statements.baseOf.get(topic, from) as number | null
    const rows = this.statements.schemas.all(topic, first ?? from, from, upTo) as {
      key_schema: number
      value_schema: number
      records: number
      bytes: number
    }[]
    return rows.map((r) => ({ keySchema: r.key_schema, valueSchema: r.value_schema, records: r.records, bytes: r.bytes }))
  }

  /** Null: no held record of this topic is in an append up to `upTo`. */
  endAt(topic: number, upTo: number): number | null {
    return (this.statements.endAt.get(topic, upTo) as number | undefined) ?? null
  }

  appendOf(topic: number, offset: number): number {
    const append = this.statements.appendOf.get(topic, offset) as number | undefined
    assert(append !== undefined, 'an offset within the range of its topic has a batch')
    return append
  }

  touched(after: number, upTo: number): string[] {
    return this.statements.touched.all(after, upTo) as string[]
  }

  runs(bytes: Buffer): RecordRun[] {
    return readRuns(bytes)
  }
}

function prepareAll(db: StateDatabase) {
  const q = (sql: string): Statement => db.prepare(sql)
  const batch = 'base, count, append, key_schema, value_schema, codec, crc, raw, runs, headers, records'
  return {
    topic: q('SELECT id, start, next FROM topics WHERE name = ? AND partition = ?'),
    topicNames: q('SELECT DISTINCT name FROM topics ORDER BY name').pluck(),
    lastAppend: q('SELECT max(id) FROM appends').pluck(),
    cursor: q(`SELECT ${APPEND_COLUMNS} FROM appends WHERE source = ? ORDER BY id DESC LIMIT 1`),
    lastBoundary: q(`SELECT ${APPEND_COLUMNS} FROM appends WHERE boundary = 1 AND consistent = 1 ORDER BY id DESC LIMIT 1`),
    appends: q(`SELECT ${APPEND_COLUMNS} FROM appends WHERE id > ? ORDER BY id LIMIT ${PAGE}`),
    batchAt: q(`SELECT ${batch} FROM batches WHERE topic = ? AND base = (SELECT max(base) FROM batches WHERE base <= ? AND topic = ?)`),
    batchAfter: q(`SELECT ${batch} FROM batches WHERE topic = ? AND base > ? ORDER BY base LIMIT 1`),
    baseOf: q('SELECT max(base) FROM batches WHERE topic = ? AND base <= ?').pluck(),
    schemas: q(
      `SELECT key_schema, value_schema, sum(count) AS records, sum(raw) AS bytes FROM batches
       WHERE topic = ? AND base >= ? AND base + count > ? AND append <= ? GROUP BY key_schema, value_schema ORDER BY min(base)`,
    ),
    endAt: q('SELECT base + count FROM batches WHERE topic = ? AND append <= ? ORDER BY append DESC, base DESC LIMIT 1').pluck(),
    appendOf: q('SELECT append FROM batches WHERE topic = ? AND base <= ? ORDER BY base DESC LIMIT 1').pluck(),
    touched: q(
      `SELECT name FROM topics t WHERE EXISTS
         (SELECT 1 FROM batches b WHERE b.topic = t.id AND b.append > ? AND b.append <= ?) ORDER BY name`,
    ).pluck(),
  }
}

function toInfo(row: AppendRow): AppendInfo {
  return {
    id: row.id,
    cursor: {
      source: row.source,
      at: row.position,
      boundary: row.boundary === 1,
      commit: row.commit_at,
      commitUs: row.commit_us === null ? null : BigInt(row.commit_us),
      snapshotDone: JSON.parse(row.snapshot_done) as string[],
      consistent: row.consistent === 1,
    },
    records: row.records,
    bytes: row.bytes,
  }
}
