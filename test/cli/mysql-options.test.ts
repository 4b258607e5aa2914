import { describe, expect, test } from 'vitest'
import { mysqlConnector } from '../../src/cli/cdc/mysql-config.ts'
import { resolveMysql } from '../../src/cli/mysql-options.ts'
import { isFailure } from '../../src/failure/failure.ts'

function code(work: () => unknown): string {
  try {
    work()
    return 'taken'
  } catch (e) {
    return isFailure(e) ? e.code : String(e)
  }
}

describe('how to reach MySQL and MariaDB', () => {
  test('the URL counts before the environment, and the environment before the defaults', () => {
    const env = { MYSQL_HOST: 'db', MYSQL_TCP_PORT: '3307', MYSQL_USER: 'u', MYSQL_PWD: 'p', MYSQL_DATABASE: 'shop' }
    expect(resolveMysql(null, env)).toEqual({ host: 'db', port: 3307, user: 'u', password: 'p', database: 'shop', ssl: false })
    const url = 'mysql://a%40b:s%2Fx@[::1]:3308/other?ssl-mode=required'
    expect(resolveMysql(url, env)).toEqual({
      ...{ host: '::1', port: 3308, user: 'a@b', password: 's/x', database: 'other' },
      ssl: { rejectUnauthorized: false },
    })
    expect(resolveMysql('mariadb://root@h', {})).toMatchObject({ host: 'h', port: 3306, user: 'root', password: null, database: null })
  })

  test('a socket of this machine is taken unless another host is named', () => {
    expect(resolveMysql(null, { MYSQL_UNIX_PORT: '/run/m.sock', MYSQL_USER: 'u' })).toMatchObject({ host: '/run/m.sock', ssl: false })
    expect(resolveMysql(null, { MYSQL_UNIX_PORT: '/run/m.sock', MYSQL_HOST: 'db', MYSQL_USER: 'u' })).toMatchObject({ host: 'db' })
  })

  test.each([
    'postgres://u@h/db',
    'mysql://u:p/x@h',
    'mysql://u@h:0',
    'mysql://u@h?ssl-mode=preferred',
    'mysql://u@h?ssl=1',
    'mysql://u@h1,h2',
    'mysql://u@h/%zz',
  ])('%s is refused without being quoted', (url) => {
    expect(code(() => resolveMysql(url, {}))).toBe('TRB-CLI-011')
    try {
      resolveMysql(url, {})
    } catch (e) {
      expect(String(e)).not.toContain(url)
    }
  })
})

describe('a Debezium configuration for MySQL', () => {
  const base = { 'connector.class': 'io.debezium.connector.mysql.MySqlConnector', 'include.schema.changes': 'false', 'topic.prefix': 'p' }
  const of = (more: Record<string, string>) => mysqlConnector(new Map(Object.entries({ ...base, ...more })), 'x.properties')

  test.each<[Record<string, string>, string]>([
    [{ 'signal.data.collection': 'ab' }, 'TRB-ENV-002'],
    [{ 'signal.enabled.channels': 'source,kafka' }, 'TRB-ENV-002'],
    [{ 'signal.kafka.topic': 's' }, 'TRB-ENV-007'],
    [{ 'column.exclude.list': 'a.(b' }, 'TRB-ENV-002'],
    [{ 'something.new': '1' }, 'TRB-ENV-007'],
    [{ 'other.type': 'X' }, 'TRB-ENV-007'],
    [{ 'include.schema.changes': 'true' }, 'TRB-ENV-002'],
    [{ 'heartbeat.interval.ms': 'often' }, 'TRB-ENV-002'],
    [{ 'read.only': 'yes' }, 'TRB-ENV-002'],
    [{ 'snapshot.mode': 'recovery' }, 'TRB-ENV-002'],
    [{ 'time.precision.mode': 'adaptive' }, 'TRB-ENV-002'],
    [{ 'message.key.columns': 'a.b' }, 'TRB-ENV-002'],
    [{ 'database.ssl.mode': 'preferred' }, 'TRB-CLI-011'],
  ])('%j is refused by name', (more, expected) => {
    expect(code(() => of(more))).toBe(expected)
  })

  test('without a word on schema changes it would mean a topic that does not come: refused', () => {
    const { 'include.schema.changes': _, ...rest } = base
    expect(code(() => mysqlConnector(new Map(Object.entries(rest)), 'x'))).toBe('TRB-ENV-002')
  })

  test('what it says is taken; the schema history and tuning are of no consequence', () => {
    const c = of({
      'database.hostname': 'h',
      'database.port': '3310',
      'database.server.id': '77',
      'database.include.list': 'shop,crm',
      'snapshot.mode': 'schema_only',
      'snapshot.locking.mode': 'none',
      'message.key.columns': 'shop\\.(a|b):x,y;crm.c:z',
      'include.query': 'true',
      'schema.history.internal.kafka.topic': 't',
      'max.batch.size': '10',
      'bigint.unsigned.handling.mode': 'precise',
    })
    expect(c.source).toMatchObject({
      host: 'h',
      port: 3310,
      serverId: 77,
      flavor: 'mysql',
      snapshot: 'never',
      locking: 'tables',
      includeQuery: true,
    })
    expect(c.source.types).toMatchObject({ bigintUnsigned: 'precise', quirks: true })
    expect(['shop.a', 'crm.c', 'crm.d'].map((t) => c.source.columns!.messageKey!(t))).toEqual([['x', 'y'], ['z'], []])
  })
})
