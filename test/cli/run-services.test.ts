import { expect, test } from 'vitest'
import { lakePolicy } from '../../src/cli/cdc/run-services.ts'
import { sortingOf } from '../../src/cli/cdc/run-sorting.ts'
import { checkPolicy } from '../../src/lake/service/run-services.ts'

const DEFAULTS = {
  ...{ compactLogs: 10, compactShare: 50, compactLogFiles: 30, clusterSort: {}, clusterEveryMs: 24 * 3_600_000 },
  ...{ bucketBytes: 100 << 20, keepHistoryMs: 24 * 3_600_000, keepCommits: 20 },
}

test('the defaults of cdc run: ten logs or half of the base, a day of history, twenty commits; 0 turns each off', () => {
  const policy = lakePolicy(DEFAULTS)
  expect(policy).toMatchObject({
    compaction: { logs: 10, share: 0.5 },
    logCompaction: { logFiles: 30 },
    clean: { kind: 'hours', retain: 24 },
    archive: { min: 20, max: 30 },
  })
  expect(policy.clustering('d/shop/orders')).toEqual({ sorting: null, bucketBytes: 100 << 20 })
  expect(() => checkPolicy(policy)).not.toThrow()
  const off = { compactLogs: 0, compactLogFiles: 0, clusterEveryMs: 0, bucketBytes: 0, keepHistoryMs: 0, keepCommits: 0 }
  const none = lakePolicy({ ...DEFAULTS, ...off, clusterSort: { 'shop.orders': ['id'] } })
  expect(none).toMatchObject({ compaction: null, logCompaction: null, clean: null, archive: null })
  expect(none.clustering('d/shop/orders')).toEqual({ sorting: null, bucketBytes: null })
  expect(lakePolicy({ ...DEFAULTS, compactLogs: 3, compactShare: 1, keepHistoryMs: 90_000, keepCommits: 1 }).clean).toEqual({
    kind: 'hours',
    retain: 0.025,
  })
})

test('--cluster-sort names columns of tables, found by the end of their paths; anything else is refused', () => {
  const clusterSort = sortingOf('cdc run', ['shop.orders=customer_id+at', 'a b.x=id'])
  const { clustering } = lakePolicy({ ...DEFAULTS, clusterSort })
  expect(clustering('prefix/shop/orders').sorting?.sort).toEqual(['customer_id', 'at'])
  expect(clustering('a%20b/x').sorting?.sort).toEqual(['id'])
  expect(clustering('prefix/workshop/orders').sorting).toBe(null)
  for (const wrong of [['orders=id'], ['shop.orders'], ['shop.orders='], ['shop.orders=a+'], ['a.b=c', 'a.b=d']])
    expect(() => sortingOf('cdc run', wrong)).toThrowError(expect.objectContaining({ code: 'TRB-CLI-004' }))
})
