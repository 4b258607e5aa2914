import { DuckDBInstance } from '@duckdb/node-api'
import type { Value } from './values.ts'

/** Rows of a query as values.ts describes them. */
export async function duckdbRows(sql: string): Promise<Value[][]> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  try {
    await connection.run("set timezone='UTC'")
    const reader = await connection.runAndReadAll(sql)
    return reader.getRows().map((row) => row.map(fromDuckdb))
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

function fromDuckdb(v: unknown): Value {
  if (v === null || typeof v !== 'object') return v as Value
  if ('items' in v) return (v.items as unknown[]).map(fromDuckdb)
  if ('entries' in v && !Array.isArray(v.entries)) return Object.values(v.entries as object).map(fromDuckdb)
  if ('entries' in v)
    return (v.entries as { key: unknown; value: unknown }[]).map((e) => [e.key as string, fromDuckdb(e.value)] as [string, Value])
  if ('bytes' in v) return Buffer.from(v.bytes as Uint8Array)
  if ('scale' in v && 'value' in v) return v.value as bigint
  if ('micros' in v) return v.micros as bigint
  if ('days' in v) return v.days as number
  throw new Error(`unexpected DuckDB value ${JSON.stringify(v)}`)
}
