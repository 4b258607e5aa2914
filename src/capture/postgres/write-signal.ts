import type { TableId } from '../../contract/change.ts'
import { Failure } from '../../failure/failure.ts'
import type { SignalRow } from '../signal/signal-row.ts'
import { connectSql, quoteLiteral, quoteTable, type SqlConnection } from './connect.ts'
import type { ConnectOptions } from './options.ts'

/** Fails with TRB-SIG-002 when there is no such table. */
export async function requireSignalTable(sql: SqlConnection, id: TableId): Promise<void> {
  const rows = await sql.query(`SELECT pg_catalog.to_regclass(${quoteLiteral(quoteTable(id))})`, 'looking for the signal table')
  if (rows[0][0] !== null) return
  const create = `CREATE TABLE ${quoteTable(id)} (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048));`
  throw new Failure('TRB-SIG-002', { table: `${id.schema}.${id.table}`, sql: create })
}

/** Writes a row of the signal table; answers the SQL that did. */
export async function writePostgresSignal(options: ConnectOptions, table: TableId, row: SignalRow): Promise<{ readonly sql: string }> {
  const connection = await connectSql(options, 'sql')
  try {
    await requireSignalTable(connection, table)
    const sql = `INSERT INTO ${quoteTable(table)} VALUES (${[row.id, row.type, row.data].map(quoteLiteral).join(', ')})`
    await connection.query(sql, 'writing a signal')
    return { sql }
  } finally {
    await connection.close()
  }
}
