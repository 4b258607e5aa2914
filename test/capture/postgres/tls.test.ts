import { expect, test } from 'vitest'
import { connectSql } from '../../../src/capture/postgres/connect.ts'
import type { ConnectOptions } from '../../../src/capture/postgres/options.ts'
import { StreamSession } from '../../../src/capture/postgres/stream.ts'
import { systemClock } from '../../../src/cli/clock.ts'
import { optionsFor } from './capture.ts'
import { fakeServer } from './fake-server.ts'
import * as m from './messages.ts'
import { TLS_CERTIFICATE } from './tls-identity.ts'

const ROWS = 10_000
const STREAM = [
  m.backend('W', Buffer.from([0, 0, 0])),
  m.xlog(1n, m.begin(100n, 1)),
  m.xlog(1n, m.relation(7, 'public', 't', ['id'])),
  ...Array.from({ length: ROWS }, (_, i) => m.xlog(2n, m.insert(7, [String(i)]))),
  m.xlog(3n, m.commit(100n, 140n)),
]

async function stream(tls: boolean, ssl: ConnectOptions['ssl']): Promise<{ rows: number; ms: number }> {
  const server = await fakeServer({ tls, stream: STREAM, sql: (s) => (s.includes('server_version_num') ? '170000' : null) })
  try {
    const connection = await connectSql({ ...optionsFor(`postgres://u@127.0.0.1:${server.port}/d`), ssl }, 'replication')
    const began = Date.now()
    const settings = { slot: 's', publication: 'p', messages: false, budgetBytes: 1 << 20, batchBytes: 1 << 20, statusMs: 1000 }
    const schema = { id: { schema: 'public', table: 't' }, version: 1, columns: [], key: [], identity: 'default' as const, rowEstimate: -1 }
    const deps = { clock: systemClock, resolve: async () => schema, failure: (e: unknown) => e as never }
    const session = new StreamSession(connection, { kind: 'stream', lsn: 0n, tail: 1, done: -1, catchUp: null }, settings, deps)
    let rows = 0
    while (rows < ROWS) rows += (await session.next())!.count
    const ms = Date.now() - began
    await session.close()
    return { rows, ms }
  } finally {
    await server.close()
  }
}

test('the stream runs over TLS, and rows that come as a record each are not waited for one by one', async () => {
  const { rows, ms } = await stream(true, { rejectUnauthorized: true, ca: TLS_CERTIFICATE })
  expect(rows).toBe(ROWS)
  // A wait per row would take ten seconds and more.
  expect(ms).toBeLessThan(8000)
})

test('the same bytes without TLS', async () => {
  expect((await stream(false, false)).rows).toBe(ROWS)
})

test('a certificate nobody vouches for: TRB-PG-004; taken when asked to', async () => {
  await expect(stream(true, { rejectUnauthorized: true })).rejects.toMatchObject({ code: 'TRB-PG-004' })
  expect((await stream(true, { rejectUnauthorized: false })).rows).toBe(ROWS)
})

test('a server that has no TLS: TRB-PG-004, never a fallback to plain text', async () => {
  const server = await fakeServer({ sql: () => '170000' })
  const options = { ...optionsFor(`postgres://u@127.0.0.1:${server.port}/d`), ssl: { rejectUnauthorized: false } }
  const refusing = connectSql(options, 'sql')
  await expect(refusing).rejects.toMatchObject({ code: 'TRB-PG-004' })
  await server.close()
})
