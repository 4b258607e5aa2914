import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { SignalOptions } from '../../../src/capture/signal/signal-options.ts'
import type { ChangeBatch, Position } from '../../../src/contract/change.ts'
import { freshDatabase, type TestDatabase } from '../../support/postgres.ts'
import { type Capture, type Change, changesOf, Model, optionsFor, startCapture } from '../postgres/capture.ts'

const LIMIT = { timeout: 120_000 }
const SIG = { schema: 'public', table: 'sig' }

function signals(extra: Partial<SignalOptions> = {}): SignalOptions {
  return { table: SIG, hidden: true, chunkRows: 40, readOnly: false, strategy: 'insert_insert', exact: false, ...extra }
}

async function tables(db: TestDatabase): Promise<void> {
  await db.sql(`CREATE TABLE sig (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048));
    CREATE TABLE t (a int, b text, v text, PRIMARY KEY (a, b));
    INSERT INTO t SELECT g, 'k' || g % 7, 'old ' || g FROM generate_series(1, 600) g`)
}

function ask(db: TestDatabase, type: string, data: object): Promise<unknown> {
  return db.sql('INSERT INTO sig VALUES (gen_random_uuid()::text, $1, $2)', [type, JSON.stringify(data)])
}

/** What a table of upserts that are ordered by their place in the log would hold: a change with a lower place than the stored one loses. */
class ByPlace {
  readonly rows = new Map<string, { place: bigint; after: readonly unknown[] | null }>()

  apply(batch: ChangeBatch, changes: readonly Change[]): void {
    for (const [i, c] of changes.entries()) {
      if (c.table !== 'public.t') continue
      const place = (BigInt(batch.placeHi[i]) << 32n) | BigInt(batch.placeLo[i])
      const key = (cells: readonly unknown[]): string => JSON.stringify(c.key.map((k) => cells[k]))
      if (c.before !== null) this.#put(key(c.before), place, null)
      if (c.after !== null) this.#put(key(c.after), place, c.after)
    }
  }

  #put(key: string, place: bigint, after: readonly unknown[] | null): void {
    const stored = this.rows.get(key)
    if (stored === undefined || place >= stored.place) this.rows.set(key, { place, after })
  }

  sorted(): string[] {
    return [...this.rows.values()].flatMap((r) => (r.after === null ? [] : [JSON.stringify(r.after)])).sort()
  }
}

/** Transactions that overlap: each writes some rows, stays open for a while, writes more. */
async function workload(db: TestDatabase, seed: number, stop: () => boolean): Promise<number> {
  const client = await db.connect()
  let x = seed
  const random = (n: number): number => {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0
    return (x >>> 8) % n
  }
  let transactions = 0
  for (; !stop(); transactions++) {
    await client.query('BEGIN')
    for (let k = random(4); k >= 0; k--) {
      // In one order, so that no two wait for each other.
      const a = 1 + random(150) + 150 * (3 - k)
      const what = random(5)
      if (what === 0) await client.query('DELETE FROM t WHERE a = $1', [a])
      else if (what === 1)
        await client.query("INSERT INTO t VALUES ($1, 'n', $2) ON CONFLICT (a, b) DO UPDATE SET v = excluded.v", [a, `new ${x}`])
      else if (what === 2) await client.query("UPDATE t SET b = b || 'x', v = $2 WHERE a = $1 AND length(b) < 5", [a, `moved ${x}`])
      else await client.query('UPDATE t SET v = $2 WHERE a = $1', [a, `set ${x}`])
      // It stays open for a while, and leaves the machine to others.
      await sleep(2)
    }
    await client.query(random(6) === 0 ? 'ROLLBACK' : 'COMMIT')
  }
  return transactions
}

interface Seen {
  readonly model: Model
  readonly byPlace: ByPlace
  reads: number
  done: boolean
}

function follow(seen: Seen, batch: ChangeBatch): void {
  const changes = changesOf(batch)
  for (const c of changes) {
    if (c.op === 'r') {
      seen.reads++
      expect(c.mark).toBe(6)
    }
    seen.model.apply(c)
  }
  seen.byPlace.apply(batch, changes)
}

const isDone = (c: Capture): boolean => c.events.some((e) => e.kind === 'note' && e.text.includes('public.t is done'))

describe.each([
  ['marks in the signal table', signals()],
  ['marks that are deleted again', signals({ strategy: 'insert_delete' })],
  ['no marks: read only', signals({ readOnly: true })],
])('an incremental snapshot while others write, with %s', (_, options) => {
  it('ends at the state of the table, in stream order and by the place of the changes, over restarts in its middle', LIMIT, async () => {
    const db = await freshDatabase('inc')
    try {
      await tables(db)
      const seen: Seen = { model: new Model(), byPlace: new ByPlace(), reads: 0, done: false }
      let over = false
      let position: Position | null = null
      let workers: Promise<number>[] = []
      let restarts = 0
      for (let run = 0; !seen.done; run++) {
        const capture = await startCapture(optionsFor(db.url, { snapshot: 'never', signals: options }), position)
        try {
          if (run === 0) {
            await capture.until(() => true)
            for (const b of capture.batches) follow(seen, b)
            position = capture.position()
            workers = [1, 2, 3].map((seed) => workload(db, seed * 7919, () => over))
            await ask(db, 'execute-snapshot', { 'data-collections': ['public\\.t'] })
          }
          const before = seen.reads
          await capture.until((b) => {
            follow(seen, b)
            position = b.upTo
            seen.done = isDone(capture) && b.boundary
            // The first runs end with the first chunk that they hand on.
            return seen.done || (run < 3 && seen.reads > before && b.boundary)
          })
          if (!seen.done) restarts++
        } finally {
          await capture.close()
        }
      }
      over = true
      const transactions = (await Promise.all(workers)).reduce((a, b) => a + b)
      const capture = await startCapture(optionsFor(db.url, { snapshot: 'never', signals: options }), position)
      await capture.untilNow()
      for (const b of capture.batches) follow(seen, b)
      await capture.close()
      const rows = await db.sql<{ a: number; b: string; v: string }>('SELECT a::text, b, v FROM t')
      const now = rows.map((r) => JSON.stringify([r.a, r.b, r.v])).sort()
      expect(seen.model.rows('public.t')).toEqual(now)
      expect(seen.byPlace.sorted()).toEqual(now)
      expect({ restarted: restarts > 0, some: transactions > 0, read: seen.reads > 0 }).toEqual({ restarted: true, some: true, read: true })
      // The signal table is read and not handed on.
      expect(seen.model.tables.has('public.sig')).toBe(false)
    } finally {
      await db.drop()
    }
  })
})
