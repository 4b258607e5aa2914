import { Failure } from '../failure/failure.ts'

/**
 * What `--as-of` names (DESIGN "Positions and clocks"). Time and position mean the source's clock: the last transaction committed at or
 * before it; an instant means the lake's clock, table by table.
 */
export type AsOf =
  | { readonly kind: 'latest' }
  | { readonly kind: 'time'; readonly us: bigint; readonly text: string }
  | { readonly kind: 'instant'; readonly instant: string; readonly text: string }
  | { readonly kind: 'commit'; readonly back: number; readonly text: string }
  /** A position in the source's log; `lsn`: its commitOrder. */
  | { readonly kind: 'lsn'; readonly lsn: bigint; readonly text: string }
  | { readonly kind: 'gtid'; readonly gtid: string; readonly text: string }

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * Grammar:
 *   as-of    => time | relative | instant | 'commit:' ('0' | '-' digits) | 'lsn:' hex{1,8} '/' hex{1,8} | 'binlog:' file ':' byte | 'gtid:' gtid
 *   time     => YYYY-MM-DD ('T' | ' ') hh:mm [':' ss ['.' digit{1,6}]] ('Z' | ('+' | '-') hh ':' mm)
 *   relative => '-' digits ('ms' | 's' | 'm' | 'h' | 'd')      back from `nowMs`
 *   instant  => yyyyMMddHHmmssSSS (UTC)
 * Failures: TRB-QUERY-001 malformed, TRB-QUERY-002 tx: (no such position is recorded).
 */
export function parseAsOf(given: string, nowMs: number): AsOf {
  const text = given.trim()
  const prefix = /^([a-z]+):/i.exec(text)?.[1]?.toLowerCase()
  if (prefix === 'commit') return parseCommit(text)
  if (prefix === 'lsn') return { kind: 'lsn', lsn: parseLsn(text.slice(4)) ?? malformed(text, LSN_FORM), text }
  if (prefix === 'binlog') return parseBinlog(text)
  if (prefix === 'gtid') return parseGtidOf(text)
  if (prefix === 'tx') throw new Failure('TRB-QUERY-002', { text, kind: prefix })
  if (prefix !== undefined) return malformed(text, `"${prefix}:" is no kind of position; commit:, lsn:, binlog: and gtid: are.`)
  if (text.startsWith('-')) return parseRelative(text, nowMs)
  if (/^\d+$/.test(text)) return parseInstant(text)
  return parseTime(text)
}

function parseBinlog(text: string): AsOf {
  const m = /^binlog:[^:/\s]*?(\d+):(\d{1,15})(?:~(\d{1,3}))?$/i.exec(text)
  if (m === null) return malformed(text, 'binlog: takes a file and a byte in it, binlog:mysql-bin.000003:1234.')
  return { kind: 'lsn', lsn: (BigInt(m[3] ?? 0) << 96n) + (BigInt(m[1]) << 48n) + BigInt(m[2]) * 2n, text }
}

function parseGtidOf(text: string): AsOf {
  const gtid = text.slice('gtid:'.length)
  if (!/^(\d{1,10}-\d{1,10}-\d{1,20}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(:[a-z_]\w{0,31})?:\d{1,19})$/i.test(gtid)) {
    return malformed(text, 'gtid: takes one GTID, gtid:3e11fa47-71ca-11e1-9e33-c80aa9429562:23 or gtid:0-1-23.')
  }
  return { kind: 'gtid', gtid, text }
}

const LSN_FORM = 'An LSN is two hexadecimal numbers of at most eight digits with a slash between, as pg_current_wal_lsn() prints it.'

/** A printable LSN as a 64-bit number; null when the text is none. */
export function parseLsn(text: string): bigint | null {
  const m = /^([0-9a-f]{1,8})\/([0-9a-f]{1,8})$/i.exec(text)
  return m === null ? null : (BigInt(`0x${m[1]}`) << 32n) | BigInt(`0x${m[2]}`)
}

/** ISO text of a time in µs since epoch, six digits and Z. */
export function formatMicros(us: bigint): string {
  const ms = us >= 0n ? us / 1000n : -((-us + 999n) / 1000n)
  const rest = us - ms * 1000n
  return new Date(Number(ms)).toISOString().replace('Z', `${rest.toString().padStart(3, '0')}Z`)
}

function parseCommit(text: string): AsOf {
  const m = /^commit:(0|-\d{1,9})$/i.exec(text)
  if (m === null) return malformed(text, 'commit: takes 0 (the newest) or a negative number (-1 is the one before it).')
  return { kind: 'commit', back: Math.abs(Number(m[1])), text }
}

function parseRelative(text: string, nowMs: number): AsOf {
  const m = /^-(\d{1,12})(ms|s|m|h|d)$/.exec(text)
  if (m === null) return malformed(text, 'A relative time is "-", a whole number and one of ms, s, m, h, d.')
  const ms = nowMs - Number(m[1]) * UNIT_MS[m[2]!]!
  if (ms < 0) return malformed(text, 'It reaches back before 1970.')
  return { kind: 'time', us: BigInt(ms) * 1000n, text }
}

function parseInstant(text: string): AsOf {
  if (text.length !== 17) return malformed(text, `An instant has 17 digits (yyyyMMddHHmmssSSS); this has ${text.length}.`)
  const p = (from: number, to: number): string => text.slice(from, to)
  const iso = `${p(0, 4)}-${p(4, 6)}-${p(6, 8)}T${p(8, 10)}:${p(10, 12)}:${p(12, 14)}.${p(14, 17)}Z`
  if (exactDate(iso) === null) return malformed(text, `${iso} is no date.`)
  return { kind: 'instant', instant: text, text }
}

const TIME = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d)?$/i

function parseTime(text: string): AsOf {
  const m = TIME.exec(text)
  if (m === null) return malformed(text, 'It has none of the known forms.')
  const [, date, minutes, seconds, fraction, zone] = m
  if (zone === undefined) return malformed(text, 'A time needs its zone: end it with Z for UTC, or with an offset such as +02:00.')
  if (fraction !== undefined && seconds === undefined) return malformed(text, 'A fraction needs seconds before it.')
  const micros = (fraction ?? '').padEnd(6, '0')
  const local = exactDate(`${date}T${minutes}${seconds ?? ':00'}.${micros.slice(0, 3)}Z`)
  if (local === null) return malformed(text, `${date} ${minutes}${seconds ?? ''} is no date and time.`)
  const offset = zoneMinutes(zone)
  if (offset === null) return malformed(text, `${zone} is no offset from UTC.`)
  return { kind: 'time', us: BigInt(local - offset * 60_000) * 1000n + BigInt(micros.slice(3)), text }
}

/** Milliseconds of a complete ISO text; null when a field is out of range (Date.parse would take the 31st of February). */
function exactDate(iso: string): number | null {
  const ms = Date.parse(iso)
  return Number.isNaN(ms) || new Date(ms).toISOString() !== iso ? null : ms
}

function zoneMinutes(zone: string): number | null {
  if (/^z$/i.test(zone)) return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(4, 6))
  if (hours > 18 || minutes > 59) return null
  return (zone[0] === '-' ? -1 : 1) * (hours * 60 + minutes)
}

function malformed(text: string, reason: string): never {
  throw new Failure('TRB-QUERY-001', { text, reason })
}
