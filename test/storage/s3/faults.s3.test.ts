import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest'
import { systemClock } from '../../../src/cli/clock.ts'
import type { S3Limits, S3Options } from '../../../src/storage/s3/s3-options.ts'
import { S3Store } from '../../../src/storage/s3/s3-store.ts'
import { keysOf } from '../../conformance/object-store.ts'
import { FaultProxy, type HttpFault } from '../../support/fault-proxy.ts'
import { newBucket, newStore, s3Options } from '../../support/s3.ts'

let bucket = ''
let proxy: FaultProxy
let through = ''

beforeAll(async () => {
  bucket = await newBucket()
  proxy = new FaultProxy(inject('s3Endpoint'))
  through = await proxy.listen()
})
afterEach(() => proxy.inject(() => null))
afterAll(() => proxy.close())

const viaProxy = (limits: Partial<S3Limits> = {}, more: Partial<S3Options> = {}): S3Store =>
  newStore(bucket, s3Options(limits, { endpoint: through, ...more }))
const bytes = (text: string): Buffer => Buffer.from(text, 'utf8')

/** A store whose first write (with the check of conditions) is behind it. */
async function ready(limits: Partial<S3Limits> = {}): Promise<S3Store> {
  const s = viaProxy(limits)
  await s.put('first', bytes('x'))
  return s
}

const once =
  (fault: HttpFault, when: (s: { method: string; path: string; query: URLSearchParams }) => boolean) => (): FaultProxy['plan'] => {
    let done = false
    return (seen) => {
      if (done || !when(seen)) return null
      done = true
      return fault
    }
  }

describe('a request that fails once is repeated', () => {
  test.each(['refuse', 'error', 'lost', 'cut', 'half'] as const)('reading: %s', async (fault) => {
    const s = await ready()
    const body = Buffer.alloc(300_000, 5)
    await s.put('k', body)
    proxy.inject(once(fault, (q) => q.method === 'GET')())
    expect((await s.get('k')).equals(body)).toBe(true)
    proxy.inject(once(fault, (q) => q.method === 'GET')())
    expect((await s.range('k', -10, 10)).length).toBe(10)
    proxy.inject(once(fault, (q) => q.query.has('list-type'))())
    expect(await keysOf(s, '')).toEqual(['first', 'k'])
    expect(proxy.seen.length).toBe(2)
  })

  test.each(['refuse', 'error', 'lost', 'cut'] as const)('deleting: %s', async (fault) => {
    const s = await ready()
    await s.put('k', bytes('x'))
    proxy.inject(once(fault, (q) => q.method === 'POST')())
    await s.delete(['k', 'first'])
    expect(await keysOf(s, '')).toEqual([])
  })
})

describe('a write whose answer is lost', () => {
  test.each(['lost', 'error', 'refuse', 'cut'] as const)('%s: our own object means created', async (fault) => {
    const s = await ready()
    proxy.inject(once(fault, (q) => q.method === 'PUT')())
    expect(await s.putIfAbsent('k', bytes('mine'))).toBe('created')
    proxy.inject(once(fault, (q) => q.method === 'PUT')())
    await s.put('p', bytes('mine'))
  })

  test.each(['lost', 'error'] as const)('%s: the object of another writer means exists, even with the same bytes', async (fault) => {
    const s = await ready()
    const other = new S3Store(s.root, systemClock, s3Options())
    expect(await other.putIfAbsent('k', bytes(''))).toBe('created')
    proxy.inject(once(fault, (q) => q.method === 'PUT')())
    expect(await s.putIfAbsent('k', bytes(''))).toBe('exists')
  })

  test.each(['lost', 'error', 'refuse', 'cut'] as const)('%s: a replacement is found out about', async (fault) => {
    const s = await ready()
    await s.put('k', bytes('one'))
    const { tag } = (await s.head('k'))!
    proxy.inject(once(fault, (q) => q.method === 'PUT')())
    expect(await s.replaceIfTag('k', bytes('two'), tag)).toBe('replaced')
    proxy.inject(once(fault, (q) => q.method === 'PUT')())
    expect(await s.replaceIfTag('k', bytes('three'), tag)).toBe('stale')
    expect((await s.get('k')).toString()).toBe('two')
  })

  test('also when it is the last try', async () => {
    const s = await ready({ attempts: 1 })
    proxy.inject(once('lost', (q) => q.method === 'PUT')())
    expect(await s.putIfAbsent('k', bytes('mine'))).toBe('created')
  })
})

