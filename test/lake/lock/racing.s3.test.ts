import { expect, test } from 'vitest'
import { systemClock } from '../../../src/cli/clock.ts'
import { S3Store } from '../../../src/storage/s3/s3-store.ts'
import { newBucket, newStore, s3Options } from '../../support/s3.ts'
import { AppendingWriter } from './appending-writer.ts'
import { lostUpdates, RACING, racer } from './racing.ts'

/** Nobody is killed here: a lock that is short would run out while the service, on a busy machine, has the write that it protects. */
const LONG = { ...RACING, times: { ...RACING.times, validityMs: 120_000 } }

test('20 writers of one table on S3: no update is lost, none is there twice', async () => {
  const store = newStore(await newBucket())
  await new AppendingWriter(store, systemClock, null).create()
  const reported: string[] = []
  const writers = Array.from({ length: 20 }, (_, id) => {
    const own = new S3Store(store.root, systemClock, s3Options({ attempts: 8 }))
    return racer(own, systemClock, id, 1, (line) => reported.push(line), LONG)
  })
  await Promise.all(writers)
  expect(reported).toHaveLength(20)
  expect(await lostUpdates(store, systemClock, reported)).toEqual([])
}, 900_000)
