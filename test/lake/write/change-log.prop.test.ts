import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import avsc from 'avsc'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { TableSpec, TableWriter } from '../../../src/contract/table.ts'
import { LogReader } from '../../../src/format/hudi-log/reader.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { type CdcMode, cdcModeOf } from '../../../src/lake/write/change-log.ts'
import { openTableWriter } from '../../../src/lake/write/open-table.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { show, type Value } from '../../format/parquet/values.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { propertyRuns } from '../../support/property-runs.ts'
import { checkpointOf } from '../trivial-writer.ts'
import { changesOf, Model, type TestChange } from './model.ts'

const dir = mkdtempSync(join(tmpdir(), 'lake-cdc-'))
afterAll(() => rmSync(dir, { recursive: true }))
const clock = fixedClock()
const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'int' } },
  { name: 'note', type: { kind: 'string' } },
  { name: 'amount', type: { kind: 'decimal', precision: 12, scale: 2 } },
  { name: 'tags', type: { kind: 'list', element: { kind: 'string' } } },
  { name: 'more', type: { kind: 'map', value: { kind: 'double' } } },
  { name: '_event_lsn', type: { kind: 'long' } },
]

async function open(store: MemoryStore, tableType: TableSpec['tableType'], mode: CdcMode, memoryBudget: number): Promise<TableWriter> {
  const where = { name: 't', database: 'd', path: 't', columns: COLUMNS, key: ['id'], orderingField: '_event_lsn', partition: null }
  const deps = { clock, scratchDir: join(dir, 'scratch'), rowGroupBytes: 600, memoryBudget }
  const spec: TableSpec = { ...where, buckets: 2, tableType, tableVersion: 6 }
  await openTableWriter(store, spec, deps)
  await new TimelineStore(store, 't', clock).updateProperties((p) => {
    p.set('hoodie.table.cdc.enabled', 'true').set('hoodie.table.cdc.supplemental.logging.mode', mode)
  })
  return openTableWriter(store, spec, deps)
}

interface CdcRecord {
  readonly op: string
  readonly ts_ms?: string
  readonly record_key?: string
  readonly before?: Record<string, unknown> | null
  readonly after?: Record<string, unknown> | null
}

/** Records of the change logs that a commit names, decoded by avsc, and the bytes that it recorded for each. */
async function records(store: MemoryStore, instant: string, action: 'commit' | 'deltacommit'): Promise<CdcRecord[]> {
  const ts = new TimelineStore(store, 't', clock)
  await ts.refresh()
  const out: CdcRecord[] = []
  for (const stat of [...(await ts.commit(instant, action)).stats.values()].flat()) {
    for (const [path, bytes] of Object.entries(stat.cdcStats ?? {})) {
      const reader = new LogReader(store, `t/${path}`, bytes)
      expect((await store.get(`t/${path}`)).length).toBe(bytes)
      for await (const block of reader.blocks()) {
        if (block.kind !== 'block') throw new Error(block.problem)
        expect([block.type, block.header.get('instant')]).toEqual(['cdc', instant])
        const type = avsc.Type.forSchema(JSON.parse(block.header.get('schema')!) as avsc.Schema)
        const content = await reader.content(block)
        for (let at = 8, n = content.readInt32BE(4); n > 0; n--) {
          const length = content.readInt32BE(at)
          out.push(type.fromBuffer(content.subarray(at + 4, at + 4 + length)) as CdcRecord)
          at += 4 + length
        }
      }
    }
  }
  return out
}

/** A row as avsc gives it, in words like `show`'s. */
function shown(row: Record<string, unknown> | null | undefined): string | null {
  if (row === null || row === undefined) return null
  const decimal = (b: Buffer): bigint => BigInt.asIntN(b.length * 8, BigInt(`0x${b.toString('hex')}`))
  const value = (name: string): Value => {
    const v = row[name] as Value
    if (name === 'amount' && v !== null) return decimal(v as Buffer)
    if (name === 'more' && v !== null) return Object.entries(v as object) as [string, Value][]
    return name === '_event_lsn' && v !== null ? BigInt(v as never) : v
  }
  return COLUMNS.map((c) => show(value(c.name))).join(' ')
}

const anyChange = fc.record({
  op: fc.constantFrom('c', 'u', 'u', 'd', 'rarely-t'),
  id: fc.integer({ min: -5, max: 25 }),
  note: fc.option(fc.constantFrom('', 'a', 'bb'), { nil: null }),
  amount: fc.option(fc.bigInt(-9999n, 9999n), { nil: null }),
  tags: fc.option(fc.array(fc.option(fc.constantFrom('p', 'q'), { nil: null }), { maxLength: 2 }), { nil: null }),
  more: fc.constantFrom<Value>(null, [], [['x', 0.5]]),
  gone: fc.subarray([1, 2, 3], { maxLength: 2 }),
  dice: fc.nat(15),
})

let lsn = 0n
function changesFrom(raw: readonly Record<string, unknown>[]): TestChange[] {
  return raw.map((x) => {
    const op = x['op'] === 'rarely-t' ? (x['dice'] === 0 ? 't' : 'c') : (x['op'] as TestChange['op'])
    const row: Value[] = [x['id'] as number, x['note'] as Value, x['amount'] as Value, x['tags'] as Value, x['more'] as Value, ++lsn]
    return { op, row, gone: op === 'u' ? (x['gone'] as number[]) : [] }
  })
}

