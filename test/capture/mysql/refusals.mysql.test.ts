import { type EventEmitter, once } from 'node:events'
import mysql from 'mysql2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectMysql } from '../../../src/capture/mysql/connect.ts'
import { isFailure } from '../../../src/failure/failure.ts'
import { FLAVORS, freshDatabase, serverOptions, type TestDatabase } from '../../support/mysql.ts'
import { optionsFor, Reader } from './capture.ts'

/** The code of the failure that `work` ends with, and its texts. */
async function refusal(work: Promise<unknown>): Promise<{ code: string; text: string; fix: string }> {
  try {
    await work
  } catch (e) {
    if (!isFailure(e)) throw e
    const { what, why, fix } = e.explain()
    return { code: e.code, text: `${what}. ${why}`, fix }
  }
  return { code: 'none', text: '', fix: '' }
}

describe.each(FLAVORS)('refusals of %s', (flavor) => {
  let db: TestDatabase
  beforeAll(async () => {
    db = await freshDatabase(flavor, 'm1r')
    await db.sql('CREATE TABLE t (id INT PRIMARY KEY, j JSON, v VARCHAR(20))')
    await db.sql("INSERT INTO t VALUES (0, '{}', 'x')")
  })
  afterAll(async () => {
    await db.drop()
  })

  /** What a stream says that meets what `statements` wrote. */
  async function met(statements: string): Promise<{ code: string; text: string; fix: string }> {
    const reader = await Reader.open(optionsFor(db))
    try {
      await reader.pull()
      const session = await db.connect()
      await session.query(statements)
      return await refusal(reader.toHead())
    } finally {
      await reader.close()
    }
  }

  test('nobody listens, wrong password, no such user, the other server', async () => {
    const server = serverOptions(flavor)
    expect((await refusal(connectMysql({ ...server, port: 1 }))).code).toBe('TRB-MY-001')
    expect((await refusal(connectMysql({ ...server, password: 'wrong' }))).code).toBe('TRB-MY-002')
    expect((await refusal(connectMysql({ ...server, ssl: { rejectUnauthorized: true } }))).code).toBe('TRB-MY-003')
    const other = flavor === 'mysql' ? 'mariadb' : 'mysql'
    const { code, fix } = await refusal(Reader.open(optionsFor(db, { flavor: other })))
    expect([code, fix.includes(`--source ${flavor}`)]).toEqual(['TRB-MY-052', true])
  })

  test('a user that may not read the binlog', async () => {
    await db.sql(`CREATE USER IF NOT EXISTS ${db.name.slice(-20)}@'%' IDENTIFIED BY 'secret'`)
    await db.sql(`GRANT SELECT ON ${db.name}.* TO ${db.name.slice(-20)}@'%'`)
    const options = optionsFor(db, { user: db.name.slice(-20), password: 'secret' })
    const { code, fix } = await refusal(Reader.open(options).then((r) => r.pull().finally(() => r.close())))
    await db.sql(`DROP USER ${db.name.slice(-20)}@'%'`)
    expect([code, fix.includes('GRANT')]).toEqual(['TRB-MY-004', true])
  })

  test.each([
    ['binlog_row_image', "'MINIMAL'", "'FULL'"],
    ['binlog_row_metadata', "'MINIMAL'", "'FULL'"],
    ['binlog_format', "'STATEMENT'", "'ROW'"],
  ])('%s = %s at the server: refused before anything is read, with the SQL', async (variable, bad, good) => {
    await db.sql(`SET GLOBAL ${variable} = ${bad}`)
    const { code, fix } = await refusal(Reader.open(optionsFor(db)))
    await db.sql(`SET GLOBAL ${variable} = ${good}`)
    expect(code).toBe('TRB-MY-006')
    expect(fix).toContain(`SET GLOBAL ${variable} = ${good}`)
  })

  test('a session that writes half rows', async () => {
    const { code, text } = await met("SET SESSION binlog_row_image = 'MINIMAL'; UPDATE t SET v = 'y' WHERE id = 0")
    expect([code, text.includes(`${db.name}.t`)]).toEqual(['TRB-MY-015', true])
  })

  test('a session that writes statements', async () => {
    const { code, text } = await met("SET SESSION binlog_format = 'STATEMENT'; UPDATE t SET v = CONCAT(v, '!') WHERE id = 0")
    expect([code, text.includes('UPDATE t SET')]).toEqual(['TRB-MY-017', true])
  })

  if (flavor === 'mysql')
    test('a session that writes parts of JSON values', async () => {
      const { code } = await met(
        `INSERT INTO t VALUES (5, '{"a": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "b": 1}', ''); SET SESSION binlog_row_value_options = 'PARTIAL_JSON';
       UPDATE t SET j = JSON_SET(j, '$.b', 2) WHERE id = 5`,
      )
      expect(code).toBe('TRB-MY-016')
    })

  test('what is not of captured tables does not matter', async () => {
    await db.sql('CREATE TABLE other (id INT PRIMARY KEY, v INT)')
    const reader = await Reader.open(optionsFor(db, { tables: { kind: 'patterns', patterns: `${db.name}.t` } }))
    await reader.pull()
    const session = await db.connect()
    await session.query("INSERT INTO other VALUES (1, 1); SET SESSION binlog_row_image = 'MINIMAL'; UPDATE other SET v = 2 WHERE id = 1")
    await session.query(
      "SET SESSION binlog_row_image = 'FULL'; SET SESSION binlog_format = 'STATEMENT'; UPDATE other SET v = 3 WHERE id = 1",
    )
    await db.sql("INSERT INTO t VALUES (100, NULL, '')")
    await reader.toHead()
    await reader.close()
    expect(reader.changes.map((c) => [c.table, c.op])).toEqual([['t', 'c']])
    expect(reader.events.some((e) => e.kind === 'warning' && e.text.includes('.other, which is not captured'))).toBe(true)
  })

  test('positions that are not of this server', async () => {
    const reader = await Reader.open(optionsFor(db))
    await reader.pull()
    const at = reader.at
    await reader.close()
    const opened = (from: string): Promise<{ code: string; text: string }> =>
      refusal(Reader.open(optionsFor(db), from).then((r) => r.close()))
    expect((await opened('what is this')).code).toBe('TRB-MY-022')
    expect((await opened('bin.999999:4')).code).toBe('TRB-MY-009')
    expect((await opened('bin.000000:4')).code).toBe('TRB-MY-007')
    expect((await opened(`${at.split(':')[0]}:999999999`)).code).toBe('TRB-MY-009')
    const unknown = flavor === 'mysql' ? '00000000-0000-0000-0000-00000000000a:1-5' : '7-7-7'
    const { code, text } = await opened(`bin.000001:4/${unknown}`)
    expect([code, text.includes(unknown)]).toEqual(['TRB-MY-008', true])
  })

  test('two readers with one server id', async () => {
    const serverId = optionsFor(db).serverId
    const first = await Reader.open(optionsFor(db, { serverId }))
    await first.pull()
    await first.pull(200)
    const second = await Reader.open(optionsFor(db, { serverId }))
    await second.pull()
    await second.pull(200)
    await db.sql("INSERT INTO t VALUES (200, NULL, '')")
    const { code, fix } = await refusal(first.until(1))
    expect((await second.until(1)).length).toBe(1)
    await first.close()
    await second.close()
    expect([code, fix.includes('--server-id')]).toEqual(['TRB-MY-010', true])
  })
})