describe('a file in parts', () => {
  const PART = 5 << 20
  const body = (): Buffer => Buffer.from(Array.from({ length: 12 << 20 }, (_, i) => (i * 7) & 255))
  const partOf = (q: { query: URLSearchParams }): boolean => q.query.has('partNumber')

  async function upload(s: S3Store, content: Buffer): Promise<number> {
    const w = await s.writer('big')
    for (let at = 0; at < content.length; at += 1 << 20) await w.write(content.subarray(at, at + (1 << 20)))
    return await w.close()
  }

  async function uploads(prefix: string): Promise<string[]> {
    const client = new S3Client({ endpoint: inject('s3Endpoint'), region: 'us-east-1', forcePathStyle: true })
    const answer = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix }))
    client.destroy()
    return (answer.Uploads ?? []).map((u) => u.Key ?? '')
  }
  const prefixOf = (s: S3Store): string => s.root.slice(`s3://${bucket}/`.length)

  test('goes up in parts, is there only when closed, and nothing is left over', async () => {
    const s = await ready({ partBytes: PART })
    const content = body()
    expect(await upload(s, content)).toBe(content.length)
    expect((await s.get('big')).equals(content)).toBe(true)
    const { requests } = s.link
    expect(requests.counts.get('UploadPart')).toEqual({ calls: 3, bytes: content.length })
    expect(requests.counts.get('CompleteMultipartUpload')?.calls).toBe(1)
    expect(await uploads(prefixOf(s))).toEqual([])
  })

  test.each(['refuse', 'error', 'lost', 'cut'] as const)('%s of a part, and of its end, is made good', async (fault) => {
    const s = await ready({ partBytes: PART })
    const content = body()
    proxy.inject(once(fault, partOf)())
    await upload(s, content)
    expect((await s.get('big')).equals(content)).toBe(true)
    await s.delete(['big'])
    proxy.inject(once(fault, (q) => q.method === 'POST' && q.query.has('uploadId'))())
    expect(await upload(s, content)).toBe(content.length)
    expect((await s.get('big')).equals(content)).toBe(true)
  })

  test('a part that cannot be sent fails with TRB-STORE-013, and the upload is taken away', async () => {
    const s = await ready({ partBytes: PART, attempts: 2 })
    proxy.inject((q) => (partOf(q) && q.query.get('partNumber') === '2' ? 'refuse' : null))
    await expect(upload(s, body())).rejects.toMatchObject({ code: 'TRB-STORE-013', details: { operation: 'UploadPart', attempts: 2 } })
    expect(await s.head('big')).toBeNull()
    expect(await uploads(prefixOf(s))).toEqual([])
  })

  test('does not overwrite what came meanwhile: TRB-STORE-005, and nothing is left over', async () => {
    const s = await ready({ partBytes: PART })
    const w = await s.writer('big')
    await w.write(body())
    await s.put('big', bytes('other'))
    await expect(w.close()).rejects.toMatchObject({ code: 'TRB-STORE-005' })
    expect((await s.get('big')).toString()).toBe('other')
    expect(await uploads(prefixOf(s))).toEqual([])
  })

  test('aborted in the middle leaves nothing', async () => {
    const s = await ready({ partBytes: PART })
    const w = await s.writer('big')
    await w.write(body())
    await w.abort()
    expect(await uploads(prefixOf(s))).toEqual([])
    expect(await s.head('big')).toBeNull()
  })
})

