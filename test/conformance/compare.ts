import avro from 'avsc'
import { type Json, type Names, normaliseEvent, normalisePayload } from './normalise.ts'
import type { AvroPart, GoldenEvent, Scenario } from './scenario.ts'

/** A record of `cdc tail --format avro-hex`. */
export interface OurAvro {
  readonly topic: string
  readonly key: { readonly schema: string; readonly hex: string | null } | null
  readonly value: { readonly schema: string; readonly hex: string | null } | null
}

/** The first difference between our events and the recording, as text for people; null: none. */
export function compareEvents(scenario: Scenario, ours: readonly GoldenEvent[], names: Names): string | null {
  const beats = compareHeartbeats(scenario, ours)
  if (beats !== null) return beats
  const golden = scenario.events.filter((e) => !isHeartbeat(e))
  const a = golden.map((e) => known(scenario, normaliseEvent(e, names)))
  const b = ours.filter((e) => !isHeartbeat(e)).map((e) => known(scenario, normaliseEvent(e, names)))
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return `event ${i}: ${difference(a[i], b[i])}`
  if (a.length !== b.length)
    return `${b.length} events instead of ${a.length}; first ${a.length > b.length ? 'missing' : 'extra'}: ${shorten((a[b.length] ?? b[a.length])!)}`
  return null
}

/** With heartbeats whether a commit came before the first change is up to when the first of them was. */
function known(scenario: Scenario, text: string): string {
  return scenario.events.some(isHeartbeat) ? text.replaceAll('[null,', '[\\"*\\",').replaceAll('"lsn_commit",', '') : text
}

function isHeartbeat(e: { readonly topic: string }): boolean {
  return e.topic.startsWith('__debezium-heartbeat')
}

/** How many there are depends on how long the run took: each is as the recorded ones are, and where some were recorded there are some. */
function compareHeartbeats(scenario: Scenario, ours: readonly GoldenEvent[]): string | null {
  const text = ({ topic, partition, key, value, headers }: GoldenEvent): string =>
    JSON.stringify([topic, partition, key, value?.replace(/("ts_ms":)\d{13}/, '$1*'), headers])
  const recorded = scenario.events.find(isHeartbeat)
  const found = ours.filter(isHeartbeat)
  if (recorded === undefined) return found.length === 0 ? null : `${found.length} heartbeats instead of none`
  if (found.length === 0) return 'no heartbeats'
  const other = found.find((e) => text(e) !== text(recorded))
  return other === undefined ? null : `heartbeat: ${difference(text(recorded), text(other))}`
}

/** Schema texts byte for byte; bytes decoded by avsc and compared after blanking, and our bytes are exactly what avsc would write. */
export function compareAvro(scenario: Scenario, ours: readonly OurAvro[], names: Names): string | null {
  const golden = [...scenario.avro.filter(isHeartbeat).slice(0, 1), ...scenario.avro.filter((r) => !isHeartbeat(r))]
  const found = [...ours.filter(isHeartbeat).slice(0, 1), ...ours.filter((r) => !isHeartbeat(r))]
  for (const [i, g] of golden.entries()) {
    const o = found[i]
    if (o === undefined) return `avro record ${i} of ${golden.length} is missing`
    for (const part of ['key', 'value'] as const) {
      const unlike = comparePart(scenario, g.topic, g[part], o[part], names)
      if (unlike !== null) return `avro ${part} of record ${i} (${g.topic}): ${unlike}`
    }
  }
  return found.length > golden.length ? `${found.length} avro records instead of ${golden.length}` : null
}

function comparePart(scenario: Scenario, topic: string, golden: AvroPart | null, ours: OurAvro['key'], names: Names): string | null {
  if (golden?.error !== undefined) return null
  if (golden === null || ours === null) return golden === ours ? null : `${golden === null ? 'not null' : 'null'} unlike the recording`
  const text = scenario.schemas.get(golden.schema)!
  if (text !== ours.schema) return `schema text: ${difference(text, ours.schema)}`
  if (golden.hex === null || ours.hex === null) return golden.hex === ours.hex ? null : 'one of the two is null'
  const type = avro.Type.forSchema(JSON.parse(text, readable), { registry: { long: LONG } })
  const bytes = Buffer.from(ours.hex, 'hex')
  const decoded = type.fromBuffer(bytes)
  if (!type.toBuffer(decoded).equals(bytes)) return 'bytes are not those that avsc writes for the same value'
  const want = known(scenario, JSON.stringify(normalisePayload(topic, plain(type.fromBuffer(Buffer.from(golden.hex, 'hex'))), names)))
  const got = known(scenario, JSON.stringify(normalisePayload(topic, plain(decoded), names)))
  return want === got ? null : difference(want, got)
}

/**
 * The schema as avsc can read it: it looks up `long` only by its bare name, so the Connect properties around it are dropped, and it
 * refuses names with a dash that older Avro accepts.
 */
export function readable(key: string, v: unknown): unknown {
  if (typeof v === 'string') return key === 'name' || key === 'namespace' || key === 'type' ? v.replace(/[^A-Za-z0-9_.]/g, '_') : v
  return typeof v === 'object' && v !== null && 'type' in v && v.type === 'long' && !('name' in v) ? 'long' : v
}

/** Longs as bigints, so that 64 bits survive. */
const LONG = avro.types.LongType.__with({
  fromBuffer: (b: Buffer) => b.readBigInt64LE(),
  toBuffer: (n: bigint) => {
    const b = Buffer.alloc(8)
    b.writeBigInt64LE(n)
    return b
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (n: unknown) => typeof n === 'bigint',
  compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1),
})

/** A decoded record as the normaliser's JSON: numbers and bytes become text, unions of one record lose their wrapper. */
function plain(v: unknown): Json {
  if (v === null || typeof v === 'boolean' || typeof v === 'string') return v
  if (typeof v === 'number' || typeof v === 'bigint') return `#${v}`
  if (Buffer.isBuffer(v)) return `hex:${v.toString('hex')}`
  if (Array.isArray(v)) return v.map(plain)
  return Object.fromEntries(Object.entries(v as object).map(([k, x]) => [k, plain(x)]))
}

function difference(want: string, got: string): string {
  let at = 0
  while (at < want.length && want[at] === got[at]) at++
  const from = Math.max(0, at - 100)
  return `\n    recorded …${want.slice(from, at + 140)}\n    ours     …${got.slice(from, at + 140)}`
}

function shorten(s: string): string {
  return s.length > 300 ? `${s.slice(0, 300)}…` : s
}
