import Database from 'better-sqlite3'
import { afterEach, describe, expect, test } from 'vitest'
import type { Clock } from '../../../src/contract/clock.ts'
import { type ConfluentOptions, DEFAULT_CONFLUENT_OPTIONS } from '../../../src/registry/confluent/confluent-options.ts'
import { ConfluentRegistry } from '../../../src/registry/confluent/confluent-registry.ts'
import { createSchemaCache } from '../../../src/registry/confluent/schema-cache.ts'
import { openRegistry } from '../server/open-registry.ts'
import { type Scripted, scriptedServer } from './scripted-server.ts'

const row = (...fields: string[]): string => `{"type":"record","name":"Value","namespace":"shop.orders","fields":[${fields.join(',')}]}`
const a = '{"name":"a","type":"int"}'
const b = '{"name":"b","type":"int"}'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** Time passes by sleeping only. */
function fastClock(): Clock & { slept: number } {
  const clock = {
    slept: 0,
    now: () => clock.slept,
    sleep: async (ms: number) => {
      clock.slept += ms
    },
    uuid: () => '',
    random: () => 0.5,
  }
  return clock
}

function client(urls: string | readonly string[], options: Partial<ConfluentOptions> = {}): ConfluentRegistry {
  const list = typeof urls === 'string' ? [urls] : urls
  const registry = new ConfluentRegistry({ ...DEFAULT_CONFLUENT_OPTIONS, clock: fastClock(), urls: list, ...options })
  closing.push(() => registry.close())
  return registry
}

async function ours(options: Parameters<typeof openRegistry>[0] = {}): ReturnType<typeof openRegistry> {
  const registry = await openRegistry(options)
  closing.push(() => registry.close())
  return registry
}

async function scripted(answer: Parameters<typeof scriptedServer>[0]): ReturnType<typeof scriptedServer> {
  const server = await scriptedServer(answer)
  closing.push(() => server.close())
  return server
}

const id = (n: number): Scripted => ({ status: 200, body: { id: n } })
const error = (status: number, code: number, message = 'no'): Scripted => ({ status, body: { error_code: code, message } })

describe('ids', () => {
  test('are those of the registry, and schemas come back by them', async () => {
    const registry = client((await ours()).url)
    const first = await registry.register('shop.orders-value', row(a))
    expect(await registry.register('other-value', row(a))).toBe(first)
    expect(await registry.schema(first)).toBe(row(a))
  })
  test('are asked for once, also by many at the same time', async () => {
    const server = await scripted((r) => (r.startsWith('POST') ? id(7) : { status: 200, body: { schema: row(a) } }))
    const registry = client(server.url)
    expect(await Promise.all([1, 2, 3].map(() => registry.register('t-value', row(a))))).toEqual([7, 7, 7])
    await Promise.all([1, 2, 3].map(() => registry.schema(7)))
    expect(server.requests).toEqual(['POST /subjects/t-value/versions', 'GET /schemas/ids/7'])
  })
  test('that could not be had are asked for again', async () => {
    const server = await scripted(() => error(404, 40403))
    const registry = client(server.url)
    await expect(registry.schema(7)).rejects.toMatchObject({ code: 'TRB-REG-001', details: { id: 7 } })
    server.answer = () => ({ status: 200, body: { schema: row(a) } })
    expect(await registry.schema(7)).toBe(row(a))
  })
  test.each([
    ['topic', 'shop.orders-value'],
    ['record', 'shop.orders.Value'],
    ['topic-record', 'shop.orders-shop.orders.Value'],
  ] as const)('naming strategy %s registers under %s', async (subjects, subject) => {
    const server = await ours()
    await client(server.url, { subjects }).register('shop.orders-value', row(a))
    expect(server.service.subjects('live')).toEqual([subject])
  })
  test('strategies by record refuse what is no record', async () => {
    const registry = client('http://127.0.0.1:1', { subjects: 'record' })
    expect(() => registry.register('t-key', '"int"')).toThrow(expect.objectContaining({ code: 'TRB-REG-011' }))
  })
  test('without the right to register are looked up', async () => {
    const server = await ours()
    const known = await server.service.register('t-value', row(a))
    const registry = client(server.url, { autoRegister: false })
    expect(await registry.register('t-value', row(a))).toBe(known)
    await expect(registry.register('t-value', row())).rejects.toMatchObject({ code: 'TRB-REG-008' })
    await expect(registry.register('u-value', row(a))).rejects.toMatchObject({ code: 'TRB-REG-008' })
    expect(server.service.subjects('live')).toEqual(['t-value'])
  })
})

