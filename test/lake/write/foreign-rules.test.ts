import { expect, test } from 'vitest'
import { writableSpec } from '../../../src/lake/write/writable-spec.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { goldenStore } from '../../support/golden-table.ts'

const clock = fixedClock(Date.UTC(2026, 10, 22))

test.each(['v6_mor_payload_postgres', 'v9_mor_payload_partial', 'v9_cow_payload_nondefaults', 'v6_mor_logs_nondefaults'])(
  '%s, whose rows are merged field by field, is read and not written',
  async (name) => {
    const store = await goldenStore(name, 't')
    await expect(writableSpec(store, 't', clock)).rejects.toMatchObject({
      code: 'TRB-LAKE-003',
      details: { detail: expect.stringContaining('field by field') },
    })
  },
)

test.each(['v6_mor_logs_latest', 'v9_mor_logs_event', 'v9_mor_payload_dms'])('%s is written', async (name) => {
  expect(await writableSpec(await goldenStore(name, 't'), 't', clock)).toMatchObject({ key: ['id'] })
})
