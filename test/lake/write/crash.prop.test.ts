import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { Checkpoint, TableSpec, TableWriter } from '../../../src/contract/table.ts'
import { isFailure } from '../../../src/failure/failure.ts'
import { LakeTableReader } from '../../../src/lake/read/table-reader.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { openTableWriter } from '../../../src/lake/write/open-table.ts'
import { type Fault, MemoryStore, SimulatedCrash } from '../../../src/storage/memory/memory-store.ts'
import { duckdbRows } from '../../format/parquet/duckdb-values.ts'
import { show, type Value } from '../../format/parquet/values.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { propertyRuns } from '../../support/property-runs.ts'
import { changesOf, Model, type TestChange } from './model.ts'
import { storedRows } from './stored-rows.ts'

const dir = mkdtempSync(join(tmpdir(), 'lake-crash-'))
afterAll(() => rmSync(dir, { recursive: true }))
const clock = fixedClock()
const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'int' } },
  { name: 'note', type: { kind: 'string' } },
  { name: 'large', type: { kind: 'string' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
const LAYOUT = { key: ['id'], orderingField: '_event_lsn' } as const
const PARTITIONS: readonly TableSpec['partition'][] = [null, { column: 'note', truncate: 'none' }]
type Kind = Pick<TableSpec, 'tableType' | 'tableVersion'>
const KINDS: readonly Kind[] = [
  { tableType: 'COPY_ON_WRITE', tableVersion: 6 },
  { tableType: 'COPY_ON_WRITE', tableVersion: 9 },
  { tableType: 'MERGE_ON_READ', tableVersion: 6 },
  { tableType: 'MERGE_ON_READ', tableVersion: 9 },
]

function open(
  store: MemoryStore,
  kind: Kind,
  partition: TableSpec['partition'],
  buckets: number,
  memoryBudget: number,
): Promise<TableWriter> {
  const spec: TableSpec = { name: 't', database: 'd', path: 't', columns: COLUMNS, buckets, partition, ...LAYOUT, ...kind }
  return openTableWriter(store, spec, { clock, scratchDir: join(dir, 'scratch'), memoryBudget, rowGroupBytes: 1500 })
}

async function contents(store: MemoryStore, kind: Kind): Promise<string[]> {
  if (kind.tableType === 'MERGE_ON_READ' || kind.tableVersion === 9)
    return (await storedRows(store, 't', COLUMNS)).map((r) => r.map(show).join(' ')).sort()
  const plan = await new LakeTableReader(store, 't', clock).plan({ kind: 'latest' })
  const files: string[] = []
  for (const f of plan.files) {
    if (f.rows === 0) continue
    const local = join(dir, `f${files.length}.parquet`)
    writeFileSync(local, await store.get(f.key))
    files.push(`'${local}'`)
  }
  if (files.length === 0) return []
  const rows = await duckdbRows(`select id, note, "large", _event_lsn from read_parquet([${files.join(', ')}], hive_partitioning = false)`)
  return rows.map((r) => r.map(show).join(' ')).sort()
}

/** Data files that neither a commit nor a rollback names: what a dead writer left. */
async function unnamed(store: MemoryStore): Promise<string[]> {
  const files = [...store.snapshot()]
  const commits = files.filter(([key]) => /[.]hoodie[/](timeline[/])?[0-9_]+[.](commit|deltacommit|rollback)$/.test(key))
  const text = commits.map(([, body]) => body.toString('latin1')).join('')
  const names = files.map(([key]) => key.slice(key.lastIndexOf('/') + 1))
  return names.filter((name) => /parquet|[.]log[.]/.test(name) && !text.includes(name) && !name.includes('marker'))
}

const anyChange = fc.record({
  op: fc.constantFrom('c', 'u', 'u', 'd', 'rarely-t'),
  id: fc.nat(30),
  note: fc.constantFrom('a', 'bb', 'ccc'),
  large: fc.constantFrom('', 'x'.repeat(40)),
  gone: fc.boolean(),
  dice: fc.nat(20),
})
const anyFault = fc.constantFrom<Fault>('crash-before', 'crash-after', 'fail-before', 'fail-after', 'lost')

const NAME =
  '$tableType of version $tableVersion: after a fault at any storage call, and a new process, the table holds each flush once, and nothing else'

it.each(KINDS)(
  NAME,
  async (kind) => {
    const flushes = fc.array(fc.array(anyChange, { minLength: 1, maxLength: 30 }), { minLength: 1, maxLength: 4 })
    const faults = fc.array(fc.record({ at: fc.nat(60), fault: anyFault }), { maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(
        flushes,
        faults,
        fc.boolean(),
        fc.constantFrom(...PARTITIONS),
        fc.constantFrom(1, 2),
        fc.constantFrom(1 << 26, 800),
        async (all, plan, cdc, partition, buckets, budget) => {
          let store = new MemoryStore(clock)
          await open(store, kind, partition, buckets, budget)
          if (cdc) await new TimelineStore(store, 't', clock).updateProperties((p) => void p.set('hoodie.table.cdc.enabled', 'true'))
          const model = new Model([0])
          const pending = [...plan]
          let lsn = 0n
          for (const [n, raw] of all.entries()) {
            const changes = raw.map((x): TestChange => {
              const op = x.op === 'rarely-t' ? (x.dice === 0 ? 't' : 'c') : (x.op as 'c' | 'u' | 'd')
              const gone = op === 'u' && x.gone
              return { op, row: [x.id, x.note, gone ? null : x.large, ++lsn] satisfies Value[], gone: gone ? [2] : [] }
            })
            const checkpoint: Checkpoint = { source: 's', commit: null, commitUs: null, topic: 't', nextOffset: n + 1 }
            for (let done = false; !done; ) {
              const next = pending.shift()
              store.faults = next === undefined ? () => null : (call) => (call === next.at ? next.fault : null)
              try {
                const writer = await open(store, kind, partition, buckets, budget)
                if ((await writer.checkpoint())?.nextOffset !== n + 1) {
                  const staged = await writer.stage(changes.map((c) => changesOf(COLUMNS, [c], false)))
                  expect(await writer.commit(staged, checkpoint)).toBe('committed')
                }
                done = true
              } catch (e) {
                if (!(e instanceof SimulatedCrash) && !isFailure(e, 'TRB-STORE-004')) throw e
              }
              store = store.reopen()
            }
            for (const c of changes) model.apply(c)
            expect(await contents(store, kind)).toEqual(model.rows())
          }
          const seen = await new LakeTableReader(store, 't', clock).plan({ kind: 'latest' }, 'snapshot')
          expect(seen.slices.length).toBeLessThanOrEqual(buckets * (partition === null ? 1 : 3))
          expect(await unnamed(store), 'files that no commit names').toEqual([])
        },
      ),
      { numRuns: propertyRuns(12) },
    )
  },
  240_000,
)
