import { describe, expect, it } from 'vitest'
import { columnRules } from '../../../src/capture/columns/column-rules.ts'
import type { CatalogColumn, CatalogType } from '../../../src/capture/postgres/catalog-column.ts'
import { shapeOf } from '../../../src/capture/postgres/schema.ts'
import { DEFAULT_TYPE_OPTIONS } from '../../../src/capture/postgres/types/options.ts'
import type { ChunkDatabase } from '../../../src/capture/signal/chunk.ts'
import { Incremental } from '../../../src/capture/signal/incremental.ts'
import { NOTHING, progressOf } from '../../../src/capture/signal/progress.ts'
import { Identities } from '../../../src/capture/signal/tuples.ts'
import { encodeText } from '../../../src/capture/types/text.ts'
import type { ChangeStream, Column } from '../../../src/contract/change.ts'
import { fakeBatch, tableOf } from '../../envelope/fake-batch.ts'
import { fixedClock } from '../../support/fixed-clock.ts'

const text = (name: string): Column => ({
  name,
  sourceType: 'text',
  connect: { type: 'string', optional: false },
  encode: encodeText,
  unavailable: null,
  fallback: Buffer.from([0]),
})
const SIGNALS = tableOf(['id', 'type', 'data'].map(text), [0], 'signals')

describe('an incremental snapshot', () => {
  it('of tables that an expression matches is not one of the signal table', async () => {
    const asked: string[] = []
    const opened = Promise.withResolvers<void>()
    const database = {
      tables: async () => [SIGNALS.id, tableOf([text('id')], [0]).id],
      identity: async (id: { readonly table: string }) => {
        asked.push(id.table)
        return ['id']
      },
      insertSignal: async () => opened.resolve(),
      maximum: async () => null,
      close: async () => undefined,
    } as unknown as ChunkDatabase
    const notes: unknown[] = []
    const options = { table: SIGNALS.id, hidden: true, chunkRows: 10, readOnly: false, strategy: 'insert_insert', exact: false } as const
    const incremental = new Incremental({} as ChangeStream, null, NOTHING, options, {
      clock: fixedClock(),
      observe: (e) => notes.push(e),
      database: () => database,
      compare: () => 0,
    })
    const row = ['1', 'execute-snapshot', '{"data-collections":["public\\\\..*"]}']
    const passed = incremental.pass(fakeBatch([SIGNALS], [[{ op: 'c', after: row }]]))
    expect(passed.count).toBe(0)
    expect(progressOf(passed.upTo).tasks.map((t) => t.table)).toEqual(['public\\..*'])
    await opened.promise
    await incremental.close()
    expect(asked).toEqual(['t'])
  })
})

const TEXT: CatalogType = {
  ...{ oid: 25, schema: 'pg_catalog', name: 'text', formatted: 'text', typtype: 'b' },
  ...{ element: null, base: null, labels: null },
}

/** A table of texts, of which the first is the key, as rules want it. */
function ruled(names: readonly string[], config: Readonly<Record<string, string>>, readsAll = false) {
  const columns = names.map(
    (name, i): CatalogColumn => ({
      ...{ name, attnum: i + 1, notNull: true, defaultExpr: null, generated: false, identity: false, typmod: -1, type: TEXT, isKey: false },
    }),
  )
  const table = {
    ...{ oid: 1, schema: 'public', table: 't', kind: 'r', partition: false, identity: 'd', rowEstimate: 1, pages: 1 },
    ...{ columns, primaryKey: [names[0]], identityIndex: [], uniqueIndex: [] },
  }
  const rules = columnRules(new Map(Object.entries(config)))
  return shapeOf(table, columns, 1, { types: DEFAULT_TYPE_OPTIONS, debeziumQuirks: false, stream: false, rules, readsAll })
}

describe('rules for columns', () => {
  it('leave a key out of the records, and rows are told apart by it all the same', () => {
    const config = { 'column.exclude.list': 'public\\.t\\.id', 'message.key.columns': 'public.t:other' }
    const { schema, rowKey } = ruled(['id', 'other'], config)
    expect(rowKey).toEqual([0])
    expect(schema.columns[0].omitted).toBe(true)
    const rows = ['1', '2'].map((id) => ({ op: 'r', after: [id, 'x'] }) as const)
    const { arena, after } = fakeBatch([schema], [rows])
    const identities = new Identities()
    expect(identities.of(schema, rowKey, arena, after[0], true)).not.toBe(identities.of(schema, rowKey, arena, after[1], true))
  })

  it('leave columns of a signal table out or mask them, and its signals are read all the same', () => {
    const config = { 'column.include.list': 'public\\.t\\.(id|data)', 'column.mask.with.3.chars': '.*\\.data' }
    const { schema } = ruled(['id', 'type', 'data'], config, true)
    expect(schema.columns.map((c) => c.omitted === true)).toEqual([false, true, false])
    const { arena, after } = fakeBatch([schema], [[{ op: 'c', after: ['1', 'log', 'said'] }]])
    expect([0, 1, 2].map((c) => new Identities().text(schema, c, arena, after[0], false))).toEqual(['1', 'log', 'said'])
  })
})
