import { describe, expect, test } from 'vitest'
import { openMysqlSource } from '../../../src/capture/mysql/adapter.ts'
import { describeTable } from '../../../src/capture/mysql/catalogue.ts'
import { connectMysql } from '../../../src/capture/mysql/connect.ts'
import { lockedTransaction, serverPoint } from '../../../src/capture/mysql/open-snapshot.ts'
import type { MysqlOptions } from '../../../src/capture/mysql/options.ts'
import { printPoint, streamAt } from '../../../src/capture/mysql/position.ts'
import { SnapshotRun } from '../../../src/capture/mysql/snapshot.ts'
import { TableShapes } from '../../../src/capture/mysql/table-shapes.ts'
import { charsetEncoder } from '../../../src/capture/mysql/types/charset.ts'
import { LAKE_MYSQL_TYPES } from '../../../src/capture/mysql/types/options.ts'
import { SqlError, type TextRows } from '../../../src/capture/mysql/wire/text-rows.ts'
import { tableMatcher } from '../../../src/capture/select-tables.ts'
import { systemClock } from '../../../src/cli/clock.ts'
import type { Finding } from '../../../src/contract/change.ts'
import { isFailure } from '../../../src/failure/failure.ts'
import { FLAVORS, type Flavor, serverOptions, useDatabase } from '../../support/mysql.ts'

const live = new AbortController().signal

function options(flavor: Flavor, tables: string, over: Partial<MysqlOptions> = {}): MysqlOptions {
  return {
    ...serverOptions(flavor),
    flavor,
    serverId: 4_100_000_000 + (process.pid % 1000),
    tables: { kind: 'patterns', patterns: tables },
    snapshot: 'initial',
    locking: 'minimal',
    types: LAKE_MYSQL_TYPES,
    unsupported: 'refuse',
    includeQuery: false,
    ...over,
  }
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'nothing was refused'
  } catch (e) {
    return isFailure(e) ? e.code : String(e)
  }
}

/** Reads the first batch. */
async function start(o: MysqlOptions): Promise<unknown> {
  const source = openMysqlSource(o, { clock: systemClock, observe: () => undefined })
  try {
    const stream = await source.open(null, live)
    return await stream.batches[Symbol.asyncIterator]().next()
  } finally {
    await source.close()
  }
}

async function check(o: MysqlOptions): Promise<readonly Finding[]> {
  const source = openMysqlSource(o, { clock: systemClock, observe: () => undefined })
  return await source.check(live)
}

