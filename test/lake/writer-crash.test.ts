import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parquetReadObjects } from 'hyparquet'
import { afterAll, expect, test } from 'vitest'
import type { LakeColumn } from '../../src/contract/columns.ts'
import type { TableSpec } from '../../src/contract/table.ts'
import { isFailure } from '../../src/failure/failure.ts'
import { LakeTableReader } from '../../src/lake/read/table-reader.ts'
import { openTableWriter } from '../../src/lake/write/open-table.ts'
import { type Fault, MemoryStore, SimulatedCrash } from '../../src/storage/memory/memory-store.ts'
import { fixedClock } from '../support/fixed-clock.ts'
import { checkpointOf } from './trivial-writer.ts'
import { changesOf, type TestChange } from './write/model.ts'

const scratchDir = mkdtempSync(join(tmpdir(), 'trib-crash-'))
afterAll(() => rmSync(scratchDir, { recursive: true, force: true }))

const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'long' } },
  { name: 'region', type: { kind: 'string' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
const SPEC: TableSpec = {
  ...{ name: 't', database: 'd', path: 't', columns: COLUMNS, key: ['id'], orderingField: '_event_lsn', buckets: 2 },
  ...{ partition: { column: 'region', truncate: 'none' }, tableType: 'COPY_ON_WRITE', tableVersion: 6 },
}
const change = (op: 'c' | 'u' | 'd', id: bigint, region: string, lsn: bigint): TestChange => ({ op, row: [id, region, lsn], gone: [] })
const FIRST = [change('c', 1n, 'eu', 1n), change('c', 2n, 'eu', 1n), change('c', 3n, 'us', 1n)]
/** An update in place, a delete, an insert in a new partition, and a row that moves to another one. */
const SECOND = [change('u', 1n, 'eu', 2n), change('d', 2n, 'eu', 2n), change('c', 4n, 'ap', 2n), change('u', 3n, 'eu', 2n)]
const BEFORE = ['1 eu 1', '2 eu 1', '3 us 1']
const AFTER = ['1 eu 2', '3 eu 2', '4 ap 2']

const clock = fixedClock()

async function commit(store: MemoryStore, changes: readonly TestChange[], tag: number): Promise<void> {
  const writer = await openTableWriter(store, SPEC, { clock, scratchDir })
  const staged = await writer.stage([changesOf(COLUMNS, changes, false)])
  expect(await writer.commit(staged, checkpointOf(tag))).toBe('committed')
}

/** What a reader sees, by the planner and by a Parquet reader that is not ours; row counts are those of the commits (I15). */
async function rows(store: MemoryStore): Promise<string[]> {
  const plan = await new LakeTableReader(store, 't', clock).plan({ kind: 'latest' })
  const out: string[] = []
  for (const f of plan.files) {
    const found = await parquetReadObjects({ file: new Uint8Array(await store.get(f.key)).buffer })
    expect(found.length).toBe(f.rows)
    out.push(...found.map((r) => `${r.id} ${r.region} ${r._event_lsn}`))
  }
  return out.sort()
}

const dataKeys = (store: MemoryStore): string[] => [...store.snapshot().keys()].filter((k) => !/\/\.hoodie\/\d/.test(k))

/** A store of its own with the same objects. */
async function copyOf(base: ReadonlyMap<string, Buffer>): Promise<MemoryStore> {
  const store = new MemoryStore(clock)
  for (const [key, body] of base) await store.putIfAbsent(key, body)
  return store
}

// A crash after a call is one before the next.
test.each<[Fault, number]>([
  ['crash-before', 30],
  ['fail-after', 30],
  ['lost', 5],
])(
  'I4, I8, I9, I15: %s at any store call of a copy-on-write commit: the old rows or the new, and nothing left behind',
  { timeout: 60_000 },
  async (fault, calls) => {
    const base = new MemoryStore(clock)
    await commit(base, FIRST, 1)
    const untouched = dataKeys(base)
    for (let n = 0; ; n++) {
      const first = await copyOf(base.snapshot())
      const process = first.reopen()
      let met = false
      let count = 0
      process.faults = (_call, name) => {
        if (fault === 'lost' && name !== 'putIfAbsent') return null
        met ||= count === n
        return count++ === n ? fault : null
      }
      await commit(process, SECOND, 2).catch((e: unknown) => {
        if (!(e instanceof SimulatedCrash) && !isFailure(e, 'TRB-STORE-004')) throw e
      })
      if (!met) {
        expect(n, 'calls of a commit').toBeGreaterThan(calls)
        return
      }
      const next = first.reopen()
      const seen = await rows(next)
      expect([BEFORE, AFTER], `${fault} at ${n}`).toContainEqual(seen)
      const writer = await openTableWriter(next, SPEC, { clock, scratchDir })
      expect((await writer.checkpoint())?.nextOffset).toBe(seen.join() === AFTER.join() ? 2 : 1)
      await writer.abandon(await writer.stage([]))
      expect(await rows(next), `${fault} at ${n}, after recovery`).toEqual(seen)
      if (seen.join() === BEFORE.join()) expect(dataKeys(next), `${fault} at ${n}`).toEqual(untouched)
      await commit(next, SECOND, 3)
      expect(await rows(next)).toEqual(AFTER)
    }
  },
)
