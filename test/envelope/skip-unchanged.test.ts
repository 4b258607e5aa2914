import { expect, it } from 'vitest'
import { encodeText } from '../../src/capture/types/text.ts'
import type { Column } from '../../src/contract/change.ts'
import { createEnvelopeEncoder } from '../../src/envelope/encoder.ts'
import { DEFAULT_ENVELOPE_SETTINGS } from '../../src/envelope/options.ts'
import { MemoryRegistry } from '../../src/registry/memory/memory-registry.ts'
import { fixedClock } from '../support/fixed-clock.ts'
import { type FakeChange, fakeBatch, tableOf } from './fake-batch.ts'

const column = (name: string, optional: boolean): Column => ({
  name,
  sourceType: 'text',
  connect: { type: 'string', optional },
  encode: encodeText,
  // As numbers have it: nothing tells a value that is not in the log from a null, or from an empty one.
  unavailable: null,
  fallback: optional ? null : Buffer.from([0]),
})

it.each<[string, FakeChange, number]>([
  ['the same row', { op: 'u', before: ['1', 'a', 'b'], after: ['1', 'a', 'b'] }, 0],
  ['another value', { op: 'u', before: ['1', 'a', 'b'], after: ['1', 'a', 'c'] }, 1],
  ['nothing of it in the log but the key', { op: 'u', before: ['1', undefined, undefined], after: ['1', undefined, undefined] }, 0],
  ['null where the old value is not in the log', { op: 'u', before: ['1', undefined, undefined], after: ['1', null, undefined] }, 1],
  ['empty where the old value is not in the log', { op: 'u', before: ['1', undefined, undefined], after: ['1', undefined, ''] }, 1],
])('an update without change is left out; %s', async (_, change, records) => {
  const table = tableOf([column('id', false), column('n', true), column('z', false)], [0])
  const encoder = createEnvelopeEncoder({
    ...DEFAULT_ENVELOPE_SETTINGS,
    ...{ skipUnchanged: true, prefix: 'p', connector: 'c', runId: 'r', headerFormat: 'simple' },
    ...{ registry: new MemoryRegistry(), clock: fixedClock() },
    source: {
      schema: { type: 'struct', optional: false, name: 's.Source', fields: [] },
      write: () => undefined,
      transactionId: () => '',
    },
  })
  await encoder.prepare([table])
  expect(encoder.encode(fakeBatch([table], [[change]])).reduce((n, b) => n + b.count, 0)).toBe(records)
})