describe.each(FLAVORS)('what %s cannot give is refused before anything is read', (flavor) => {
  const database = useDatabase(flavor, 'm')
  const all = (): string => `${database().name}.*`

  test('no table of the selection', async () => {
    expect(await codeOf(start(options(flavor, 'no_such_database.*')))).toBe('TRB-MY-053')
  })

  test('the other server', async () => {
    await database().sql('CREATE TABLE IF NOT EXISTS one (id int PRIMARY KEY)')
    const other = flavor === 'mysql' ? 'mariadb' : 'mysql'
    expect(await codeOf(start(options(flavor, all(), { flavor: other })))).toBe('TRB-MY-052')
    const found = await check(options(flavor, all(), { flavor: other }))
    expect(found.find((f) => f.id === 'server')).toMatchObject({ level: 'failed', fix: `Say --source ${flavor}.` })
  })

  test('a table whose engine has no transactions', async () => {
    await database().sql('CREATE TABLE old (id int PRIMARY KEY) ENGINE=MyISAM')
    expect(await codeOf(start(options(flavor, `${database().name}.old`)))).toBe('TRB-MY-059')
    await database().sql('DROP TABLE old')
  })

  test('a user who may neither lock all tables nor the captured ones', async () => {
    await database().sql(`CREATE TABLE IF NOT EXISTS one (id int PRIMARY KEY); DROP USER IF EXISTS m_reader; CREATE USER m_reader IDENTIFIED BY 'm';
      GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO m_reader`)
    const poor = { user: 'm_reader', password: 'm', locking: 'tables' as const }
    expect(await codeOf(start(options(flavor, all(), poor)))).toBe('TRB-MY-057')
    const findings = await check(options(flavor, all(), { ...poor, locking: 'minimal' }))
    expect(findings.filter((f) => f.level === 'failed')).toEqual([])
    await database().sql('DROP USER m_reader')
  })

  test('the doctor finds a healthy server healthy, and names what is missing with its SQL', async () => {
    await database().sql('CREATE TABLE IF NOT EXISTS one (id int PRIMARY KEY); CREATE TABLE bag (x int)')
    const healthy = await check(options(flavor, all()))
    expect(healthy.filter((f) => f.level === 'failed')).toEqual([])
    expect(healthy.find((f) => f.id === 'keys')?.what).toContain(`${database().name}.bag`)
    await database().sql("DROP USER IF EXISTS m_poor; CREATE USER m_poor IDENTIFIED BY 'm'; GRANT SELECT ON *.* TO m_poor")
    const poor = await check(options(flavor, all(), { user: 'm_poor', password: 'm' }))
    const fixes = poor.filter((f) => f.id === 'privileges').map((f) => f.fix ?? '')
    expect(fixes.join('\n')).toMatch(/GRANT REPLICATION SLAVE ON \*\.\* TO .*m_poor/)
    await database().sql('DROP USER m_poor; DROP TABLE bag')
    const [[own]] = await database().sql('SELECT @@GLOBAL.server_id')
    const clash = await check(options(flavor, all(), { serverId: Number(own) }))
    expect(clash.find((f) => f.id === 'server-id')).toMatchObject({ level: 'failed' })
  })

  test('the doctor tells whether the server has what follows the position of the run', async () => {
    await database().sql('CREATE TABLE IF NOT EXISTS one (id int PRIMARY KEY)')
    const source = openMysqlSource(options(flavor, all()), { clock: systemClock, observe: () => undefined })
    const sql = await connectMysql(serverOptions(flavor))
    const now = printPoint(await serverPoint(sql)).replace(/\/.*/, '')
    await sql.close()
    const position = async (from: string): Promise<Finding | undefined> => (await source.check(live, from)).find((f) => f.id === 'position')
    expect(await position(now)).toMatchObject({ level: expect.stringMatching(/ok|warning/), what: expect.stringContaining(now) })
    expect((await position(now))?.what).toMatch(flavor === 'mysql' ? /still written, and stays \d+\.\d days at least/ : /does not expire/)
    await database().sql('FLUSH BINARY LOGS')
    expect((await position(now))?.what).toMatch(flavor === 'mysql' ? /it may be purged in \d+\.\d days/ : /does not expire/)
    expect(await position('gone.000001:4')).toMatchObject({ level: 'failed', what: expect.stringContaining('gone.000001') })
    const foreign = flavor === 'mysql' ? 'e216972d-e559-11f1-bd40-02fc0000ffff:1-7' : '77-9-123456789'
    expect(await position(`${now}/${foreign}`)).toMatchObject({ level: 'failed' })
  })

  test('a column of a type without a mapping, unless it may be left out', async () => {
    await database().sql('CREATE TABLE IF NOT EXISTS one (id int PRIMARY KEY)')
    const sql = await connectMysql(serverOptions(flavor))
    try {
      const table = (await describeTable(sql, { schema: database().name, table: 'one' }, flavor))!
      const strange = {
        ...table,
        columns: [...table.columns, { ...table.columns[0]!, name: 'x', dataType: 'hologram', columnType: 'hologram(3)' }],
      }
      const matcher = tableMatcher({ kind: 'patterns', patterns: all() })
      const refusing = new TableShapes(options(flavor, all()), matcher, () => undefined)
      expect(await codeOf(refusing.fromCatalog(strange, sql))).toBe('TRB-MY-051')
      const warnings: string[] = []
      const omitting = new TableShapes(options(flavor, all(), { unsupported: 'omit' }), matcher, (e) => {
        if (e.kind === 'warning') warnings.push(e.text)
      })
      const { schema } = await omitting.fromCatalog(strange, sql)
      expect(schema.columns.map((c) => c.omitted === true)).toEqual([false, true])
      expect(warnings.join()).toContain('hologram(3)')
    } finally {
      await sql.close()
    }
  })

  test('a table that is changed while its rows are read', async () => {
    await database().sql('CREATE TABLE IF NOT EXISTS one (id int PRIMARY KEY)')
    const sql = await connectMysql(serverOptions(flavor))
    try {
      const table = (await describeTable(sql, { schema: database().name, table: 'one' }, flavor))!
      const matcher = tableMatcher({ kind: 'patterns', patterns: all() })
      const shape = await new TableShapes(options(flavor, all()), matcher, () => undefined).fromCatalog(table, sql)
      const rows = { start: () => undefined, read: () => Promise.reject(new SqlError(1412, 'HY000', 'Table definition has changed')) }
      const at = { file: 'bin.000001', pos: 4, gtids: null }
      const run = new SnapshotRun(
        rows as unknown as TextRows,
        [{ name: 'm.one', table, shape, exactFloats: true }],
        0,
        { at, clockUs: 0n, server: null },
        null,
        { batchBytes: 1 << 20, chunkRows: 100 },
        systemClock,
        () => undefined,
      )
      expect(await codeOf(run.batches().next())).toBe('TRB-MY-056')
      expect(streamAt(at).pos).toBe(4)
    } finally {
      await sql.close()
    }
  })
})

test('a snapshot of MySQL without a lock has no exact position', async () => {
  const o = options('mysql', 'x.*', { locking: 'none' })
  expect(await codeOf(lockedTransaction(o, [], { observe: () => undefined }, live))).toBe('TRB-MY-058')
})

test('a character set that nobody can decode', () => {
  expect(() => charsetEncoder('hieroglyphs', new Map())).toThrow(/TRB-MY-050/)
})
