import type { Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { connectSpark, tailOf } from './spark-server.ts'

export type Row = Readonly<Record<string, unknown>>

/** A Spark session with Hudi: one request at a time, see test/services/spark_hudi.py. */
export interface Spark {
  read(
    path: string,
    options?: {
      readonly mode?: 'snapshot' | 'ro' | 'asof' | 'incremental' | 'cdc'
      /** Instant of mode asof; what a range begins after, and its end (default: now). */
      readonly at?: string
      readonly begin?: string
      readonly end?: string
      readonly meta?: boolean
    },
  ): Promise<Row[]>
  /** schema: columns of the rows as Spark's DDL; without it, those of the table. */
  upsert(path: string, rows: readonly Row[], options?: Readonly<Record<string, string>>, schema?: string): Promise<void>
  delete(path: string, rows: readonly Row[], options?: Readonly<Record<string, string>>): Promise<void>
  sql(query: string): Promise<Row[]>
  /** Settings of file systems and Java's system properties. They are those of the whole JVM, not of this session. */
  configure(hadoop: Readonly<Record<string, string>>, java?: Readonly<Record<string, string>>): Promise<void>
  close(): Promise<void>
}

/** A session of its own on the JVM of that Hudi version, which all files of a run share: settings made with `sql` concern it alone. */
export async function startSpark(version: '0.15' | '1.2'): Promise<Spark> {
  // Others use what else is in this file outside of tests.
  const { inject } = await import('vitest')
  const dir = inject('sparkServers')
  const socket = await connectSpark(dir, version)
  const lines = answers(socket, join(dir, version))
  await lines()
  // One request at a time: an answer belongs to the request before it.
  let last: Promise<unknown> = Promise.resolve()
  const ask = (request: object): Promise<unknown> => {
    const answer = last.then(() => {
      socket.write(`${JSON.stringify(request)}\n`)
      return lines()
    })
    last = answer.catch(() => undefined)
    return answer
  }
  return {
    read: async (path, options = {}) => (await ask({ cmd: 'read', path, ...options })) as Row[],
    upsert: async (path, rows, options = {}, schema) => void (await ask({ cmd: 'upsert', path, rows, options, schema })),
    delete: async (path, rows, options = {}) => void (await ask({ cmd: 'delete', path, rows, options })),
    sql: async (query) => (await ask({ cmd: 'sql', query })) as Row[],
    configure: async (hadoop, java = {}) => void (await ask({ cmd: 'configure', hadoop, java })),
    async close() {
      await last
      socket.end()
    },
  }
}

/** The next answer, or what went wrong: the session's own words, or the end of the server's log when it died. */
function answers(socket: Socket, work: string): () => Promise<unknown> {
  const input = createInterface({ input: socket })[Symbol.asyncIterator]()
  return async () => {
    const { value, done } = await input.next()
    if (done === true) throw new Error(`Spark ended: ${tailOf(work)}`)
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
