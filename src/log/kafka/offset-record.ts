import type { LogCursor } from '../../contract/log.ts'
import { Failure } from '../../failure/failure.ts'
import type { TopicSettings } from './options.ts'

/** Header of an offset record: the cursor of our own log contract, which Debezium's offset does not hold all of. */
export const CURSOR_HEADER = 'tributary.cursor'
/** Header of an offset record: the next offset of every partition that its transaction wrote to: `{"topic":{"0":123}}`. */
export const ENDS_HEADER = 'tributary.ends'

/** Small segments, so that compaction keeps up: there is one record per append, and only the newest counts. */
export const OFFSETS_SETTINGS: TopicSettings = {
  partitions: 1,
  replication: -1,
  config: new Map([
    ['cleanup.policy', 'compact'],
    ['segment.bytes', String(16 << 20)],
    ['compression.type', 'producer'],
  ]),
}

/** An offset record as it is in the offsets topic. */
export interface OffsetRecord {
  readonly key: string
  /** Debezium's offset; null: a tombstone, the position was taken back. */
  readonly value: string | null
  readonly headers: ReadonlyMap<string, string>
}

/** A cursor with the number of its append. */
export interface NumberedCursor {
  readonly append: number
  readonly cursor: LogCursor
}

/** The key Kafka Connect stores a connector's offset under: `["connector",{"server":"prefix"}]`, without spaces. */
export function offsetKey(connector: string, partition: Readonly<Record<string, string>>): string {
  return JSON.stringify([connector, partition])
}

export function cursorText({ append, cursor }: NumberedCursor): string {
  const { source, at, boundary, consistent, commit, commitUs, snapshotDone } = cursor
  const us = commitUs === null ? null : String(commitUs)
  return JSON.stringify({ v: 1, append, source, at, boundary, consistent, commit, commitUs: us, snapshotDone })
}

/** Reads the cursor header. Fails with TRB-KAFKA-010. */
export function parseCursor(text: string, name: string, topic: string): NumberedCursor {
  const refuse = (detail: string, e?: unknown): Failure => new Failure('TRB-KAFKA-010', { name, topic, detail }, e)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (e) {
    throw refuse(`its header ${CURSOR_HEADER} is not JSON`, e)
  }
  const o = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  const { v, append, source, at, boundary, consistent, commit, commitUs, snapshotDone } = o
  if (v !== 1) throw refuse(`its header ${CURSOR_HEADER} has version ${String(v)}`)
  const texts = typeof source === 'string' && typeof at === 'string' && (commit === null || typeof commit === 'string')
  const flags = typeof boundary === 'boolean' && typeof consistent === 'boolean'
  const us = commitUs === null || (typeof commitUs === 'string' && /^-?\d+$/.test(commitUs))
  const done = Array.isArray(snapshotDone) && snapshotDone.every((t) => typeof t === 'string')
  if (!texts || !flags || !us || !done || typeof append !== 'number' || !Number.isSafeInteger(append)) {
    throw refuse(`its header ${CURSOR_HEADER} lacks a field, or has another type`)
  }
  const cursor: LogCursor = {
    ...{ source, at, boundary, consistent, commit, snapshotDone: snapshotDone as string[] },
    commitUs: commitUs === null ? null : BigInt(commitUs as string),
  }
  return { append, cursor }
}

export function endsText(ends: ReadonlyMap<string, ReadonlyMap<number, bigint>>): string {
  // Offsets are beyond what a JSON number holds only after 2^53 records.
  return JSON.stringify(Object.fromEntries([...ends].map(([t, p]) => [t, Object.fromEntries([...p].map(([i, o]) => [i, Number(o)]))])))
}

/**
 * An offset record as the TopicBatch bytes of one record (grammar: contract/log.ts).
 * `value` null deletes the position.
 */
export function offsetBytes(record: OffsetRecord, timestampMs: number): Uint8Array {
  const parts: Buffer[] = []
  const varint = (n: number): void => {
    const bytes: number[] = []
    let v = n
    for (; v >= 0x80; v = Math.floor(v / 128)) bytes.push((v % 128) | 0x80)
    bytes.push(v)
    parts.push(Buffer.from(bytes))
  }
  const blob = (text: string | null): void => {
    const bytes = Buffer.from(text ?? '')
    varint(text === null ? 0 : bytes.length + 1)
    parts.push(bytes)
  }
  varint(timestampMs * 2)
  blob(record.key)
  blob(record.value)
  varint(0)
  varint(record.headers.size)
  for (const [name, value] of record.headers) {
    const bytes = Buffer.from(name)
    varint(bytes.length)
    parts.push(bytes)
    blob(value)
  }
  return Buffer.concat(parts)
}
