import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { DuckDBInstance } from '@duckdb/node-api'
import type { Client } from 'pg'
import type { KillColumn } from './workload.ts'

const READERS = fileURLToPath(new URL('../services/readers.sh', import.meta.url))
const runFile = promisify(execFile)

// The oracle shares no code with the product: it reads the timeline's JSON by itself and the data files with DuckDB.

/** Base files of a Hudi copy-on-write table as of an instant (null: the newest): the newest file of each file group among completed commits. */
export function baseFiles(table: string, asOf: string | null): string[] {
  const hoodie = join(table, '.hoodie')
  if (!existsSync(hoodie)) return []
  const commits = readdirSync(hoodie)
    .filter((f) => /^\d{17}\.(commit|replacecommit)$/.test(f))
    .sort()
  const files = new Map<string, string>()
  for (const name of commits) {
    if (asOf !== null && name.slice(0, 17) > asOf) continue
    const metadata = JSON.parse(readFileSync(join(hoodie, name), 'utf8')) as {
      partitionToWriteStats: Record<string, { fileId: string; path: string }[]>
      partitionToReplaceFileIds?: Record<string, string[]>
    }
    for (const ids of Object.values(metadata.partitionToReplaceFileIds ?? {})) for (const id of ids) files.delete(id)
    for (const stats of Object.values(metadata.partitionToWriteStats)) for (const s of stats) files.set(s.fileId, join(table, s.path))
  }
  return [...files.values()]
}

/**
 * Tables of any type as hudi-rs reads them: a Parquet file for each of `tables` (directory, instant or null for the newest). Merge-on-read
 * tables cannot be read by DuckDB.
 */
export async function exported(
  tables: readonly { readonly directory: string; readonly instant: string | null }[],
  into: string,
): Promise<string[]> {
  const jobs = tables.map(({ directory, instant }, i) => ({
    job: `${directory}${instant === null ? '' : `@${instant}`}=${join(into, `${i}.parquet`)}`,
    file: join(into, `${i}.parquet`),
  }))
  if (jobs.length > 0) await runFile('bash', [READERS, 'export', ...jobs.map((j) => j.job)], { maxBuffer: 1 << 26 })
  return jobs.map((j) => j.file)
}

/** Rows of the files as sorted texts, one per row. */
export async function lakeRows(files: readonly string[], columns: readonly KillColumn[]): Promise<string[]> {
  if (files.length === 0) return []
  const list = files.map((f) => `'${f.replaceAll("'", "''")}'`).join(', ')
  const texts = columns.map((c) => `coalesce(${c.duck}, '\\N')`).join(`, '|', `)
  return await duck(`SELECT concat(${texts}) FROM read_parquet([${list}], union_by_name = true)`)
}

export async function sourceRows(db: Client, table: string, columns: readonly KillColumn[]): Promise<string[]> {
  const texts = columns.map((c) => `coalesce(${c.pg}, '\\N')`).join(` || '|' || `)
  const result = await db.query<{ t: string }>(`SELECT ${texts} AS t FROM ${table}`)
  return result.rows.map((r) => r.t).sort()
}

/** A number that SQL over the files of several tables gives; `$name` stands for the files of a table. */
export async function lakeNumber(sql: string, tables: ReadonlyMap<string, readonly string[]>): Promise<number> {
  const filled = sql.replace(/\$(\w+)/g, (_m, name: string) => {
    const files = tables.get(name) ?? []
    return files.length === 0
      ? '(SELECT NULL::bigint AS balance, NULL::bigint AS amount WHERE false)'
      : `read_parquet([${files.map((f) => `'${f}'`).join(', ')}])`
  })
  return Number((await duck(filled))[0])
}

/** The newest watermark of the lake, read from its file. */
export function newestWatermark(
  lake: string,
): { commit: string; tables: { table: string; path: string; instant: string | null }[] } | null {
  const dir = join(lake, '.tributary', 'watermarks')
  if (!existsSync(dir)) return null
  const name = readdirSync(dir).sort()[0]
  return name === undefined ? null : JSON.parse(readFileSync(join(dir, name), 'utf8'))
}

/** First differences, for the report. */
export function difference(expected: readonly string[], found: readonly string[]): string[] {
  const left = new Map<string, number>()
  for (const r of expected) left.set(r, (left.get(r) ?? 0) + 1)
  for (const r of found) left.set(r, (left.get(r) ?? 0) - 1)
  const out: string[] = []
  for (const [row, n] of left) {
    if (n > 0) out.push(`missing in the lake${n > 1 ? ` ${n} times` : ''}: ${row.slice(0, 200)}`)
    if (n < 0) out.push(`only in the lake${n < -1 ? ` ${-n} times` : ''}: ${row.slice(0, 200)}`)
  }
  return out
}

async function duck(sql: string): Promise<string[]> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    await connection.run("SET TimeZone = 'UTC'")
    const reader = await connection.runAndReadAll(sql)
    return reader
      .getRows()
      .map((r) => String(r[0]))
      .sort()
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}
