import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { root } from '../tidy/tree.ts'

export type Row = Readonly<Record<string, unknown>>

/** A Spark session with Hudi in a process of its own: one request at a time, see test/services/spark_hudi.py. */
export interface Spark {
  read(
    path: string,
    options?: {
      readonly mode?: 'snapshot' | 'ro' | 'asof' | 'cdc'
      /** Instant of mode asof; what a range begins after. */
      readonly at?: string
      readonly begin?: string
      readonly meta?: boolean
    },
  ): Promise<Row[]>
  /** schema: columns of the rows as Spark's DDL; without it, those of the table. */
  upsert(path: string, rows: readonly Row[], options?: Readonly<Record<string, string>>, schema?: string): Promise<void>
  delete(path: string, rows: readonly Row[], options?: Readonly<Record<string, string>>): Promise<void>
  sql(query: string): Promise<Row[]>
  close(): Promise<void>
}

export async function startSpark(version: '0.15' | '1.2'): Promise<Spark> {
  const work = mkdtempSync(join(tmpdir(), 'tributary-spark-'))
  const child = spawn('bash', [join(root, 'test/services/spark.sh'), 'serve', version], { env: { ...process.env, HUDI_WORK: work } })
  const lines = answers(child, work)
  await lines()
  const ask = async (request: object): Promise<unknown> => {
    child.stdin.write(`${JSON.stringify(request)}\n`)
    return lines()
  }
  return {
    read: async (path, options = {}) => (await ask({ cmd: 'read', path, ...options })) as Row[],
    upsert: async (path, rows, options = {}, schema) => void (await ask({ cmd: 'upsert', path, rows, options, schema })),
    delete: async (path, rows, options = {}) => void (await ask({ cmd: 'delete', path, rows, options })),
    sql: async (query) => (await ask({ cmd: 'sql', query })) as Row[],
    async close() {
      const ended = new Promise((done) => child.once('close', done))
      child.stdin.end()
      await ended
      rmSync(work, { recursive: true, force: true })
    },
  }
}

/** The next answer, or what went wrong: the session's own words, or the end of its log when it died. */
function answers(child: ChildProcessWithoutNullStreams, work: string): () => Promise<unknown> {
  const input = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (t: string) => (stderr += t))
  return async () => {
    const { value, done } = await input.next()
    if (done === true) throw new Error(`Spark ended: ${stderr || readFileSync(join(work, 'spark.err'), 'utf8').slice(-3000)}`)
    const answer = parseExact(value) as { ok?: unknown; error?: string }
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer.ok
  }
}

/** JSON whose integers beyond 2^53 come out as strings of their digits. */
export function parseExact(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: { source?: string }) => {
    const digits = context?.source
    return typeof value === 'number' && !Number.isSafeInteger(value) && digits !== undefined && /^-?\d+$/.test(digits) ? digits : value
  })
}
