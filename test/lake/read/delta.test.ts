import { describe, expect, test } from 'vitest'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { FileSlice, MergeRules } from '../../../src/contract/slice.ts'
import { avroRowsContent } from '../../../src/format/hudi-log/avro-rows.ts'
import { printBlock } from '../../../src/format/hudi-log/writer.ts'
import { avroSchemaText } from '../../../src/lake/metadata/avro-schema.ts'
import { mergedRows, readDelta } from '../../../src/lake/read/delta.ts'
import { META } from '../../../src/lake/read/log-columns.ts'
import { mergeRulesOf } from '../../../src/lake/read/merge-rules.ts'
import type { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { type Value, valuesOf, vectorOf } from '../../format/parquet/values.ts'
import { buildSlice, instantOf, type ModelBlock, newStore, putLog, RULES, SCHEMA } from './slice-model.ts'

/** A slice of log files without a base file: each log is one Avro block of these rows (record key first). */
async function slice(store: MemoryStore, schema: readonly LakeColumn[], logs: readonly (readonly Value[][])[]): Promise<FileSlice> {
  const files = []
  for (const [n, rows] of logs.entries()) {
    const instant = instantOf(n + 1)
    const columns = [...META, ...schema]
    const values = rows.map((r, i): Value[] => [instant, `${instant}_0_${i}`, r[0], '', 'f', ...r])
    const content = avroRowsContent(
      columns,
      columns.map((c, i) =>
        vectorOf(
          c.type,
          values.map((r) => r[i]),
        ),
      ),
      rows.length,
    )
    const header = new Map([
      ['instant', instant],
      ['schema', avroSchemaText('t', schema, true)],
    ] as const)
    files.push(await putLog(store, n + 1, Buffer.concat(printBlock('avro', header, [content]))))
  }
  return { ...(await buildSlice(store, null, [], 1)), logs: files }
}

async function rows(store: MemoryStore, s: FileSlice, schema: readonly LakeColumn[], rules: MergeRules): Promise<string[]> {
  const out: string[] = []
  for await (const chunk of mergedRows({ store, table: 't', slice: s, schema, rules, visible: () => true, meta: false })) {
    const values = chunk.columns.map((c, i) => valuesOf(c.type, chunk.vectors[i], chunk.count))
    for (let i = 0; i < chunk.count; i++) out.push(values.map((v) => String(v[i])).join(' '))
  }
  return out.sort()
}

const ID: LakeColumn = { name: 'id', type: { kind: 'string' } }
const LATEST: MergeRules = { mode: 'commit-time', ordering: [], deleteMarker: null, unavailable: null }

describe('rows that are deletes', () => {
  test('_hoodie_is_deleted = true', async () => {
    const store = newStore()
    const schema: LakeColumn[] = [ID, { name: '_hoodie_is_deleted', type: { kind: 'boolean' } }]
    const logs = [
      [
        ['a', false],
        ['b', null],
        ['c', false],
      ],
      [['a', true]],
      [['c', true]],
      [['c', false]],
    ]
    expect(await rows(store, await slice(store, schema, logs), schema, LATEST)).toEqual(['b null', 'c false'])
  })
  test('_hoodie_operation = D, as Flink writes it', async () => {
    const store = newStore()
    const schema: LakeColumn[] = [ID, { name: '_hoodie_operation', type: { kind: 'string' } }]
    const logs = [
      [
        ['a', 'I'],
        ['b', 'I'],
      ],
      [
        ['a', 'D'],
        ['b', 'U'],
      ],
    ]
    expect(await rows(store, await slice(store, schema, logs), schema, LATEST)).toEqual(['b U'])
  })
})

test('Debezium changes of Postgres: order by LSN, deletes by their operation, values that the log did not repeat', async () => {
  const store = newStore()
  const schema: LakeColumn[] = [
    ID,
    { name: '_change_operation_type', type: { kind: 'string' } },
    { name: '_event_lsn', type: { kind: 'long' } },
    { name: 'big', type: { kind: 'string' } },
    { name: 'raw', type: { kind: 'bytes' } },
  ]
  const gone = '__debezium_unavailable_value'
  const logs: Value[][][] = [
    [
      ['a', 'c', 10n, 'A', Buffer.from('1')],
      ['b', 'c', 11n, 'B', Buffer.from('2')],
      ['c', 'c', 12n, 'C', Buffer.from('3')],
    ],
    [
      ['a', 'u', 30n, gone, Buffer.from(gone)],
      ['b', 'd', 31n, null, null],
      ['c', 'u', 32n, 'C2', Buffer.from(gone)],
    ],
    // late: older than what is there, but newer than where the value of `a` came from
    [
      ['a', 'u', 20n, 'A20', Buffer.from('20')],
      ['b', 'u', 21n, 'B21', null],
      ['c', 'u', 33n, gone, Buffer.from('33')],
    ],
  ]
  const properties = new Map([
    ['hoodie.table.version', '6'],
    ['hoodie.compaction.payload.class', 'org.apache.hudi.common.model.debezium.PostgresDebeziumAvroPayload'],
  ])
  const found = await rows(store, await slice(store, schema, logs), schema, mergeRulesOf(properties, 't'))
  expect(found).toEqual(['a u 30 A20 20', 'c u 33 C2 33'])
})

test('several ordering fields: the second decides where the first is equal', async () => {
  const store = newStore()
  const schema: LakeColumn[] = [ID, { name: 'file', type: { kind: 'string' } }, { name: 'pos', type: { kind: 'long' } }]
  const logs: Value[][][] = [
    [
      ['a', 'bin.2', 5n],
      ['b', 'bin.1', 9n],
    ],
    [
      ['a', 'bin.2', 4n],
      ['b', 'bin.2', 1n],
    ],
  ]
  const rules: MergeRules = { ...LATEST, mode: 'event-time', ordering: ['file', 'pos'] }
  expect(await rows(store, await slice(store, schema, logs), schema, rules)).toEqual(['a bin.2 5', 'b bin.2 1'])
})

test('a column that older logs lack is null; a narrower type is widened', async () => {
  const store = newStore()
  const old: LakeColumn[] = [ID, { name: 'n', type: { kind: 'int' } }]
  const wide: LakeColumn[] = [ID, { name: 'n', type: { kind: 'long' } }, { name: 'added', type: { kind: 'string' } }]
  const first = await slice(store, old, [[['a', 7]]])
  expect(await rows(store, first, wide, LATEST)).toEqual(['a 7 null'])
})

test('ten thousand columns', async () => {
  const store = newStore()
  const schema: LakeColumn[] = [ID, ...Array.from({ length: 10_000 }, (_, i): LakeColumn => ({ name: `c${i}`, type: { kind: 'int' } }))]
  const wide = await slice(store, schema, [[['a', ...Array.from({ length: 10_000 }, (_, i) => i)]]])
  const [row] = await rows(store, wide, schema, LATEST)
  expect(row.split(' ').length).toBe(10_001)
  expect(row.endsWith(' 9999')).toBe(true)
}, 180_000)

test('a slice without logs, or whose logs do not count, hides nothing and asks for nothing of the base file', async () => {
  const store = newStore()
  const base = [{ id: 'a', ts: 1, op: 'c', name: 'n', note: null }]
  const s = await buildSlice(store, base, [{ kind: 'delete', keys: [{ id: 'a', ts: null }] }], 1)
  await store.delete([s.base!.key])
  const delta = await readDelta({ store, table: 't', slice: s, schema: SCHEMA, rules: RULES['event-time'], visible: () => false })
  expect([delta.hidden.length, delta.count]).toEqual([0, 0])
  await delta.close()
})

test('requests: one per log, the footer of the base file, and its keys and ordering values where the logs have keys', async () => {
  const store = newStore()
  const base = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => ({ id, ts: 1, op: 'c', name: 'n', note: null }))
  const change = (id: string): ModelBlock => ({ kind: 'parquet', partial: false, rows: [{ id, ts: 2, op: 'u', name: 'x', note: null }] })
  // three row groups of two keys each; the logs have keys of the second alone
  const s = await buildSlice(store, base, [change('c'), change('d'), change('c')], 1, 2)
  const before = store.counter.totalCalls
  const delta = await readDelta({ store, table: 't', slice: s, schema: SCHEMA, rules: RULES['event-time'], visible: () => true })
  expect([...delta.hidden]).toEqual([2, 3])
  expect(store.counter.totalCalls - before).toBe(3 + 1 + 1 + 1)
})
