import { describe, expect, test } from 'vitest'
import { findTable, lakeState, planTable } from '../../src/cli/lake/lake-state.ts'
import { nameOfPath, type OpenLake } from '../../src/cli/lake/open-lake.ts'
import type { Checkpoint, Watermark } from '../../src/contract/table.ts'
import type { ScanPlan, TableReader, View } from '../../src/contract/table-reader.ts'
import { Failure, isFailure } from '../../src/failure/failure.ts'

/** Commits of one table, oldest first: instant, and the next log offset where our writer made it (null: another writer's). */
type Commits = readonly (readonly [instant: string, nextOffset: number | null])[]

function reader(commits: Commits): TableReader {
  const upTo = (view: View): Commits => (view.kind === 'latest' ? commits : commits.filter(([i]) => i <= view.instant))
  return {
    async plan(view) {
      const newest = upTo(view).at(-1)
      if (newest === undefined && commits.length > 0) throw new Failure('TRB-LAKE-018', { table: 't', instant: 'x', first: commits[0]![0] })
      const files = newest === undefined ? [] : [{ instant: newest[0] }]
      return { instant: newest?.[0] ?? null, files, columns: [], totalFiles: 1 } as unknown as ScanPlan
    },
    async checkpointAt(view): Promise<Checkpoint | null> {
      const own = upTo(view)
        .filter(([, offset]) => offset !== null)
        .at(-1)
      return own === undefined ? null : { source: 's', commit: '0/1', commitUs: 1n, topic: 't', nextOffset: own[1]! }
    },
  }
}

function lake(commits: Commits, instant: string | null): OpenLake {
  const table = { path: 'db/shop/orders', schema: 'shop', table: 'orders', instant, topic: 't', nextOffset: 0 }
  const watermark: Watermark = { seq: 1, source: 's', commit: '0/1', commitUs: 1n, writtenMs: 0, appendId: 1, tables: [table] }
  return {
    store: { root: '/lake' },
    watermarks: {
      async *list() {
        yield watermark
      },
    },
    reader: () => reader(commits),
  } as unknown as OpenLake
}

async function newest(commits: Commits, instant: string | null, asOf: string | null = null): Promise<string | null> {
  const l = lake(commits, instant)
  const state = await lakeState(l, asOf, 0)
  return (await planTable(l, state.tables[0]!))!.instant
}

describe('the newest state of a table', () => {
  test('is that of the watermark, while a later commit of ours waits for its own', async () => {
    expect(
      await newest(
        [
          ['1', 10],
          ['2', 20],
        ],
        '1',
      ),
    ).toBe('1')
    expect(
      await newest(
        [
          ['1', 10],
          ['2', 20],
        ],
        '2',
      ),
    ).toBe('2')
  })

  test('includes commits of other writers after it, which carry no checkpoint', async () => {
    expect(
      await newest(
        [
          ['1', 10],
          ['2', null],
          ['3', null],
        ],
        '1',
      ),
    ).toBe('3')
  })

  test('does not when a commit of ours is among them: its watermark will come', async () => {
    expect(
      await newest(
        [
          ['1', 10],
          ['2', null],
          ['3', 20],
        ],
        '1',
      ),
    ).toBe('1')
  })

  test('a table without a commit at the watermark is empty, or what others wrote', async () => {
    expect(await newest([], null)).toBeNull()
    expect(await newest([['2', 5]], null)).toBeNull()
    expect(await newest([['2', null]], null)).toBe('2')
  })

  test('as of a position, only what the watermark names counts', async () => {
    expect(
      await newest(
        [
          ['1', 10],
          ['2', null],
        ],
        '1',
        'lsn:0/1',
      ),
    ).toBe('1')
    expect(
      await newest(
        [
          ['1', 10],
          ['2', null],
        ],
        '1',
        'commit:0',
      ),
    ).toBe('1')
  })
})

describe('names', () => {
  test('schema and table are the last two segments of the path, decoded', () => {
    expect(nameOfPath('db/shop/orders')).toEqual({ schema: 'shop', table: 'orders' })
    expect(nameOfPath('db/my%20shop/%C3%BC')).toEqual({ schema: 'my shop', table: 'ü' })
    expect(nameOfPath('orders')).toEqual({ schema: 'main', table: 'orders' })
  })

  test('a table is found by schema.table, path, or a bare name that is unique', async () => {
    const l = lake([], null)
    const { tables } = await lakeState(l, null, 0)
    const two = [...tables, { ...tables[0]!, path: 'db/old/orders', schema: 'old' }]
    expect(findTable(tables, 'orders', l).path).toBe('db/shop/orders')
    expect(findTable(two, 'old.orders', l).path).toBe('db/old/orders')
    expect(findTable(two, 'db/old/orders', l).schema).toBe('old')
    for (const [list, name] of [
      [two, 'orders'],
      [tables, 'nope'],
    ] as const) {
      expect(() => findTable(list, name, l)).toSatisfy((work: () => unknown) => {
        try {
          work()
        } catch (e) {
          return isFailure(e, 'TRB-QUERY-009')
        }
        return false
      })
    }
  })
})
