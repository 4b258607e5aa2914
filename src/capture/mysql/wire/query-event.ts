import { u16, u32 } from './little-endian.ts'

export interface QueryEvent {
  /** Connection that ran it. */
  readonly thread: number
  readonly database: string
  /** As the client sent it, taken as utf8. */
  readonly sql: string
}

/**
 * Body of a QUERY event; null: malformed.
 *   body => thread:u32 seconds:u32 databaseLength:u8 error:u16 varsLength:u16 vars database NUL sql
 */
export function parseQuery(buf: Buffer, start: number, end: number): QueryEvent | null {
  const at = querySqlAt(buf, start, end)
  if (at < 0) return null
  const length = buf[start + 8]
  return { thread: u32(buf, start), database: buf.toString('utf8', at - 1 - length, at - 1), sql: buf.toString('utf8', at, end) }
}

/** Where the text of the statement starts; −1: malformed. */
export function querySqlAt(buf: Buffer, start: number, end: number): number {
  if (end - start < 14) return -1
  const at = start + 13 + u16(buf, start + 11) + buf[start + 8] + 1
  return at <= end ? at : -1
}

/** What a statement in the binlog is about, by its first words. */
export type Statement =
  | { readonly kind: 'begin' | 'commit' | 'rollback' | 'savepoint' | 'rows' | 'xa end' | 'other' }
  | { readonly kind: 'rollback to'; readonly name: string }
  | { readonly kind: 'xa start' | 'xa prepare' | 'xa commit' | 'xa rollback'; readonly xid: string }

const DATA = /^(?:insert|update|delete|replace|load|call|do|with)\b/i
/** Hosting services keep heartbeats in the server's own tables. */
const SYSTEM = /^(?:insert|update|delete|replace)\s+(?:ignore\s+|into\s+|from\s+)*`?mysql`?\s*\./i

/** Comments in front do not count. */
export function classify(sql: string): Statement {
  const text = sql.replace(/^(?:\s+|\/\*[^!][\s\S]*?\*\/|--\s[^\n]*\n|#[^\n]*\n)+/, '')
  if (/^begin$/i.test(text)) return { kind: 'begin' }
  if (/^commit$/i.test(text)) return { kind: 'commit' }
  if (/^rollback$/i.test(text)) return { kind: 'rollback' }
  if (/^savepoint\b/i.test(text)) return { kind: 'savepoint' }
  const back = /^rollback\s+(?:work\s+)?to\s+(?:savepoint\s+)?(.+)$/is.exec(text)
  if (back !== null) return { kind: 'rollback to', name: back[1].trim() }
  const xa = /^xa\s+(start|begin|end|prepare|commit|rollback)\s+(.+)$/is.exec(text)
  if (xa !== null) return xaStatement(xa[1].toLowerCase(), xa[2])
  return { kind: DATA.test(text) && !SYSTEM.test(text) ? 'rows' : 'other' }
}

function xaStatement(verb: string, rest: string): Statement {
  const xid = rest
    .replace(/\s+one\s+phase\s*$/i, '')
    .replaceAll(/\s/g, '')
    .toLowerCase()
  if (verb === 'end') return { kind: 'xa end' }
  return { kind: `xa ${verb === 'begin' ? 'start' : verb}` as 'xa start', xid }
}

/** A name in a statement: `` `a``b` `` or plain. */
const NAME = '(?:`((?:[^`]|``)+)`|"((?:[^"]|"")+)"|([^\\s`".;,()]+))'
const TRUNCATE = new RegExp(`^truncate\\s+(?:table\\s+)?${NAME}(?:\\s*\\.\\s*${NAME})?`, 'i')
/** What the server itself writes when it finds a MEMORY table empty after a restart. */
const EMPTIED = new RegExp(`^delete\\s+from\\s+${NAME}(?:\\s*\\.\\s*${NAME})?\\s*$`, 'i')

/** The table that a statement empties, `database` being the one that unqualified names are in; null: none. */
export function emptiedTable(sql: string, database: string): { schema: string; table: string } | null {
  const text = sql
    .replaceAll(/\/\*(?!!)[\s\S]*?\*\//g, ' ')
    .replaceAll(/(^|\n)\s*(?:--\s|#)[^\n]*/g, ' ')
    .trim()
  const m = TRUNCATE.exec(text) ?? EMPTIED.exec(text)
  if (m === null) return null
  const first = name(m, 1)
  const second = name(m, 4)
  return second === null ? { schema: database, table: first! } : { schema: first!, table: second }
}

const VERB = [
  'insert\\s+(?:(?:low_priority|high_priority|delayed|ignore|into)\\s+)*',
  'replace\\s+(?:(?:low_priority|delayed|into)\\s+)*',
  'update\\s+(?:(?:low_priority|ignore)\\s+)*',
  'delete\\s+(?:(?:low_priority|quick|ignore)\\s+)*from\\s+',
].join('|')
/** Group 7: signs of another table beside the first. */
const SECOND = '(\\s*,|\\s+(?:as\\s+)?\\w*\\s*,|[^;]*\\bjoin\\b)?'
const WRITTEN = new RegExp(`^(?:${VERB})${NAME}(?:\\s*\\.\\s*${NAME})?${SECOND}`, 'is')

/** The one table that a statement with rows writes; null: several, or it cannot be told. */
export function writtenTable(sql: string, database: string): { schema: string; table: string } | null {
  const m = WRITTEN.exec(sql.replaceAll(/\/\*(?!!)[\s\S]*?\*\//g, ' ').trim())
  if (m === null || m[7] !== undefined) return null
  const first = name(m, 1)
  const second = name(m, 4)
  return second === null ? { schema: database, table: first! } : { schema: first!, table: second }
}

function name(m: RegExpExecArray, at: number): string | null {
  return m[at]?.replaceAll('``', '`') ?? m[at + 1]?.replaceAll('""', '"') ?? m[at + 2] ?? null
}
