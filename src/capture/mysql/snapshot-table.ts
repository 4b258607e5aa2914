import type { BatchBuilder } from '../batch-builder.ts'
import type { Task } from '../signal/progress.ts'
import { type CatalogTable, quoteTable } from './catalogue.ts'
import { quoteIdent, quoteLiteral } from './connect.ts'
import type { Shape } from './schema.ts'
import type { MysqlColumn } from './types/column.ts'

/** One table to be read. */
export interface SnapshotTable {
  readonly name: string
  readonly table: CatalogTable
  readonly shape: Shape
  /** FLOAT as the exact number; the server prints six digits, as Debezium shows them. */
  readonly exactFloats: boolean
}

const ORDERED = [
  'tinyint',
  'smallint',
  'mediumint',
  'int',
  'bigint',
  'decimal',
  'char',
  'varchar',
  'binary',
  'varbinary',
  'date',
  'datetime',
  'timestamp',
  'time',
  'year',
  'uuid',
  'inet4',
  'inet6',
]

const BYTES = ['binary', 'varbinary']

/**
 * A table is read in key order, so that any row is a place to go on from, when its key is there and its values, printed and read again, are in
 * the same order: not those of ENUM (ordered by number, compared as text) and FLOAT (printed with six digits).
 */
export function readsByKey(t: SnapshotTable): boolean {
  const key = t.shape.rowKey
  return key.length > 0 && key.every((i) => t.shape.columns[i].notNull && ORDERED.includes(t.shape.columns[i].dataType))
}

/** Query of a table, or of its next `limit` rows behind `after` in key order. Columns without a type mapping are NULL. */
export function selectSql(t: SnapshotTable, after: readonly string[] | null, limit: number): string {
  const { columns } = t.shape.schema
  const { rowKey, schema } = t.shape
  const read = (i: number): boolean => columns[i].omitted !== true || rowKey.includes(i) || schema.key.includes(i)
  const list = columns.map((_, i) => (read(i) ? expression(t.shape.columns[i], t.exactFloats) : 'NULL')).join(', ')
  const key = readsByKey(t) ? rowKey.map((i) => t.shape.columns[i]) : []
  const where = after === null ? '' : ` WHERE ${beyond(key, after)}`
  const order = key.map((c) => quoteIdent(c.name)).join(', ')
  return `SELECT ${list} FROM ${quoteTable(t.table)}${where}${order === '' ? '' : ` ORDER BY ${order} LIMIT ${limit}`}`
}

/** Whether the table has a row. */
export function existsSql(t: SnapshotTable): string {
  return `SELECT EXISTS (SELECT 1 FROM ${quoteTable(t.table)})`
}

function expression(column: MysqlColumn, exactFloats: boolean): string {
  const name = quoteIdent(column.name)
  return column.dataType === 'float' && exactFloats ? `CAST(${name} AS DOUBLE)` : name
}

/** `(a, b) > (x, y)` in the form that an index serves: a >= x AND (a > x OR (a = x AND b > y)). */
function beyond(key: readonly MysqlColumn[], after: readonly string[]): string {
  const name = (i: number): string => quoteIdent(key[i].name)
  const value = (i: number): string => literal(key[i], after[i])
  let condition = ''
  for (let i = key.length - 1; i >= 0; i--) {
    const greater = `${name(i)} > ${value(i)}`
    condition = condition === '' ? greater : `(${greater} OR (${name(i)} = ${value(i)} AND ${condition}))`
  }
  return key.length === 1 ? condition : `${name(0)} >= ${value(0)} AND ${condition}`
}

/** Keys travel as latin1 text of their bytes. */
function literal(column: MysqlColumn, text: string): string {
  const bytes = Buffer.from(text, 'latin1')
  if (BYTES.includes(column.dataType)) return `x'${bytes.toString('hex')}'`
  // With the name of its character set it stays a literal, which takes the column's collation; CONVERT would have one of its own.
  return column.charset === null ? quoteLiteral(bytes.toString('utf8')) : `_utf8mb4 x'${bytes.toString('hex')}'`
}

