import { getHashes } from 'node:crypto'
import { Failure } from '../../failure/failure.ts'
import { javaRegex, javaRegexList, type TextMatcher } from '../java-regex.ts'
import type { Mask } from './mask.ts'

/** What a configuration says of single columns, for every kind of database (spec debezium §4.6). Paths are `schema.table.column`. */
export interface ColumnRules {
  /** `column.include.list`, `column.exclude.list`; null: every column. */
  readonly captured: TextMatcher | null
  /** Applied one after the other. */
  readonly masks: readonly MaskRule[]
  /** `column.propagate.source.type`, `datatype.propagate.source.type`: by path, and by forms of the type's name. */
  readonly propagate: ((path: string, types: readonly string[]) => boolean) | null
  /** `message.key.columns`: names for a table (`schema.table`), in key order; empty: the table's own key. */
  readonly messageKey: ((table: string) => readonly string[]) | null
  /**
   * A lake is made of the records: what would take rows apart or together there is refused (masked and excluded key columns, keys that old rows do
   * not carry), and so is a mask that does not hide.
   */
  readonly forLake: boolean
}

export interface MaskRule {
  readonly option: string
  readonly matches: TextMatcher
  readonly mask: Mask
}

export const NO_COLUMN_RULES: ColumnRules = { captured: null, masks: [], propagate: null, messageKey: null, forLake: false }

/** Settings that `columnRules` reads. */
export const COLUMN_SETTINGS: readonly RegExp[] = [
  /^column\.(include|exclude)\.list$/,
  /^message\.key\.columns$/,
  /^(column|datatype)\.propagate\.source\.type$/,
  /^column\.truncate\.to\.\d+\.chars$/,
  /^column\.mask\.with\.\d+\.chars$/,
  /^column\.mask\.hash\.(v2\.)?[^.]+\.with\.salt\..+$/,
]

const TRUNCATE = /^column\.truncate\.to\.(\d+)\.chars$/
const STARS = /^column\.mask\.with\.(\d+)\.chars$/
const HASH = /^column\.mask\.hash\.(v2\.)?([^.]+)\.with\.salt\.(.+)$/

/** Reads the settings of single columns. Fails with TRB-ENV-002. */
export function columnRules(config: ReadonlyMap<string, string>, forLake = false): ColumnRules {
  return {
    captured: captured(config),
    masks: [...rulesOf(config, TRUNCATE, truncation), ...rulesOf(config, STARS, stars), ...rulesOf(config, HASH, hash)],
    propagate: propagated(config),
    messageKey: messageKeys(config.get('message.key.columns')),
    forLake,
  }
}

function captured(config: ReadonlyMap<string, string>): TextMatcher | null {
  const include = config.get('column.include.list')
  const exclude = config.get('column.exclude.list')
  if (include !== undefined && exclude !== undefined) {
    throw new Failure('TRB-ENV-002', { option: 'column.exclude.list', value: exclude, supported: 'none beside column.include.list' })
  }
  if (include !== undefined) return javaRegexList('column.include.list', include)
  if (exclude === undefined) return null
  const left = javaRegexList('column.exclude.list', exclude)
  return (path) => !left(path)
}

function rulesOf(config: ReadonlyMap<string, string>, option: RegExp, maskOf: (m: RegExpExecArray, value: string) => Mask): MaskRule[] {
  const rules: MaskRule[] = []
  for (const [name, value] of config) {
    const m = option.exec(name)
    if (m !== null) rules.push({ option: name, matches: javaRegexList(name, value), mask: maskOf(m, value) })
  }
  return rules
}

/** Longest mask and cut; more is a slip of the pen. */
const MOST_CHARS = 65_535

function chars(option: string, text: string, value: string, min: number): number {
  const n = Number(text)
  if (n < min || n > MOST_CHARS) throw new Failure('TRB-ENV-002', { option, value, supported: `lengths from ${min} to ${MOST_CHARS}` })
  return n
}

function truncation(m: RegExpExecArray, value: string): Mask {
  return { kind: 'truncate', chars: chars(m[0], m[1], value, 1) }
}

function stars(m: RegExpExecArray, value: string): Mask {
  return { kind: 'stars', chars: chars(m[0], m[1], value, 0) }
}

/** Java's name of a digest → OpenSSL's. */
function hash(m: RegExpExecArray, value: string): Mask {
  const name = m[2].toLowerCase()
  const algorithm = name.startsWith('sha-') ? `sha${name.slice(4).replace('/', '-')}` : name
  if (!getHashes().some((h) => h.toLowerCase() === algorithm)) {
    throw new Failure('TRB-ENV-002', {
      option: m[0],
      value,
      supported: 'the digests MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512, SHA3-256',
    })
  }
  return { kind: 'hash', algorithm, salt: m[3], version: m[1] === undefined ? 1 : 2 }
}

function propagated(config: ReadonlyMap<string, string>): ColumnRules['propagate'] {
  const columns = config.get('column.propagate.source.type')
  const types = config.get('datatype.propagate.source.type')
  if (columns === undefined && types === undefined) return null
  const column = columns === undefined ? null : javaRegexList('column.propagate.source.type', columns)
  const type = types === undefined ? null : javaRegexList('datatype.propagate.source.type', types)
  return (path, names) => column?.(path) === true || (type !== null && names.some(type))
}

/** `regex of schema.table:column,column;…`: the columns of every expression that matches the whole name, in order. */
function messageKeys(text: string | undefined): ColumnRules['messageKey'] {
  if (text === undefined || text.trim() === '') return null
  const option = 'message.key.columns'
  const rules = text
    .split(';')
    .filter((r) => r.trim() !== '')
    .map((rule) => {
      const colon = rule.lastIndexOf(':')
      const names = rule.slice(colon + 1).split(',')
      const columns = names.map((c) => c.trim())
      if (colon < 0 || columns.includes('')) {
        throw new Failure('TRB-ENV-002', { option, value: text, supported: 'schema.table:column,column;…' })
      }
      return { table: javaRegex(option, rule.slice(0, colon).trim()), columns }
    })
  return (table) => rules.filter((r) => r.table.test(table)).flatMap((r) => r.columns)
}
