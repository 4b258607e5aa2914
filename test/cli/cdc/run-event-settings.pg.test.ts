import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../support/postgres.ts'
import { type Ended, envelope, runBin } from '../run-bin.ts'
import { runInProcess } from '../run-in-process.ts'

const root = mkdtempSync(join(tmpdir(), 'trib-events-'))
const databases: TestDatabase[] = []
afterEach(async () => {
  for (const d of databases.splice(0)) await d.drop()
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

let n = 0
interface Place {
  readonly db: TestDatabase
  run(settings: string): Promise<Ended>
  rows(sql: string): Promise<Readonly<Record<string, unknown>>[]>
}

async function place(setup: string): Promise<Place> {
  const db = await freshDatabase('d2')
  databases.push(db)
  const name = `events_${process.pid}_${n++}`
  const dir = mkdtempSync(join(root, `${name}-`))
  const options = { cwd: dir, env: { DATABASE_URL: db.url, TRIBUTARY_NAME: name } }
  await db.sql(setup)
  const file = join(dir, 'events.properties')
  return {
    db,
    run(settings) {
      writeFileSync(file, settings)
      return runBin('cdc', ['run', '--once', '--json', '--event-settings', file], options)
    },
    async rows(sql) {
      const ended = await runInProcess('lake', ['query', sql, '--json'], options)
      return envelope<{ rows: Readonly<Record<string, unknown>>[] }>(ended).result.rows
    },
  }
}

test('masks, column lists and keys of a settings file hold in the lake, in the snapshot and in the stream', async () => {
  const p = await place(`CREATE TABLE t (id int PRIMARY KEY, ssn text, secret text, code varchar(8) NOT NULL);
    INSERT INTO t VALUES (1, '123-45', 'x', 'a'), (2, NULL, 'y', 'b'), (3, '9', 'z', 'c')`)
  const settings = 'column.mask.with.3.chars=public.t.ssn\ncolumn.exclude.list=public.t.(secret|id)\nmessage.key.columns=public.t:code\n'
  const refused = await p.run(settings)
  // the old row of an update or delete would hold only the primary key
  expect([refused.code, envelope(refused).error]).toEqual([2, expect.objectContaining({ code: 'TRB-ENV-012' })])
  await p.db.sql('ALTER TABLE t REPLICA IDENTITY FULL')
  expect((await p.run(settings)).code).toBe(0)
  await p.db.sql(`UPDATE t SET ssn = 'new' WHERE id = 1; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (4, 'w', 'w', 'd');
    UPDATE t SET code = 'e' WHERE id = 3; UPDATE t SET secret = 'only this' WHERE id = 1`)
  expect((await p.run(`${settings}skip.messages.without.change=true\n`)).code).toBe(0)
  expect(await p.rows('SELECT code, ssn FROM t ORDER BY code')).toEqual([
    { code: 'a', ssn: '***' },
    { code: 'd', ssn: '***' },
    { code: 'e', ssn: '***' },
  ])
  expect(Object.keys((await p.rows('SELECT * FROM t'))[0]!).filter((c) => !c.startsWith('_'))).toEqual(['ssn', 'code'])
})