describe('refusals', () => {
  test('409 names the level, the version, the field and what to do', async () => {
    const server = await ours()
    const registry = client(server.url)
    await registry.register('t-value', row(a))
    const failure = await registry.register('t-value', row(a, b)).catch((e: unknown) => e)
    expect(failure).toMatchObject({ code: 'TRB-REG-002', details: { subject: 't-value', level: 'BACKWARD' } })
    const { what, fix } = (failure as { explain(): { what: string; fix: string } }).explain()
    expect(what).toContain('field b is new and has no default (compared with version 1)')
    expect(fix).toContain('Let column b be null or have a default')
    expect(fix).toContain(`-d '{"compatibility":"NONE"}' ${server.url}/config/t-value`)
  })
  test("409 of a registry that tells nothing else is passed on in the registry's own words", async () => {
    const server = await scripted((r) => (r.startsWith('POST') ? error(409, 409, 'not like this') : error(404, 404)))
    await expect(client(server.url).register('t-value', row(a))).rejects.toMatchObject({
      code: 'TRB-REG-002',
      details: { level: 'unknown', problem: 'not like this' },
    })
  })
  test.each([
    ['an unknown id', 'schema', error(404, 40403), 'TRB-REG-001'],
    ['wrong credentials', 'register', error(401, 401), 'TRB-REG-004'],
    ['a missing right', 'register', error(403, 40301), 'TRB-REG-005'],
    ['an invalid schema', 'register', error(422, 42201), 'TRB-REG-006'],
    ['a read-only subject', 'register', error(422, 42205), 'TRB-REG-010'],
    ['a page of a proxy', 'register', { status: 200, body: '<html>hello</html>' }, 'TRB-REG-009'],
    ['another service', 'register', { status: 200, body: { ok: true } }, 'TRB-REG-009'],
    ['an id beyond 31 bits', 'register', id(2 ** 31), 'TRB-REG-009'],
    ['a redirect', 'register', { status: 302, body: {}, headers: { location: '/elsewhere' } }, 'TRB-REG-009'],
    ['a path that is not there', 'register', error(404, 404), 'TRB-REG-009'],
    ['a schema of Protobuf', 'schema', { status: 200, body: { schema: 'x', schemaType: 'PROTOBUF' } }, 'TRB-REG-013'],
    ['a schema with references', 'schema', { status: 200, body: { schema: '"x.A"', references: [{}] } }, 'TRB-REG-013'],
  ] as const)('%s', async (_what, call, answer, code) => {
    const server = await scripted(() => answer)
    const registry = client(server.url)
    const asked = call === 'schema' ? registry.schema(1) : registry.register('t-value', row(a))
    await expect(asked).rejects.toMatchObject({ code })
    expect(server.requests.length, 'not asked again').toBe(1)
  })
  test.each([
    ['no URL', []],
    ['no http', ['ftp://host']],
    ['no URL at all', ['host:8081:x']],
  ])('%s is refused', (_what, urls) => {
    expect(() => client(urls)).toThrow(expect.objectContaining({ code: 'TRB-REG-011' }))
  })
  test('files that are no PEM are refused before anything is asked', () => {
    const tls = { ca: null, cert: 'no', key: 'no', passphrase: null }
    expect(() => client('https://127.0.0.1:1', { tls })).toThrow(expect.objectContaining({ code: 'TRB-REG-011' }))
  })
  test('an address that does not speak TLS is told apart from one that does not answer', async () => {
    const server = await scripted(() => id(1))
    const registry = client(server.url.replace('http:', 'https:'))
    await expect(registry.register('t-value', row(a))).rejects.toMatchObject({ code: 'TRB-REG-007' })
  })
})

describe('credentials', () => {
  test('of basic authentication, also out of the URL, and a bearer token', async () => {
    const seen: (string | undefined)[] = []
    const server = await scripted((_r, headers) => {
      seen.push(headers.authorization)
      return id(1)
    })
    await client(server.url, { auth: { kind: 'basic', user: 'app', password: 'p:w' } }).register('t-value', row(a))
    const registry = client(server.url.replace('//', '//app:p%3Aw@'))
    await registry.register('t-value', row(a))
    expect(registry.name).toBe(server.url)
    await client(server.url, { auth: { kind: 'bearer', token: 'tok' } }).register('t-value', row(a))
    await client(server.url).register('t-value', row(a))
    const basic = `Basic ${btoa('app:p:w')}`
    expect(seen).toEqual([basic, basic, 'Bearer tok', undefined])
  })
  test('are asked for by ours', async () => {
    const { url } = await ours({ user: { name: 'app', password: 'secret' } })
    await expect(client(url).register('t-value', row(a))).rejects.toMatchObject({ code: 'TRB-REG-004' })
    expect(await client(url, { auth: { kind: 'basic', user: 'app', password: 'secret' } }).register('t-value', row(a))).toBe(1)
  })
})

