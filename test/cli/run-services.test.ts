import { expect, test } from 'vitest'
import { lakePolicy } from '../../src/cli/cdc/run-services.ts'
import { checkPolicy } from '../../src/lake/service/run-services.ts'

test('the defaults of cdc run: ten logs or half of the base, a day of history, twenty commits; 0 turns each off', () => {
  const policy = lakePolicy({ compactLogs: 10, compactShare: 50, keepHistoryMs: 24 * 3_600_000, keepCommits: 20 })
  expect(policy).toMatchObject({
    compaction: { logs: 10, share: 0.5 },
    clean: { kind: 'hours', retain: 24 },
    archive: { min: 20, max: 30 },
  })
  expect(() => checkPolicy(policy)).not.toThrow()
  const none = lakePolicy({ compactLogs: 0, compactShare: 50, keepHistoryMs: 0, keepCommits: 0 })
  expect(none).toEqual({ compaction: null, clean: null, archive: null })
  expect(lakePolicy({ compactLogs: 3, compactShare: 1, keepHistoryMs: 90_000, keepCommits: 1 }).clean).toEqual({
    kind: 'hours',
    retain: 0.025,
  })
})
