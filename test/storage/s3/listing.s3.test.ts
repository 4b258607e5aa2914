import fc from 'fast-check'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { systemClock } from '../../../src/cli/clock.ts'
import { S3Store } from '../../../src/storage/s3/s3-store.ts'
import { keysOf } from '../../conformance/object-store.ts'
import { FaultProxy } from '../../support/fault-proxy.ts'
import { newBucket, newStore, s3Options } from '../../support/s3.ts'

let bucket = ''
let proxy: FaultProxy
let through = ''
beforeAll(async () => {
  bucket = await newBucket()
  proxy = new FaultProxy(inject('s3Endpoint'))
  through = await proxy.listen()
})
afterAll(() => proxy.close())

test('whatever lies where, and however small the pages: a listing has every key, in order', async () => {
  const segment = fc.constantFrom('a', 'b', 'b-c', 'b.d', 'c', 'd')
  const key = fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => `${parts.join('/')}/f`)
  const keys = fc.uniqueArray(
    fc.tuple(key, fc.nat(20)).map(([k, n]) => `${k}${String(n).padStart(2, '0')}`),
    { minLength: 1, maxLength: 60 },
  )
  const cut = fc.constantFrom('', 'a', 'a/', 'b', 'b/', 'b/b', 'b/c/', 'c/', 'd/d/')
  await fc.assert(
    fc.asyncProperty(keys, fc.constantFrom(1, 2, 5), fc.array(fc.tuple(cut, cut), { maxLength: 4 }), async (all, pageKeys, cuts) => {
      const store = newStore(bucket, s3Options({ pageKeys }))
      await Promise.all(all.map((k) => store.put(k, Buffer.from('x'))))
      for (const [prefix, after] of [['', ''] as const, ...cuts]) {
        const want = all.filter((k) => k.startsWith(prefix) && k > after).sort()
        expect(await keysOf(store, prefix, after), `${prefix} after ${after}`).toEqual(want)
      }
    }),
    { numRuns: 25 },
  )
}, 120_000)

test('large directories are listed at the same time', async () => {
  const store = newStore(bucket, s3Options({ pageKeys: 5 }))
  const keys = ['a', 'b', 'c', 'd', 'e'].flatMap((d) => Array.from({ length: 15 }, (_, i) => `t/${d}/${String(i).padStart(2, '0')}`))
  await Promise.all(keys.map((k) => store.put(k, Buffer.from('x'))))
  const slow = new S3Store(store.root, systemClock, s3Options({ pageKeys: 5 }, { endpoint: through }))
  await slow.head('t')
  let now = 0
  let most = 0
  // Slow until it has been seen, so that a loaded machine has time to send the requests that are to be on their way together.
  proxy.slowMs = 1500
  proxy.inject(() => {
    most = Math.max(most, ++now)
    if (most >= 3) return null
    setTimeout(() => now--, proxy.slowMs)
    return 'slow'
  })
  expect(await keysOf(slow, 't/')).toEqual(keys)
  expect(most).toBeGreaterThanOrEqual(3)
  proxy.inject(() => null)
})

test('a listing that ends early asks for no more than it shows', async () => {
  const store = newStore(bucket, s3Options({ pageKeys: 10 }))
  await Promise.all(Array.from({ length: 40 }, (_, i) => store.put(`k${String(i).padStart(2, '0')}`, Buffer.from('x'))))
  const before = store.link.requests.counts.get('ListObjectsV2')?.calls ?? 0
  for await (const o of store.list('')) if (o.key === 'k03') break
  await Promise.all(Array.from({ length: 40 }, (_, i) => store.put(`d/k${String(i).padStart(2, '0')}`, Buffer.from('x'))))
  for await (const o of store.list('')) if (o.key === 'd/k03') break
  expect((store.link.requests.counts.get('ListObjectsV2')?.calls ?? 0) - before).toBe(2)
})
