import { beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../../src/cli/clock.ts'
import { S3Store } from '../../../src/storage/s3/s3-store.ts'
import { keysOf } from '../../conformance/object-store.ts'
import { newBucket, newStore, s3Options } from '../../support/s3.ts'

let bucket = ''
beforeAll(async () => {
  bucket = await newBucket()
})

const claims = (more = {}): ReturnType<typeof s3Options> => s3Options({ firstWaitMs: 5, longestWaitMs: 20, ...more }, { writes: 'claims' })
const body = Buffer.from('x')
const claimOf = (key: string): string => `.tributary/tmp/claims/${Buffer.from(key).toString('hex')}/0`

test('a writer gives way to one that has claimed the key, and gives up in the end: TRB-STORE-016', async () => {
  const s = newStore(bucket, claims())
  const rival = new S3Store(s.root, systemClock, s3Options())
  let claim = claimOf('k')
  await rival.put(claim, body)
  // A claim of a minute is a dead one's: on a busy machine the rounds take longer than that.
  const living = setInterval(() => {
    claim += '0'
    rival.put(claim, body).catch(() => undefined)
  }, 15_000)
  try {
    await expect(s.putIfAbsent('k', body)).rejects.toMatchObject({ code: 'TRB-STORE-016', details: { key: 'k' } })
  } finally {
    clearInterval(living)
  }
  expect(await s.putIfAbsent('other', body)).toBe('created')
  expect(await keysOf(s, '')).toEqual(['other'])
}, 600_000)

test('what it costs: five requests where a condition needs one', async () => {
  const s = newStore(bucket, claims())
  await s.putIfAbsent('k', body)
  const calls = Object.fromEntries([...s.link.requests.counts].map(([name, c]) => [name, c.calls]))
  expect(calls).toEqual({ PutObject: 2, ListObjectsV2: 1, HeadObject: 1, DeleteObjects: 1 })
})
