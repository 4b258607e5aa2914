import { uuidText } from '../gtid-set.ts'
import { PackedReader, u32, u64 } from './little-endian.ts'

/** The head of a transaction. */
export interface GtidEvent {
  /** Source of the number, as GtidSet keys it; null: anonymous. */
  readonly source: string | null
  readonly number: number
  /** Commit time at the server that ran it first, µs since epoch; null: not written. */
  readonly commitUs: bigint | null
}

const HAS_ORIGINAL = 1n << 55n

/**
 * Body of MySQL's GTID and ANONYMOUS_GTID events; null: malformed.
 *   body => flags:u8 uuid:byte[16] number:u64 (2:u8 lastCommitted:u64 sequence:u64 (time:u56 (original:u56)? …)?)?
 * Bit 55 of `time` says that `original` follows, which is the same otherwise.
 */
export function parseGtid(buf: Buffer, start: number, end: number, anonymous: boolean): GtidEvent | null {
  if (end - start < 25) return null
  const number = Number(u64(buf, start + 17))
  const source = anonymous ? null : uuidText(buf, start + 1)
  let commitUs: bigint | null = null
  if (end - start >= 49 && buf[start + 25] === 2) {
    const at = start + 42
    const now = u56(buf, at)
    commitUs = now & ~HAS_ORIGINAL
    if ((now & HAS_ORIGINAL) !== 0n) {
      if (end < at + 14) return null
      commitUs = u56(buf, at + 7)
    }
  }
  return { source, number, commitUs }
}

function u56(buf: Buffer, p: number): bigint {
  return u64(buf, p) & 0xffffffffffffffn
}

/**
 * Body of GTID_TAGGED (8.3 and later, for GTIDs with a tag); null: malformed. Every number has a variable length.
 *   body  => version size lastNeeded (field value)*
 *   field => 0 flags   1 uuid: 16 numbers   2 number: signed   3 tag: length byte[length]   4 lastCommitted: signed   5 sequence: signed
 *            6 time   7 original: the commit time at the first server, when another one   8 transaction length   9, 10 versions   11 ticket
 */
export function parseTaggedGtid(buf: Buffer, start: number, end: number): GtidEvent | null {
  const r = new PackedReader(buf, start, end)
  varying(r)
  varying(r)
  varying(r)
  let uuid = ''
  let tag = ''
  let number = 0
  let now: bigint | null = null
  let original: bigint | null = null
  while (r.more) {
    const field = Number(varying(r))
    if (field === 1) uuid = uuidText(Buffer.from(Array.from({ length: 16 }, () => Number(varying(r)))), 0)
    else if (field === 2) number = Number(unsign(varying(r)))
    else if (field === 3) tag = text(r)
    else if (field === 6) now = varying(r)
    else if (field === 7) original = varying(r)
    else varying(r)
  }
  if (!r.ok || uuid === '' || !Number.isSafeInteger(number) || number < 1) return null
  return { source: tag === '' ? uuid : `${uuid}:${tag}`, number, commitUs: original ?? now }
}

function text(r: PackedReader): string {
  const length = Number(varying(r))
  const at = r.take(length)
  return r.ok ? r.buf.toString('latin1', at, at + length) : ''
}

/** The ones at the low end of the first byte count the bytes that follow; the number is what is above them, little-endian. */
function varying(r: PackedReader): bigint {
  const first = r.byte()
  let more = 0
  while (more < 8 && ((first >> more) & 1) === 1) more++
  const at = r.take(more)
  if (!r.ok) return 0n
  let rest = 0n
  for (let i = more - 1; i >= 0; i--) rest = (rest << 8n) | BigInt(r.buf[at + i])
  const own = more >= 7 ? 0n : BigInt(first >> (more + 1))
  return own | (rest << BigInt(Math.max(0, 7 - more)))
}

/** 0, −1, 1, −2 … */
function unsign(v: bigint): bigint {
  return (v & 1n) === 0n ? v >> 1n : -(v >> 1n) - 1n
}

export interface MariadbGtid {
  readonly sequence: bigint
  readonly domain: number
  /** The group is one event, without an end of its own. */
  readonly standalone: boolean
  /** It holds the changes of an XA transaction that is only prepared. */
  readonly prepares: boolean
}

/**
 * Body of MariaDB's GTID event, which begins a transaction; null: malformed.
 *   body => sequence:u64 domain:u32 flags:u8 …     flags => 1 standalone, 64 XA PREPARE, 128 XA COMMIT or ROLLBACK
 */
export function parseMariadbGtid(buf: Buffer, start: number, end: number): MariadbGtid | null {
  if (end - start < 13) return null
  const flags = buf[start + 12]
  return { sequence: u64(buf, start), domain: u32(buf, start + 8), standalone: (flags & 1) !== 0, prepares: (flags & 64) !== 0 }
}
