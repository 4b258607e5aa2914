import { describe, expect, it } from 'vitest'
import type { Chunk } from '../../../src/capture/signal/chunk.ts'
import { editBatch } from '../../../src/capture/signal/edit-batch.ts'
import { encodeText } from '../../../src/capture/types/text.ts'
import type { Column } from '../../../src/contract/change.ts'
import { createEnvelopeEncoder } from '../../../src/envelope/encoder.ts'
import { DEFAULT_ENVELOPE_SETTINGS } from '../../../src/envelope/options.ts'
import { RecordReader } from '../../../src/format/record-batch/reader.ts'
import { MemoryRegistry } from '../../../src/registry/memory/memory-registry.ts'
import { fakeBatch, tableOf } from '../../envelope/fake-batch.ts'
import { fixedClock } from '../../support/fixed-clock.ts'

const ID: Column = {
  name: 'id',
  sourceType: 'text',
  connect: { type: 'string', optional: false },
  encode: encodeText,
  unavailable: null,
  fallback: Buffer.from([0]),
}

/** Keys of a topic in the order in which they are in it. */
async function keysOf(batch: ReturnType<typeof fakeBatch>, topic: string): Promise<string[]> {
  const encoder = createEnvelopeEncoder({
    ...DEFAULT_ENVELOPE_SETTINGS,
    ...{ prefix: 'p', connector: 'c', runId: 'r', headerFormat: 'simple', registry: new MemoryRegistry(), clock: fixedClock() },
    source: {
      schema: { type: 'struct', optional: false, name: 's.Source', fields: [] },
      write: () => undefined,
      transactionId: () => '',
    },
  })
  await encoder.prepare(batch.tables)
  const keys: string[] = []
  for (const b of encoder.encode(batch).filter((e) => e.topic === topic)) {
    const r = new RecordReader()
    r.open(b.records, b.count)
    // Wire header, then the length of the only text.
    while (r.next()) keys.push(r.buf.toString('utf8', r.keyStart + 6, r.keyEnd))
  }
  return keys
}

describe('rows of an incremental snapshot in a batch', () => {
  it('come behind the changes before them and in front of those behind, in the topic of their table too', async () => {
    const table = tableOf([ID], [0])
    const signals = tableOf([ID], [0], 'signals')
    const batch = fakeBatch(
      [table, signals],
      [[{ op: 'c', after: ['before'] }], [{ table: 1, op: 'c', after: ['w-close'] }], [{ op: 'u', after: ['behind'], before: ['behind'] }]],
    )
    const read = fakeBatch([table], [[{ op: 'r', after: ['row'] }]])
    const chunk: Chunk = { schema: tableOf([ID], [0]), arena: read.arena, offsets: [read.after[0]], last: ['row'], place: { hi: 0, lo: 9 } }
    const run = batch.transactions[1]
    const edited = editBatch(batch, { chunk, rows: chunk.offsets, atRun: 1, like: 1, run }, signals.id)
    expect(await keysOf(edited, 'p.public.t')).toEqual(['before', 'row', 'behind'])
    expect(await keysOf(edited, 'p.public.signals')).toEqual([])
  })
})
