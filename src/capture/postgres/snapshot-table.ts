import type { BatchBuilder } from '../batch-builder.ts'
import type { Task } from '../signal/progress.ts'
import type { CatalogTable } from './catalogue.ts'
import { quoteIdent, quoteLiteral, quoteTable } from './connect.ts'
import type { Shape } from './schema.ts'
import { i32 } from './wire/big-endian.ts'

/** One table to be read, with what the publication leaves out of it. */
export interface SnapshotTable {
  readonly name: string
  readonly table: CatalogTable
  readonly shape: Shape
  /** Whether it may be read in key order; otherwise in that of its pages, as Debezium reads. */
  readonly inOrder: boolean
  /** SQL of the publication's row filter; null: every row. */
  readonly filter: string | null
}

/** A table is read in key order, so that any row is a place to go on from, when its key is there and cannot be null. */
export function readsByKey(t: SnapshotTable): boolean {
  const key = t.shape.rowKey
  return t.inOrder && key.length > 0 && key.every((i) => t.shape.columns[i].notNull)
}

/**
 * COPY of a table, or of its next `limit` rows behind `after` in key order. Columns without a type mapping are read as NULL: they keep
 * their place in the tuple and cost nothing.
 */
export function copySql(t: SnapshotTable, after: readonly string[] | null, limit: number): string {
  const { columns } = t.shape.schema
  const { rowKey, schema } = t.shape
  const read = (i: number): boolean => columns[i].omitted !== true || rowKey.includes(i) || schema.key.includes(i)
  const list = columns.map((c, i) => (read(i) ? quoteIdent(c.name) : 'NULL')).join(', ')
  const conditions = t.filter === null ? [] : [`(${t.filter})`]
  const order = readsByKey(t) ? rowKey.map((i) => quoteIdent(columns[i].name)) : []
  if (after !== null) conditions.push(`(${order.join(', ')}) > (${after.map(quoteLiteral).join(', ')})`)
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
  const tail = order.length === 0 ? '' : ` ORDER BY ${order.join(', ')} LIMIT ${limit}`
  return `COPY (SELECT ${list} FROM ${fromOf(t)}${where}${tail}) TO STDOUT`
}

/** Whether the table has a row that the snapshot would read. */
export function existsSql(t: SnapshotTable): string {
  return `SELECT EXISTS (SELECT 1 FROM ${fromOf(t)}${t.filter === null ? '' : ` WHERE ${t.filter}`})`
}

function fromOf(t: SnapshotTable): string {
  // Children by inheritance are tables of their own; a partitioned root has its rows in the partitions.
  return t.table.kind === 'p' ? quoteTable(t.table) : `ONLY ${quoteTable(t.table)}`
}

/** Text of the columns of the row key of the tuple at `offset`. */
export function keyOf({ schema, rowKey }: Shape, builder: BatchBuilder, offset: number): string[] {
  const values: string[] = []
  const buf = builder.arena
  let p = offset + 2
  for (let i = 0; i < schema.columns.length; i++) {
    if (buf[p] === 0x74) {
      const length = i32(buf, p + 1)
      values.push(rowKey.includes(i) ? buf.toString('utf8', p + 5, p + 5 + length) : '')
      p += 5 + length
    } else {
      values.push('')
      p += 1
    }
  }
  return rowKey.map((i) => values[i])
}

/** Ordinals of the columns in whose order a table is read in chunks: the surrogate, else its key; empty: there is none that cannot be null. */
export function orderOf(shape: Shape, surrogate: string | null): readonly number[] {
  const order = surrogate === null ? shape.rowKey : [shape.columns.findIndex((c) => c.name === surrogate)]
  return order.every((i) => i >= 0 && shape.columns[i].notNull) ? order : []
}

/** COPY of the next `limit` rows behind `task.after`, up to `task.max`, in the order of these columns. */
export function chunkSql(t: SnapshotTable, order: readonly number[], task: Task, limit: number): string {
  const { rowKey, schema } = t.shape
  const read = (i: number): boolean => schema.columns[i].omitted !== true || [...rowKey, ...schema.key, ...order].includes(i)
  const list = schema.columns.map((c, i) => (read(i) ? quoteIdent(c.name) : 'NULL')).join(', ')
  const names = order.map((i) => quoteIdent(schema.columns[i].name)).join(', ')
  const conditions = conditionsOf(t, task.filter)
  if (task.after !== null) conditions.push(`(${names}) > (${task.after.map(quoteLiteral).join(', ')})`)
  if (task.max !== null) conditions.push(`(${names}) <= (${task.max.map(quoteLiteral).join(', ')})`)
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
  return `COPY (SELECT ${list} FROM ${fromOf(t)}${where} ORDER BY ${names} LIMIT ${limit}) TO STDOUT`
}

/** Values of the columns `order` of the last row there is. */
export function maximumSql(t: SnapshotTable, order: readonly number[], filter: string | null): string {
  const names = order.map((i) => quoteIdent(t.shape.schema.columns[i].name))
  const conditions = conditionsOf(t, filter)
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
  return `SELECT ${names.join(', ')} FROM ${fromOf(t)}${where} ORDER BY ${names.map((n) => `${n} DESC`).join(', ')} LIMIT 1`
}

function conditionsOf(t: SnapshotTable, filter: string | null): string[] {
  return [t.filter, filter].flatMap((f) => (f === null ? [] : [`(${f})`]))
}
