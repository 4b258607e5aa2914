import type { LogCursor, TopicBatch } from '../../src/contract/log.ts'

/** A record in the grammar of contract/log.ts: timestamp 0, key and value of these bytes, no side, no headers. */
export function record(key: Buffer | null, value: Buffer | null): Buffer {
  return Buffer.concat([Buffer.of(0), blob(key), blob(value), Buffer.of(0, 0)])
}

/** A batch whose record i has the key `<topic>-<first + i>` and a value of `size` bytes that depends on i. */
export function makeBatch(topic: string, first: number, count: number, size = 20, commit = `0/${first}`): TopicBatch {
  const records: Buffer[] = []
  for (let i = 0; i < count; i++) records.push(record(Buffer.from(`${topic}-${first + i}`), Buffer.alloc(size, `${first + i},`)))
  const runs = count === 0 ? [] : [{ count, commit, commitUs: BigInt(first) * 1000n }]
  return { topic, partition: 0, count, keySchema: 1, valueSchema: 2, records: Buffer.concat(records), headers: null, runs }
}

export function makeCursor(at: string, more: Partial<LogCursor> = {}): LogCursor {
  const rest = { boundary: true, commit: at, commitUs: 1_700_000_000_123_456n, snapshotDone: [], consistent: true }
  return { source: 's', at, ...rest, ...more }
}

/** Bytes as a blob of the record grammar. */
export function blob(bytes: Buffer | null): Buffer {
  if (bytes === null) return Buffer.of(0)
  const out: number[] = []
  let v = bytes.length + 1
  for (; v > 0x7f; v = Math.floor(v / 128)) out.push((v & 0x7f) | 0x80)
  out.push(v)
  return Buffer.concat([Buffer.from(out), bytes])
}