const byKey = (m: Model): Map<string, string> => new Map(m.values().map((r) => [String(r[0]), r.map(show).join(' ')]))

describe.each(['OP_KEY_ONLY', 'DATA_BEFORE', 'DATA_BEFORE_AFTER'] as const)('change logs of a copy-on-write table, mode %s', (mode) => {
  it('hold every row that came, changed or went in a file group that there was before, whatever the way of the changes', async () => {
    const flushes = fc.array(fc.array(anyChange, { minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(flushes, fc.constantFrom(1 << 26, 2500), async (all, budget) => {
        const store = new MemoryStore(clock)
        const writer = await open(store, 'COPY_ON_WRITE', mode, budget)
        const model = new Model([0])
        const first = Array.from({ length: 20 }, (_, i): TestChange => ({ op: 'c', row: [i, 'first', 1n, null, null, ++lsn], gone: [] }))
        for (const [n, raw] of [[], ...all].entries()) {
          const changes = n === 0 ? first : changesFrom(raw)
          const staged = await writer.stage(changes.map((c) => changesOf(COLUMNS, [c], false)))
          expect(await writer.commit(staged, checkpointOf(n))).toBe('committed')
          const before = byKey(model)
          for (const c of changes) model.apply(c)
          const after = byKey(model)
          const found = await records(store, staged.instant, 'commit')
          if (n === 0) {
            expect(found, 'readers work out what is in new groups').toEqual([])
            continue
          }
          expect(net(found, mode)).toEqual(expected(before, after, mode))
          if (mode === 'DATA_BEFORE_AFTER')
            expect(new Set(found.map((r) => r.ts_ms))).toEqual(new Set(found.length > 0 ? [staged.instant] : []))
        }
      }),
      { numRuns: propertyRuns(8) },
    )
  }, 120_000)
})

/** What the records come to, key by key: `key op before after`. After a truncate a row may go and come in one commit. */
function net(found: readonly CdcRecord[], mode: CdcMode): string[] {
  const byId = new Map<string, { before: string | null; after: string | null; ops: string }>()
  for (const r of found) {
    const id = r.record_key ?? String((r.after ?? r.before)!['id'])
    const at = byId.get(id) ?? { before: null, after: null, ops: '' }
    if (r.op !== 'i') at.before = shown(r.before)
    if (r.op !== 'd') at.after = shown(r.after)
    byId.set(id, { ...at, ops: at.ops + r.op })
  }
  return [...byId]
    .map(([id, { before, after, ops }]) => {
      const op = ops.length === 1 ? ops : 'u'
      expect(['i', 'u', 'd', 'di']).toContain(ops)
      return [id, op, ...(mode === 'OP_KEY_ONLY' ? [] : [before]), ...(mode === 'DATA_BEFORE_AFTER' ? [after] : [])].join('|')
    })
    .sort()
}

function expected(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>, mode: CdcMode): string[] {
  const ids = new Set([...before.keys(), ...after.keys()])
  return [...ids]
    .flatMap((id) => {
      const old = before.get(id) ?? null
      const now = after.get(id) ?? null
      if (old === now) return []
      const op = old === null ? 'i' : now === null ? 'd' : 'u'
      return [[id, op, ...(mode === 'OP_KEY_ONLY' ? [] : [old]), ...(mode === 'DATA_BEFORE_AFTER' ? [now] : [])].join('|')]
    })
    .sort()
}

describe('a merge-on-read table with change data', () => {
  it('has no change logs beside row logs, and one when a truncate takes rows out', async () => {
    const store = new MemoryStore(clock)
    const writer = await open(store, 'MERGE_ON_READ', 'DATA_BEFORE_AFTER', 1 << 26)
    const row = (id: number, note: string): Value[] => [id, note, null, null, null, ++lsn]
    const flush = async (...changes: TestChange[]): Promise<CdcRecord[]> => {
      const staged = await writer.stage([changesOf(COLUMNS, changes, false)])
      await writer.commit(staged, checkpointOf(1))
      return records(store, staged.instant, 'deltacommit')
    }
    const c = (op: TestChange['op'], r: Value[]): TestChange => ({ op, row: r, gone: [] })
    expect(await flush(...[1, 2, 3, 4, 5].map((i) => c('c', row(i, 'a'))))).toEqual([])
    expect(await flush(c('u', row(2, 'b')), c('d', row(3, '')), c('c', row(9, 'n')))).toEqual([])
    const found = await flush(c('t', []), c('c', row(7, 'after')))
    const short = found.map((r) => `${r.op} ${String((r.before ?? r.after)!['id'])} ${String((r.before ?? r.after)!['note'])}`).sort()
    expect(short).toEqual(['d 1 a', 'd 2 b', 'd 4 a', 'd 5 a', 'd 9 n', 'i 7 after'])
  })
})

it('a mode of change data that nobody knows is refused', () => {
  const properties = new Map([
    ['hoodie.table.cdc.enabled', 'true'],
    ['hoodie.table.cdc.supplemental.logging.mode', 'sometimes'],
  ])
  expect(() => cdcModeOf(properties, 't')).toThrow(expect.objectContaining({ code: 'TRB-LAKE-003' }))
  expect(cdcModeOf(new Map([['hoodie.table.cdc.enabled', 'true']]), 't')).toBe('DATA_BEFORE_AFTER')
  expect(cdcModeOf(new Map(), 't')).toBeNull()
})
