import { expect, test } from 'vitest'
import type { StoredBatch } from '../../src/contract/log.ts'
import { sourceDatabase } from '../../src/envelope/source-database.ts'
import { GrowableSink } from '../../src/format/bytes/growable-sink.ts'
import { writeBlob, writeNullBlob, writeTimestamp } from '../../src/format/record-batch/writer.ts'

function batchOf(values: readonly string[]): StoredBatch {
  const out = new GrowableSink()
  for (const value of values) {
    writeTimestamp(out, 0)
    writeNullBlob(out)
    writeBlob(out, Buffer.from(value))
    writeNullBlob(out)
    writeNullBlob(out)
  }
  const count = values.length
  const rest = { keySchema: 0, valueSchema: -1, headers: null, runs: [{ count, commit: '', commitUs: 0n }] }
  return { topic: 't', partition: 0, count, baseOffset: 0, appendId: 0, records: out.take(), ...rest }
}

const none = async (): Promise<string> => '"string"'

test('the first record that can be read names the database, wherever it is in its batch', async () => {
  const event = '{"op":"c","source":{"schema":"public","db":"shop"},"after":{"id":1}}'
  expect(await sourceDatabase(batchOf(['no event', '7', event]), none)).toBe('shop')
  expect(await sourceDatabase(batchOf(['no event', '7']), none)).toBeUndefined()
  expect(await sourceDatabase(batchOf(['{"id":1}', event]), none)).toBe('')
})