describe('what stays wrong is named', () => {
  test('a service that is down: TRB-STORE-013 after all tries', async () => {
    const s = await ready({ attempts: 3 })
    proxy.inject(() => 'refuse')
    await expect(s.get('first')).rejects.toMatchObject({ code: 'TRB-STORE-013', details: { attempts: 3, system: 'SlowDown (503)' } })
    await expect(s.putIfAbsent('k', bytes('x'))).rejects.toMatchObject({ code: 'TRB-STORE-013' })
    expect(proxy.seen.length).toBe(3 + 3 + 3)
    const nobody = newStore(bucket, s3Options({ attempts: 2 }, { endpoint: 'http://127.0.0.1:9' }))
    await expect(nobody.get('k')).rejects.toMatchObject({ code: 'TRB-STORE-013', details: { system: 'ECONNREFUSED' } })
  })

  test('a service that does not answer in time: TRB-STORE-013', async () => {
    await ready()
    const s = viaProxy({ attempts: 2, timeoutMs: 150 })
    proxy.slowMs = 20_000
    proxy.inject(() => 'slow')
    const started = Date.now()
    await expect(s.get('first')).rejects.toMatchObject({ code: 'TRB-STORE-013', details: { system: 'Timeout' } })
    expect(Date.now() - started).toBeLessThan(15_000)
  })

  test('slow is not down', async () => {
    const s = await ready()
    proxy.slowMs = 400
    proxy.inject(() => 'slow')
    expect((await s.get('first')).toString()).toBe('x')
  })

  test('a request on its way is given up when the signal of the store is aborted, and none follows: TRB-STORE-017', async () => {
    await ready()
    const stop = new AbortController()
    const store = new S3Store(`s3://${bucket}/given-up`, systemClock, s3Options({}, { endpoint: through }), stop.signal)
    proxy.slowMs = 20_000
    proxy.inject(() => {
      setTimeout(() => stop.abort(), 50)
      return 'slow'
    })
    const began = Date.now()
    await expect(store.get('k')).rejects.toMatchObject({ code: 'TRB-STORE-017' })
    await expect(store.put('k', bytes('x'))).rejects.toMatchObject({ code: 'TRB-STORE-017' })
    expect(Date.now() - began).toBeLessThan(15_000)
    expect(proxy.seen.length).toBe(1)
  })

  test('a bucket that is missing: TRB-STORE-010, whatever is done first', async () => {
    const s = new S3Store('s3://no-such-bucket-here/lake', systemClock, s3Options())
    for (const call of [() => s.get('k'), () => s.put('k', bytes('x')), () => keysOf(s, ''), () => s.delete(['k'])])
      await expect(call()).rejects.toMatchObject({ code: 'TRB-STORE-010', details: { bucket: 'no-such-bucket-here' } })
  })

  test('credentials that may not: TRB-STORE-009 with the request', async () => {
    const saved = process.env['AWS_SECRET_ACCESS_KEY']
    process.env['AWS_SECRET_ACCESS_KEY'] = 'wrong'
    try {
      const s = newStore(bucket)
      await expect(s.get('k')).rejects.toMatchObject({ code: 'TRB-STORE-009', details: { operation: 'GetObject', key: 'k' } })
      await expect(s.head('k')).rejects.toMatchObject({ code: 'TRB-STORE-009' })
      await expect(keysOf(s, '')).rejects.toMatchObject({ code: 'TRB-STORE-009' })
    } finally {
      process.env['AWS_SECRET_ACCESS_KEY'] = saved
    }
  })

  test('no credentials at all: TRB-STORE-011', async () => {
    const saved = { ...process.env }
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) delete process.env[name]
    Object.assign(process.env, { HOME: '/nonexistent', AWS_SHARED_CREDENTIALS_FILE: '/nonexistent', AWS_CONFIG_FILE: '/nonexistent' })
    try {
      await expect(newStore(bucket).get('k')).rejects.toMatchObject({ code: 'TRB-STORE-011' })
    } finally {
      for (const name of ['AWS_SHARED_CREDENTIALS_FILE', 'AWS_CONFIG_FILE']) delete process.env[name]
      Object.assign(process.env, saved)
    }
  })
})

describe('answers of other services', () => {
  /** A service that says the same to everything. */
  async function saying(status: number, headers: Record<string, string>, body: string, work: (s: S3Store) => Promise<void>): Promise<void> {
    const server = createServer((q, a) => {
      q.resume()
      q.on('end', () => a.writeHead(status, headers).end(body))
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    try {
      await work(newStore(bucket, s3Options({ attempts: 2 }, { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })))
    } finally {
      server.closeAllConnections()
      server.close()
    }
  }
  const error = (code: string): string => `<?xml version="1.0"?><Error><Code>${code}</Code><Message>m</Message></Error>`
  const XML = { 'content-type': 'application/xml' }

  test('one that ignores conditions is not written to: TRB-STORE-012', async () => {
    await saying(200, { ETag: '"a"' }, '', async (s) => {
      await expect(s.putIfAbsent('k', bytes('x'))).rejects.toMatchObject({ code: 'TRB-STORE-012', details: { system: 'ignored' } })
    })
  })

  test('one that does not know them: TRB-STORE-012', async () => {
    await saying(501, XML, error('NotImplemented'), async (s) => {
      await expect(s.putIfAbsent('k', bytes('x'))).rejects.toMatchObject({ code: 'TRB-STORE-012' })
    })
  })

  test('a bucket of another region: TRB-STORE-015', async () => {
    await saying(400, XML, error('AuthorizationHeaderMalformed'), async (s) => {
      await expect(s.get('k')).rejects.toMatchObject({ code: 'TRB-STORE-015' })
    })
  })

  test('an error without a name: TRB-STORE-004', async () => {
    await saying(418, XML, error('Teapot'), async (s) => {
      await expect(s.get('k')).rejects.toMatchObject({ code: 'TRB-STORE-004', details: { system: 'Teapot (418)' } })
    })
  })
})
