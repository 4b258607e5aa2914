import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { MysqlChunks } from '../../../src/capture/mysql/chunks.ts'
import { tableMatcher } from '../../../src/capture/select-tables.ts'
import type { SignalOptions } from '../../../src/capture/signal/signal-options.ts'
import { systemClock } from '../../../src/cli/clock.ts'
import type { Position } from '../../../src/contract/change.ts'
import { FLAVORS, freshDatabase, type TestDatabase } from '../../support/mysql.ts'
import { optionsFor, Reader, tablesAfter, tablesNow } from '../mysql/capture.ts'

const LIMIT = { timeout: 180_000 }

/** Transactions that overlap, in one order of keys, so that no two wait for each other for ever. */
async function workload(db: TestDatabase, seed: number, stop: () => boolean): Promise<number> {
  const client = await db.connect()
  let x = seed
  const random = (n: number): number => {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0
    return (x >>> 8) % n
  }
  let transactions = 0
  for (; !stop(); transactions++) {
    try {
      await client.query('BEGIN')
      for (let k = random(4); k >= 0; k--) {
        const a = 1 + random(150) + 150 * (3 - k)
        const what = random(5)
        if (what === 0) await client.query('DELETE FROM t WHERE a = ?', [a])
        else if (what === 1) await client.query("INSERT INTO t VALUES (?, 'n', ?) ON DUPLICATE KEY UPDATE v = VALUES(v)", [a, `new ${x}`])
        else if (what === 2)
          await client.query("UPDATE IGNORE t SET b = CONCAT(b, 'x'), v = ? WHERE a = ? AND LENGTH(b) < 5", [`moved ${x}`, a])
        else await client.query('UPDATE t SET v = ? WHERE a = ?', [`set ${x}`, a])
        // It stays open for a while, and leaves the machine to others.
        await sleep(2)
      }
      await client.query(random(6) === 0 ? 'ROLLBACK' : 'COMMIT')
    } catch (e) {
      // Gaps between keys are locked too: who loses begins anew.
      if ((e as { errno?: number }).errno !== 1213) throw e
    }
  }
  return transactions
}

const MODES: readonly (readonly [string, Partial<SignalOptions>])[] = [
  ['marks in the signal table', {}],
  ['no marks: read only', { readOnly: true }],
]

describe.each(FLAVORS)('%s: an incremental snapshot while others write', (flavor) => {
  it.each(MODES)('with %s ends at the state of the table, over restarts in its middle', LIMIT, async (_, mode) => {
    const db = await freshDatabase(flavor, 'inc')
    try {
      const table = { schema: db.name, table: 'sig' }
      const signals: SignalOptions = {
        table,
        hidden: true,
        chunkRows: 40,
        readOnly: false,
        strategy: 'insert_insert',
        exact: false,
        ...mode,
      }
      await db.sql(`CREATE TABLE sig (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048));
        CREATE TABLE t (a int, b varchar(20) COLLATE utf8mb4_bin, v varchar(40), PRIMARY KEY (a, b));`)
      const rows = Array.from({ length: 600 }, (__, i) => `(${i + 1}, 'k${(i + 1) % 7}', 'old ${i + 1}')`)
      await db.sql(`INSERT INTO t VALUES ${rows.join(', ')}`)
      const options = { tables: { kind: 'patterns', patterns: `${db.name}.t` }, signals } as const
      let over = false
      let workers: Promise<number>[] = []
      let position: Position | null = null
      const changes: Reader['changes'] = []
      const reads = (): number => changes.filter((c) => c.op === 'r').length
      for (let run = 0, done = false; !done; run++) {
        const reader = await Reader.open(optionsFor(db, options), position)
        try {
          if (run === 0) {
            await reader.pull()
            workers = [1, 2, 3].map((seed) => workload(db, seed * 7919, () => over))
            const data = JSON.stringify({ 'data-collections': [`${db.name}.t`] })
            await db.sql(`INSERT INTO sig VALUES ('s1', 'execute-snapshot', '${data}')`)
          }
          const before = reads()
          for (let seen = 0; ; ) {
            const batch = await reader.pull()
            if (batch === null) throw new Error('the stream ended')
            changes.push(...reader.changes.slice(seen))
            seen = reader.changes.length
            position = batch.upTo
            done = batch.boundary && reader.events.some((e) => e.kind === 'note' && e.text.includes('.t is done'))
            if (done || (run < 3 && batch.boundary && reads() > before)) break
          }
        } finally {
          await reader.close()
        }
      }
      over = true
      const transactions = (await Promise.all(workers)).reduce((a, b) => a + b)
      const reader = await Reader.open(optionsFor(db, options), position)
      changes.push(...(await reader.toHead()))
      await reader.close()
      const t = tablesAfter(changes).get('t')!
      const now = (await tablesNow(db, { tables: options.tables })).get('t')!
      expect([...t].sort()).toEqual([...now].sort())
      expect({ reads: reads() > 0, some: transactions > 0, hidden: changes.every((c) => c.table === 't') }).toEqual({
        reads: true,
        some: true,
        hidden: true,
      })
    } finally {
      await db.drop()
    }
  })
})

it('a chunk that writes nothing is refused where the server has no GTIDs: it cannot tell what a reader sees', LIMIT, async () => {
  const db = await freshDatabase('mysql', 'inc')
  const signals: SignalOptions = { table: null, hidden: true, chunkRows: 10, readOnly: true, strategy: 'insert_insert', exact: false }
  const options = optionsFor(db, { signals })
  const chunks = new MysqlChunks(options, tableMatcher(options.tables), { clock: systemClock, observe: () => undefined })
  try {
    await db.sql('CREATE TABLE t (a int PRIMARY KEY)')
    const task = { table: `${db.name}.t`, pattern: false, filter: null, surrogate: null, after: null, max: ['1'] }
    const read = chunks.read({ schema: db.name, table: 't' }, task, 'bin.000001:4', new AbortController().signal)
    await expect(read).rejects.toMatchObject({ code: 'TRB-SIG-004' })
  } finally {
    await chunks.close()
    await db.drop()
  }
})
