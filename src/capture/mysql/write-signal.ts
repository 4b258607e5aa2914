import type { TableId } from '../../contract/change.ts'
import { Failure } from '../../failure/failure.ts'
import type { SignalRow } from '../signal/signal-row.ts'
import { describeTable, quoteTable } from './catalogue.ts'
import { connectMysql, quoteLiteral, type SqlConnection } from './connect.ts'
import type { ConnectOptions, Flavor } from './options.ts'

/** Fails with TRB-SIG-002 when there is no such table. */
export async function requireSignalTable(sql: SqlConnection, id: TableId, flavor: Flavor): Promise<void> {
  if ((await describeTable(sql, id, flavor)) !== null) return
  const create = `CREATE TABLE ${quoteTable(id)} (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048));`
  throw new Failure('TRB-SIG-002', { table: `${id.schema}.${id.table}`, sql: create })
}

/** Writes a row of the signal table; answers the SQL that did. */
export async function writeMysqlSignal(
  options: ConnectOptions & { readonly flavor: Flavor },
  table: TableId,
  row: SignalRow,
): Promise<{ readonly sql: string }> {
  const connection = await connectMysql(options)
  try {
    await requireSignalTable(connection, table, options.flavor)
    const sql = `INSERT INTO ${quoteTable(table)} VALUES (${[row.id, row.type, row.data].map(quoteLiteral).join(', ')})`
    await connection.query(sql, 'writing a signal')
    return { sql }
  } finally {
    await connection.close()
  }
}
