import { parseLsn } from './as-of.ts'

/**
 * Printed commit positions, as the log and the watermarks keep them:
 *   commit => LSN of Postgres, hex '/' hex
 *           | file ':' byte ('/' gtids)?      end of a transaction in a binlog; of a snapshot with the set of its GTIDs
 *           | file ':' byte '+'               start of a transaction whose end was not known when this part of it was written
 *          | '/' gtid                        of a foreign Debezium's topics: its place in a file is not known
 *   and '~' n behind it after the stream has gone on at another server n times, whose files have names of their own
 */

/** Place of a commit among those of its source, whatever its kind; null: the text is none. A part stands behind what ended where it starts. */
export function commitOrder(commit: string): bigint | null {
  const lsn = parseLsn(commit)
  if (lsn !== null) return lsn
  const m = /^[^:/\s]*?(\d*):(\d{1,15})(\+?)(?:\/[^\s~]*)?(?:~(\d{1,3}))?$/.exec(commit)
  if (m === null) return null
  return (BigInt(epochOf(commit)) << 96n) + (BigInt(m[1] === '' ? 0 : m[1]) << 48n) + BigInt(m[2]) * 2n + (m[3] === '' ? 0n : 1n)
}

/** A part of a transaction that goes on in later records. */
export function isPart(commit: string): boolean {
  return /\+(~\d+)?$/.test(commit)
}

/** How often the source went on at another server before this commit. */
export function epochOf(commit: string): number {
  const at = commit.lastIndexOf('~')
  return at < 0 ? 0 : Number(commit.slice(at + 1))
}

/** One GTID: whose it is, and its number there. `uuid:5`, `uuid:tag:5` (MySQL), `0-2-5` (MariaDB, by domain). Null: not such a text. */
export function parseGtid(text: string): { readonly of: string; readonly number: bigint } | null {
  const mariadb = /^(\d{1,10})-\d{1,10}-(\d{1,20})$/.exec(text)
  if (mariadb !== null) return { of: mariadb[1], number: BigInt(mariadb[2]) }
  const mysql = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?::[a-z_][a-z0-9_]{0,31})?):(\d{1,19})$/i.exec(text)
  return mysql === null ? null : { of: mysql[1].toLowerCase(), number: BigInt(mysql[2]) }
}

/** Below 0: the commit is before the transaction with this GTID; 0: it is this one; above: after; null: they cannot be compared. */
export function compareGtid(commit: string, gtid: string): number | null {
  const wanted = parseGtid(gtid)
  const slash = commit.indexOf('/')
  if (wanted === null || slash < 0) return null
  let newest: bigint | null = null
  for (const { of, last } of gtidRanges(commit.slice(slash + 1).replace(/~\d+$/, ''))) {
    if (of === wanted.of && (newest === null || last > newest)) newest = last
  }
  return newest === null ? null : newest < wanted.number ? -1 : newest === wanted.number ? 0 : 1
}

/** Last number of each range of a list or set: `uuid:1-5:7,uuid:tag:3`, `0-1-5,1-1-9`. */
function* gtidRanges(set: string): Generator<{ of: string; last: bigint }> {
  for (const part of set.split(',')) {
    const mariadb = /^(\d+)-\d+-(\d+)$/.exec(part)
    if (mariadb !== null) {
      yield { of: mariadb[1], last: BigInt(mariadb[2]) }
      continue
    }
    const [uuid, ...rest] = part.toLowerCase().split(':')
    let of = uuid
    for (const r of rest) {
      const range = /^(?:\d+-)?(\d+)$/.exec(r)
      if (range === null) of = `${uuid}:${r}`
      else yield { of, last: BigInt(range[1]) }
    }
  }
}
