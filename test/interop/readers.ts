import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../tidy/tree.ts'
import { parseExact, type Row } from './spark.ts'

const runFile = promisify(execFile)

/** File slices of tables, as hudi-rs finds them, or why it refuses one; paths inside the table. */
export async function slicesWithHudiRs(
  tables: readonly string[],
  flags: readonly string[] = [],
): Promise<readonly (readonly { readonly base: string | null; readonly logs: readonly string[] }[] | { readonly refused: string })[]> {
  const script = join(root, 'test/services/readers.sh')
  const { stdout } = await runFile('bash', [script, 'slices', ...tables, ...flags], { maxBuffer: 1 << 30, encoding: 'utf8' })
  return JSON.parse(stdout)
}

/** Rows as hudi-rs (a table) or pyarrow and DuckDB (Parquet files) read them; see test/services/readers.py. `env` says where S3 is. */
export async function readWith(
  reader: 'hudi-rs' | 'pyarrow' | 'duckdb',
  paths: readonly string[],
  flags: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Row[]> {
  const script = join(root, 'test/services/readers.sh')
  const options = { maxBuffer: 1 << 30, encoding: 'utf8', env: { ...process.env, ...env } } as const
  const { stdout } = await runFile('bash', [script, reader, ...paths, ...flags], options)
  return parseExact(stdout) as Row[]
}

/** Base files of the newest commit of a COW table whose file groups were each written at most once per commit: newest file per group. */
export function newestBaseFiles(table: string): string[] {
  const entries = readdirSync(table, { recursive: true, withFileTypes: true })
  return newestOfGroups(entries.map((e) => join(e.parentPath, e.name)))
}

/** The newest base file of each file group among the files of a table. */
export function newestOfGroups(paths: Iterable<string>): string[] {
  const newest = new Map<string, { readonly instant: string; readonly path: string }>()
  for (const path of paths) {
    const m = /^(.+)_([^_/]+)_(\d{17})\.parquet$/.exec(path)
    if (m === null || path.includes('.hoodie')) continue
    if ((newest.get(m[1])?.instant ?? '') < m[3]) newest.set(m[1], { instant: m[3], path })
  }
  return [...newest.values()].map((f) => f.path)
}
