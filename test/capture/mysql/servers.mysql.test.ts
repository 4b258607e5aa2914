import mysql from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FLAVORS, freshDatabase, type TestDatabase } from '../../support/mysql.ts'
import { type DatabaseServer, startDatabase } from '../../support/mysql-process.ts'
import { optionsFor, Reader } from './capture.ts'

// Servers of their own: they are restarted, reset and replaced.
describe.each(FLAVORS)('servers of %s that come and go', (flavor) => {
  let first: DatabaseServer
  let second: DatabaseServer
  let db: TestDatabase
  beforeAll(async () => {
    ;[first, second] = await Promise.all([startDatabase(flavor, { serverId: 11 }), startDatabase(flavor, { serverId: 12 })])
    db = await freshDatabase(flavor, 'm1v', first.port)
    await db.sql('CREATE TABLE t (id INT PRIMARY KEY, v INT)')
    await db.sql("CREATE USER repl@'%' IDENTIFIED BY 'repl'; GRANT REPLICATION SLAVE ON *.* TO repl@'%'")
    await replicate(flavor, second, first)
  }, 120_000)
  afterAll(async () => {
    await Promise.all([first?.destroy(), second?.destroy()])
  }, 180_000)

  const ids = (reader: Reader): (string | null | undefined)[] => reader.changes.map((c) => c.after![0])

  test('goes on by GTID at another server, also in the middle of a transaction', async () => {
    const reader = await Reader.open(optionsFor(db, { batchBytes: 1 }))
    await reader.pull()
    await db.sql('INSERT INTO t VALUES (1, 1), (2, 1), (3, 1), (4, 1), (5, 1)')
    await db.sql('INSERT INTO t VALUES (6, 1)')
    await reader.until(6)
    await reader.close()
    const replica = { ...db, port: second.port }
    for (const mark of reader.marks) {
      const again = await Reader.open(optionsFor(replica), mark.at)
      await again.until(6 - mark.changes)
      await again.close()
      expect(ids(again)).toEqual(ids(reader).slice(mark.changes))
      const [before, after] = [reader.changes[mark.changes - 1], again.changes[0]]
      if (before !== undefined && after !== undefined) expect(after.place > before.place).toBe(true)
    }
  })

  if (flavor === 'mysql')
    test('GTIDs with tags', async () => {
      const reader = await Reader.open(optionsFor(db))
      await reader.pull()
      await db.sql("SET SESSION gtid_next = 'AUTOMATIC:red'; INSERT INTO t VALUES (101, 1); INSERT INTO t VALUES (102, 1)")
      await db.sql("SET SESSION gtid_next = 'AUTOMATIC'; INSERT INTO t VALUES (103, 1)")
      await reader.until(3)
      await reader.close()
      expect(reader.changes.map((c) => c.gtid?.slice(36))).toEqual([':red:1', ':red:2', expect.stringMatching(/^:\d+$/)])
      const again = await Reader.open(optionsFor(db), reader.at)
      await again.pull(1500)
      await db.sql('INSERT INTO t VALUES (104, 1)')
      await again.until(1)
      await again.close()
      expect(ids(again)).toEqual(['d001'])
    })

  test('a server that is killed and comes back, with the stream open', async () => {
    const reader = await Reader.open(optionsFor(db))
    await reader.pull()
    await db.sql('INSERT INTO t VALUES (11, 1)')
    await reader.until(1)
    await first.kill()
    const pulled = reader.pull(60_000)
    await first.start()
    const again = await freshDatabase(flavor, 'm1w', first.port)
    await again.sql(`INSERT INTO ${db.name}.t VALUES (12, 1)`)
    await pulled
    await reader.until(2)
    await reader.close()
    expect(ids(reader)).toEqual(['16', '18'])
    expect(reader.events.some((e) => e.kind === 'retry')).toBe(true)
    await again.drop()
  }, 120_000)

  test('purged binlogs, a reset server', async () => {
    const admin = await freshDatabase(flavor, 'm1x', first.port)
    const reader = await Reader.open(optionsFor({ ...db, port: first.port }))
    await reader.pull()
    const at = reader.at
    await reader.close()
    await admin.sql(`INSERT INTO ${db.name}.t VALUES (21, 1)`)
    await admin.sql('FLUSH BINARY LOGS')
    const file = (await admin.sql('SHOW BINARY LOGS')).at(-1)![0]!
    // MariaDB keeps what a reader that left was reading, until it notices.
    do await admin.sql(`PURGE BINARY LOGS TO '${file}'`)
    while ((await admin.sql('SHOW BINARY LOGS'))[0][0] !== file)
    await expect(Reader.open(optionsFor(db), at)).rejects.toMatchObject({ code: 'TRB-MY-007' })
    const anew = await Reader.open(optionsFor(db, { snapshot: 'when_needed' }), at)
    await anew.until(1)
    await anew.close()
    expect(anew.changes.every((c) => c.op === 'r')).toBe(true)
    await admin.sql(flavor === 'mysql' ? 'RESET BINARY LOGS AND GTIDS' : 'RESET MASTER')
    await expect(Reader.open(optionsFor(db), at)).rejects.toMatchObject({ code: 'TRB-MY-008' })
    await admin.drop()
  })
})

/** Makes one server follow the other from its beginning, and waits until it has come as far. */
async function replicate(flavor: 'mysql' | 'mariadb', replica: DatabaseServer, source: DatabaseServer): Promise<void> {
  const connection = await mysql.createConnection({ host: '127.0.0.1', port: replica.port, user: 'root', multipleStatements: true })
  await connection.query(
    flavor === 'mysql'
      ? `RESET BINARY LOGS AND GTIDS; CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=${source.port}, SOURCE_USER='repl',
         SOURCE_PASSWORD='repl', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1; START REPLICA`
      : `RESET MASTER; SET GLOBAL gtid_slave_pos=''; CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${source.port}, MASTER_USER='repl',
         MASTER_PASSWORD='repl', MASTER_USE_GTID=slave_pos; START SLAVE`,
  )
  await connection.end()
}
