import type { GoldenEvent } from './scenario.ts'

/**
 * Blanks what differs between two runs of the same engine (LSNs, xids, clocks, UUIDs) and nothing else: null stays null, a value becomes
 * `*`. The same rules as the script that compared two runs of the real Debezium.
 */
export type Json = null | boolean | string | Json[] | { [key: string]: Json }

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g
const RUN_FIELDS = new Set(['ts_ms', 'ts_us', 'ts_ns', 'lsn', 'txId', 'xmin', 'pos', 'thread', 'file', 'version'])

/** Where our run differs by design: database names are unique per run. */
export interface Names {
  readonly ourDatabase: string
  readonly goldenDatabase: string
}

/** JSON whose numbers keep their text (1.0E7 is not 10000000): they become `#text`. */
export function parseJson(text: string): Json {
  const keep = (_: string, v: unknown, c?: { readonly source?: string }): unknown => (typeof v === 'number' ? `#${c?.source ?? v}` : v)
  return JSON.parse(text, keep as (key: string, value: unknown) => unknown) as Json
}

/** One record as comparable text. */
export function normaliseEvent(e: GoldenEvent, names: Names): string {
  const part = (text: string | null): Json => {
    if (text === null) return null
    const j = parseJson(text)
    if (typeof j === 'object' && j !== null && !Array.isArray(j) && 'payload' in j)
      j['payload'] = normalisePayload(e.topic, j['payload'], names)
    return j
  }
  const headers = e.headers.map((h): Json => {
    const j = h.value === null ? null : parseJson(h.value)
    if (typeof j === 'object' && j !== null && !Array.isArray(j)) {
      j['payload'] = h.key === '__debezium.context.runId' ? '*uuid' : (blank(e.topic, j['payload'], [h.key], names) ?? j['payload'])
    }
    return [h.key, j]
  })
  return JSON.stringify({
    topic: e.topic,
    phase: e.phase,
    partition: e.partition,
    timed: e.timestamp !== null,
    key: part(e.key),
    value: part(e.value),
    headers,
    sourcePartition: e.sourcePartition,
    offsetKeys: Object.keys(e.sourceOffset ?? {})
      // How far a snapshot has come is Java's serialised objects.
      .filter((k) => !k.startsWith('incremental_snapshot_'))
      // the hash of a Java object
      .map((k) => k.replace(/(LogicalDecodingMessageId@).*/, '$1'))
      .sort(),
  })
}

/** Blanks a payload (or a decoded Avro record in the same form). */
export function normalisePayload(topic: string, value: Json, names: Names): Json {
  return walk(topic, value, [], names)
}

function walk(topic: string, v: Json, path: readonly string[], names: Names): Json {
  const blanked = blank(topic, v, path, names)
  if (blanked !== null) return blanked
  if (Array.isArray(v)) {
    const items = v.map((x) => walk(topic, x, path, names))
    return path.length === 1 && path[0] === 'data_collections'
      ? items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
      : items
  }
  if (typeof v === 'object' && v !== null)
    return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, walk(topic, x, [...path, k], names)]))
  return v
}

/** The value that stands for a run-dependent leaf, null to keep it. */
function blank(topic: string, v: Json, path: readonly string[], names: Names): Json {
  if (v === null || v === undefined) return null
  const last = path.at(-1) ?? ''
  if (path[0] === 'source') {
    if (RUN_FIELDS.has(last)) return '*'
    // 0 in snapshots is part of the contract
    if (last === 'gtid' || (last === 'server_id' && v !== '#0')) return '*'
    if (last === 'sequence' && typeof v === 'string') return v.replace(/\d+/g, '*')
    if (last === 'db' && v === names.ourDatabase) return names.goldenDatabase
  }
  if (path.length === 1 && ['ts_ms', 'ts_us', 'ts_ns', 'timestamp'].includes(last)) return '*'
  if (/^(__|_m_|meta\.)(source_)?(ts_ms|ts_us|ts_ns|lsn|pos|file|tx)$/.test(last)) return '*'
  const transactionTopic = topic.endsWith('.transaction') || topic.endsWith('.txs')
  if (last === 'id' && (path[0] === 'transaction' || transactionTopic)) return '*tx'
  if (last === '__dbname' && v === names.ourDatabase) return names.goldenDatabase
  if (/^(__|_m_|meta\.)transaction_id$/.test(last)) return '*tx'
  if (last === 'data_collection' && String(v).includes('LogicalDecodingMessageId@')) return '*logical-message'
  if (typeof v === 'string' && last === 'id' && /-(open|close)$/.test(v)) return v.replace(UUID, '*uuid')
  if (typeof v === 'string' && last === 'data' && v.includes('WindowTimestamp')) return v.replace(/\d{4}-\d\d-\d\dT[0-9:.]+Z/g, '*ts')
  return null
}