/** Bytes of the key columns of the tuple at `offset`, as latin1 text. */
export function keyOfTuple({ schema, rowKey }: Shape, builder: BatchBuilder, offset: number): string[] {
  const values: string[] = []
  const buf = builder.arena
  let p = offset + 2
  for (let i = 0; i < schema.columns.length; i++) {
    if (buf[p] === 0x74) {
      const length = buf.readInt32BE(p + 1)
      values.push(rowKey.includes(i) ? buf.toString('latin1', p + 5, p + 5 + length) : '')
      p += 5 + length
    } else {
      values.push('')
      p += 1
    }
  }
  return rowKey.map((i) => values[i])
}

/** Writes one row packet as a tuple; returns its offset in the arena, −1 when it has not `width` values. */
export function rowToTuple(buf: Buffer, start: number, end: number, width: number, builder: BatchBuilder): number {
  builder.reserve(end - start + width * 5 + 2)
  const { arena } = builder
  const offset = builder.filled
  let q = offset
  arena[q++] = width >> 8
  arena[q++] = width & 0xff
  let p = start
  for (let i = 0; i < width; i++) {
    if (p >= end) return -1
    let length = buf[p++]
    if (length === 0xfb) {
      arena[q++] = 0x6e
      continue
    }
    if (length === 0xfc) {
      length = buf[p] | (buf[p + 1] << 8)
      p += 2
    } else if (length === 0xfd) {
      length = buf[p] | (buf[p + 1] << 8) | (buf[p + 2] << 16)
      p += 3
    } else if (length === 0xfe) {
      length = buf.readUInt32LE(p)
      p += 8
    }
    if (p + length > end) return -1
    arena[q++] = 0x74
    arena[q++] = length >>> 24
    arena[q++] = (length >>> 16) & 0xff
    arena[q++] = (length >>> 8) & 0xff
    arena[q++] = length & 0xff
    if (length < 24) for (let k = 0; k < length; k++) arena[q + k] = buf[p + k]
    else buf.copy(arena, q, p, p + length)
    q += length
    p += length
  }
  if (p !== end) return -1
  builder.filled = q
  builder.parsed = q
  return offset
}

/** Ordinals of the columns in whose order a table is read in chunks: the surrogate, else its key; empty: there is none. */
export function orderOf(t: SnapshotTable, surrogate: string | null): readonly number[] {
  const { columns, rowKey } = t.shape
  const order = surrogate === null ? rowKey : [columns.findIndex((c) => c.name === surrogate)]
  return order.every((i) => i >= 0 && columns[i].notNull && ORDERED.includes(columns[i].dataType)) ? order : []
}

/** Query of the next `limit` rows behind `task.after`, up to `task.max`, in the order of these columns. */
export function chunkSql(t: SnapshotTable, order: readonly number[], task: Task, limit: number): string {
  const { rowKey, schema } = t.shape
  const read = (i: number): boolean => schema.columns[i].omitted !== true || [...rowKey, ...schema.key, ...order].includes(i)
  const list = schema.columns.map((_, i) => (read(i) ? expression(t.shape.columns[i], t.exactFloats) : 'NULL')).join(', ')
  const key = order.map((i) => t.shape.columns[i])
  const conditions = task.filter === null ? [] : [`(${task.filter})`]
  if (task.after !== null) conditions.push(beyond(key, task.after))
  if (task.max !== null) conditions.push(`NOT (${beyond(key, task.max)})`)
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
  return `SELECT ${list} FROM ${quoteTable(t.table)}${where} ORDER BY ${key.map((c) => quoteIdent(c.name)).join(', ')} LIMIT ${limit}`
}

/** Values of the columns `order` of the last row there is. */
export function maximumSql(t: SnapshotTable, order: readonly number[], filter: string | null): string {
  const names = order.map((i) => quoteIdent(t.shape.columns[i].name))
  const where = filter === null ? '' : ` WHERE (${filter})`
  return `SELECT ${names.join(', ')} FROM ${quoteTable(t.table)}${where} ORDER BY ${names.map((n) => `${n} DESC`).join(', ')} LIMIT 1`
}