test.each([
  ['mysql', 'caching_sha2_password', "IDENTIFIED WITH caching_sha2_password BY 'sécret'"],
  ['mariadb', 'ed25519', "IDENTIFIED VIA ed25519 USING PASSWORD('sécret')"],
  ['mariadb', 'mysql_native_password', "IDENTIFIED VIA mysql_native_password USING PASSWORD('sécret')"],
] as const)('%s: login by %s, without TLS too', async (flavor, method, clause) => {
  const db = await freshDatabase(flavor, 'm1a')
  const user = `u${db.name.slice(-12)}`
  if (method === 'ed25519') await db.sql("INSTALL SONAME 'auth_ed25519'").catch(() => undefined)
  await db.sql(`CREATE USER ${user}@'%' ${clause}`)
  const server = { ...serverOptions(flavor), user }
  const connection = await connectMysql({ ...server, password: 'sécret' })
  expect((await connection.query('SELECT CURRENT_USER()', 'asking'))[0][0]).toBe(`${user}@%`)
  await connection.close()
  expect((await refusal(connectMysql({ ...server, password: 'wrong' }))).code).toBe('TRB-MY-002')
  await db.sql(`DROP USER ${user}@'%'`)
  await db.drop()
})

test('a server that is too old', async () => {
  const { port, close } = await serverOfVersion('5.7.44')
  const { code } = await refusal(connectMysql({ host: '127.0.0.1', port, user: 'u', password: null, ssl: false }))
  close()
  expect(code).toBe('TRB-MY-023')
})

/** Something that lets everybody in and answers every query with its version. */
async function serverOfVersion(version: string): Promise<{ port: number; close(): void }> {
  // The types of the driver leave its server out.
  const server = (mysql.createServer as unknown as () => FakeServer)()
  server.on('connection', (c) => {
    c.serverHandshake({
      protocolVersion: 10,
      serverVersion: version,
      connectionId: 1,
      statusFlags: 2,
      characterSet: 8,
      capabilityFlags: 0xffffff & ~0x820,
    })
    c.on('query', () => c.writeTextResult([[version]], [COLUMN]))
    c.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server._server, 'listening')
  return { port: server._server.address().port, close: () => server.close(() => undefined) }
}

const COLUMN = {
  ...{ catalog: 'def', schema: '', table: '', orgTable: '', name: 'v', orgName: 'v' },
  ...{ characterSet: 33, columnLength: 20, columnType: 253, flags: 0, decimals: 0 },
}

interface FakeServer {
  readonly _server: EventEmitter & { address(): { port: number } }
  on(event: 'connection', work: (c: FakeConnection) => void): void
  listen(port: number, host: string): void
  close(done: () => void): void
}

interface FakeConnection {
  serverHandshake(options: object): void
  on(event: 'query' | 'error', work: () => void): void
  writeTextResult(rows: readonly (readonly string[])[], columns: readonly object[]): void
}
