import type { TableSchema } from '../../contract/change.ts'
import type { BatchBuilder } from '../batch-builder.ts'
import type { CatalogTable } from './catalogue.ts'
import { quoteIdent, quoteLiteral, quoteTable } from './connect.ts'
import type { Shape } from './schema.ts'
import { i32 } from './wire/big-endian.ts'

/** One table to be read, with what the publication leaves out of it. */
export interface SnapshotTable {
  readonly name: string
  readonly table: CatalogTable
  readonly shape: Shape
  /** SQL of the publication's row filter; null: every row. */
  readonly filter: string | null
}

/** A table is read in key order, so that any row is a place to go on from, when its key is there and cannot be null. */
export function readsByKey(t: SnapshotTable): boolean {
  const { key } = t.shape.schema
  return key.length > 0 && key.every((i) => t.shape.columns[i].notNull)
}

/**
 * COPY of a table, or of its next `limit` rows behind `after` in key order. Columns without a type mapping are read as NULL: they keep
 * their place in the tuple and cost nothing.
 */
export function copySql(t: SnapshotTable, after: readonly string[] | null, limit: number): string {
  const { columns } = t.shape.schema
  const list = columns.map((c) => (c.omitted === true ? 'NULL' : quoteIdent(c.name))).join(', ')
  const conditions = t.filter === null ? [] : [`(${t.filter})`]
  const order = readsByKey(t) ? t.shape.schema.key.map((i) => quoteIdent(columns[i].name)) : []
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

/** Text of the key columns of the tuple at `offset`. */
export function keyOf(schema: TableSchema, builder: BatchBuilder, offset: number): string[] {
  const values: string[] = []
  const buf = builder.arena
  let p = offset + 2
  for (let i = 0; i < schema.columns.length; i++) {
    if (buf[p] === 0x74) {
      const length = i32(buf, p + 1)
      values.push(schema.key.includes(i) ? buf.toString('utf8', p + 5, p + 5 + length) : '')
      p += 5 + length
    } else {
      values.push('')
      p += 1
    }
  }
  return schema.key.map((i) => values[i])
}