describe('outages', () => {
  test('of one server of several are not noticed', async () => {
    const down = await scripted(() => 'cut')
    const up = await scripted(() => id(3))
    const registry = client([down.url, up.url])
    expect(await registry.register('t-value', row(a))).toBe(3)
    expect(await registry.register('u-value', row(a))).toBe(3)
    expect(down.requests, 'the one that answered is asked first').toHaveLength(1)
  })
  test('that pass are waited out, with growing pauses', async () => {
    let n = 0
    const server = await scripted(() => (n++ < 4 ? error(503, 50003) : id(3)))
    const clock = fastClock()
    expect(await client(server.url, { clock }).register('t-value', row(a))).toBe(3)
    expect(clock.slept).toBeGreaterThan(1000)
  })
  test.each([
    ['nobody listens', () => Promise.resolve('http://127.0.0.1:1')],
    ['the connection is cut', async () => (await scripted(() => 'cut')).url],
    ['no answer comes', async () => (await scripted(() => 'hang')).url],
    ['it can not serve', async () => (await scripted(() => error(500, 50001))).url],
    ['it is asked too much', async () => (await scripted(() => error(429, 429))).url],
  ])('that last are an error: %s', async (_what, url) => {
    const clock = fastClock()
    const registry = client(await url(), { clock, patienceMs: 500, timeoutMs: 50 })
    await expect(registry.schema(1)).rejects.toMatchObject({ code: 'TRB-REG-003' })
    expect(clock.slept).toBeLessThan(1000)
  })
  test('do not stop what earlier processes were told; anything new does', async () => {
    const db = new Database(':memory:')
    const server = await scripted((r) => (r.startsWith('POST') ? id(5) : { status: 200, body: { schema: row(a) } }))
    const cache = (): ReturnType<typeof createSchemaCache> => createSchemaCache(db, server.url)
    const before = client(server.url, { cache: cache() })
    await before.register('t-value', row(a))
    await before.schema(5)
    server.answer = () => 'cut'

    const told: boolean[] = []
    const clock = fastClock()
    const after = client(server.url, { cache: cache(), clock, onOutage: (outage) => told.push(outage) })
    expect(await after.register('t-value', row(a))).toBe(5)
    expect(await after.schema(5)).toBe(row(a))
    expect(clock.slept, 'known schemas wait for nothing').toBe(0)
    await expect(after.register('t-value', row(a, b))).rejects.toMatchObject({ code: 'TRB-REG-003' })
    server.answer = () => id(6)
    expect(await after.register('t-value', row(b))).toBe(6)
    expect(told).toEqual([true, false])
    db.close()
  })
  test('are the only time when the cache is believed: a registry that lost its schemas gives new ids', async () => {
    const db = new Database(':memory:')
    createSchemaCache(db, 'x').putId('t-value', row(a), 5)
    const server = await scripted(() => id(1))
    expect(await client(server.url, { cache: createSchemaCache(db, 'x') }).register('t-value', row(a))).toBe(1)
    expect(createSchemaCache(db, 'x').id('t-value', row(a))).toBe(1)
    expect(createSchemaCache(db, 'y').id('t-value', row(a))).toBe(null)
    db.close()
  })
  test('are waited out only until the signal; a question that is being answered goes on', async () => {
    const stop = new AbortController()
    const server = await scripted(() => {
      stop.abort(new Error('stopped'))
      return id(1)
    })
    const clock = { ...fastClock(), sleep: async (_ms: number, signal?: AbortSignal) => signal?.throwIfAborted() }
    expect(await client(server.url, { clock, signal: stop.signal }).register('t-value', row(a))).toBe(1)
    await expect(client('http://127.0.0.1:1', { clock, signal: stop.signal }).schema(1)).rejects.toThrow('stopped')
  })
  test('are not tried out anew for each known schema', async () => {
    const db = new Database(':memory:')
    const cache = createSchemaCache(db, 'x')
    for (let i = 0; i < 20; i++) cache.putId(`t${i}-value`, row(a), 5)
    const server = await scripted(() => 'cut')
    const clock = fastClock()
    const registry = client(server.url, { cache, clock })
    for (let i = 0; i < 20; i++) await registry.register(`t${i}-value`, row(a))
    expect(server.requests).toHaveLength(1)
    clock.slept += 10_000
    await registry.register('t0-key', row(a)).catch(() => undefined)
    expect(server.requests.length).toBeGreaterThan(1)
    db.close()
  })
})
