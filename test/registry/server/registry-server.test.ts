import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EmbeddedRegistry } from '../../../src/registry/embedded/embedded-registry.ts'
import { createStateJournal } from '../../../src/registry/server/state-journal.ts'
import { ask, registryConformance } from '../../conformance/registry.ts'
import { type OpenedRegistry, openRegistry } from './open-registry.ts'

const schema = (...fields: string[]): string =>
  `{"type":"record","name":"A","fields":[${fields.map((name) => `{"name":"${name}","type":"int"}`).join(',')}]}`

let shared: OpenedRegistry
beforeAll(async () => {
  shared = await openRegistry()
})
afterAll(async () => {
  expect(shared.errors).toEqual([])
  await shared.close()
})

registryConformance('ours, in a state directory', { url: () => shared.url, differs: {} })

describe('the state directory', () => {
  test('holds everything for the next start: versions, deletions, levels, modes, ids never given twice', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'trib-registry-'))
    const first = await openRegistry({ dir })
    for (const [subject, text] of [
      ['kept', schema('a')],
      ['soft', schema('b')],
      ['gone', schema('c')],
    ]) {
      await ask(first.url, 'POST', `/subjects/${subject}/versions`, { schema: text })
    }
    for (const path of ['/subjects/soft', '/subjects/gone', '/subjects/gone?permanent=true']) await ask(first.url, 'DELETE', path)
    await ask(first.url, 'PUT', '/config', { compatibility: 'FULL' })
    await ask(first.url, 'PUT', '/mode/kept', { mode: 'READONLY' })
    await first.close()

    const second = await openRegistry({ dir })
    expect((await ask(second.url, 'GET', '/subjects?deleted=true')).body).toEqual(['kept', 'soft'])
    expect((await ask(second.url, 'GET', '/subjects')).body).toEqual(['kept'])
    expect((await ask(second.url, 'GET', '/config')).body).toEqual({ compatibilityLevel: 'FULL' })
    expect((await ask(second.url, 'GET', '/mode/kept')).body).toEqual({ mode: 'READONLY' })
    expect((await ask(second.url, 'POST', '/subjects/new/versions', { schema: schema('d') })).body).toEqual({ id: 4 })
    await second.close()
    rmSync(dir, { recursive: true })
  })
  test('what a capture registered before anyone was served is taken over; what is served then, other readers of the directory read', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'trib-registry-'))
    const before = await openRegistry({ dir })
    const embedded = new EmbeddedRegistry(before.db)
    const id = await embedded.register('shop.orders-value', schema('a'))
    await before.close()

    const served = await openRegistry({ dir })
    expect((await ask(served.url, 'GET', `/schemas/ids/${id}`)).body).toEqual({ schema: schema('a') })
    const { body } = await ask(served.url, 'POST', '/subjects/shop.orders-value/versions', { schema: schema() })
    expect(new EmbeddedRegistry(served.db).schemaText((body as { id: number }).id)).toBe(schema())
    expect(new EmbeddedRegistry(served.db).versions('shop.orders-value').map((v) => v.version)).toEqual([1, 2])
    await served.close()
    rmSync(dir, { recursive: true })
  })
  test('records of a kind that is not served stop the start', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'trib-registry-'))
    const first = await openRegistry({ dir })
    first.db.prepare('INSERT INTO registry_log (key, value) VALUES (?, ?)').run('{"keytype":"ENCODER","magic":0}', '{}')
    await first.close()
    await expect(openRegistry({ dir })).rejects.toMatchObject({ code: 'TRB-REG-014' })
    rmSync(dir, { recursive: true })
  })
})

describe('the process that serves it', () => {
  test('registers by the same rules, and is told what to do about a refusal', async () => {
    const registry = await openRegistry()
    const { service } = registry
    const id = await service.register('t-value', schema('a'))
    expect(await service.schema(id)).toBe(schema('a'))
    await expect(service.register('t-value', schema('a', 'b'))).rejects.toMatchObject({ code: 'TRB-REG-002' })
    await expect(service.register('u-value', '{"type":"record","name":"a-b","fields":[]}')).rejects.toMatchObject({ code: 'TRB-REG-006' })
    await service.setMode('u-value', 'READONLY', false)
    await expect(service.register('u-value', schema('a'))).rejects.toMatchObject({ code: 'TRB-REG-010' })
    await expect(service.schema(99)).rejects.toMatchObject({ code: 'TRB-ENV-006' })
    await registry.close()
  })
  test('many at once get one version each, without holes, and one id for each schema', async () => {
    const registry = await openRegistry({ level: 'NONE' })
    const ids = await Promise.all(Array.from({ length: 40 }, (_, i) => registry.service.register('many', schema(`f${i % 20}`))))
    expect(new Set(ids).size).toBe(20)
    expect(ids.slice(0, 20)).toEqual(ids.slice(20))
    expect(registry.service.versions('many', 'live').map((v) => v.version)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
    await registry.close()
  })
  test('nothing counts that could not be made durable', async () => {
    const inner = await openRegistry()
    const journal = createStateJournal(inner.db)
    let broken = true
    const append: typeof journal.append = async (records) => {
      if (broken) throw new Error('disk full')
      await journal.append(records)
    }
    const registry = await openRegistry({ journal: { ...journal, append } })
    const answer = await ask(registry.url, 'POST', '/subjects/a/versions', { schema: schema('a') })
    expect(answer).toMatchObject({ status: 500, body: { error_code: 50001 } })
    expect(registry.errors).toHaveLength(1)
    expect((await ask(registry.url, 'GET', '/subjects')).body).toEqual([])
    broken = false
    expect((await ask(registry.url, 'POST', '/subjects/a/versions', { schema: schema('a') })).body).toEqual({ id: 1 })
    await registry.close()
    await inner.close()
  })
})

describe('HTTP', () => {
  test('unknown paths and methods are told apart', async () => {
    expect(await ask(shared.url, 'GET', '/nothing')).toMatchObject({ status: 404, body: { error_code: 404 } })
    expect(await ask(shared.url, 'PATCH', '/subjects')).toMatchObject({ status: 405, body: { error_code: 405 } })
  })
  test.each([
    ['no JSON', 'text', 400],
    ['no object', '[]', 400],
    ['nothing', undefined, 400],
    ['no schema', '{}', 422],
    ['references that are none', '{"schema":"\\"int\\"","references":[{"name":1}]}', 422],
  ])('a body that is %s is refused', async (_what, body, status) => {
    const response = await fetch(`${shared.url}/subjects/bad/versions`, { method: 'POST', ...(body === undefined ? {} : { body }) })
    expect(response.status).toBe(status)
  })
  test('a body of any size is refused without being kept', async () => {
    const body = `{"schema":"${' '.repeat(5_000_000)}"}`
    expect((await fetch(`${shared.url}/subjects/big/versions`, { method: 'POST', body })).status).toBe(413)
  })
  test('a path that is not percent-encoded is refused', async () => {
    const { port } = new URL(shared.url)
    const text = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1', () =>
        socket.write('GET /subjects/%zz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'),
      )
      let got = ''
      socket.on('data', (d) => {
        got += d.toString()
      })
      socket.on('end', () => resolve(got))
      socket.on('error', reject)
    })
    expect(text).toMatch(/^HTTP\/1.1 400 /)
  })
  test('with a user set, nobody else is answered', async () => {
    const registry = await openRegistry({ user: { name: 'app', password: 'secret' } })
    const status = async (authorization?: string): Promise<number> =>
      (await fetch(`${registry.url}/subjects`, { headers: authorization === undefined ? {} : { authorization } })).status
    expect(await status()).toBe(401)
    expect(await status(`Basic ${btoa('app:wrong')}`)).toBe(401)
    expect(await status(`Basic ${btoa('app:secret')}`)).toBe(200)
    await registry.close()
  })
  test('what was asked before the end is answered; half a request holds nothing up, and is no error', async () => {
    const inner = await openRegistry()
    const journal = createStateJournal(inner.db)
    const written = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const append: typeof journal.append = async (records) => {
      begun.resolve()
      await written.promise
      await journal.append(records)
    }
    const registry = await openRegistry({ journal: { ...journal, append } })
    const asked = ask(registry.url, 'POST', '/subjects/late/versions', { schema: schema('a') })
    const half = connect(Number(new URL(registry.url).port), '127.0.0.1')
    half.on('error', () => undefined)
    half.write('POST /subjects/half/versions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{')
    await begun.promise
    const closed = registry.close()
    written.resolve()
    expect(await asked).toMatchObject({ status: 200, body: { id: 1 } })
    await closed
    expect(registry.errors).toEqual([])
    half.destroy()
    await inner.close()
  })
  test('an address that is taken is refused', async () => {
    const other: Server = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as { port: number }
    await expect(openRegistry({ port })).rejects.toMatchObject({ code: 'TRB-REG-012', details: { detail: 'EADDRINUSE' } })
    other.close()
  })
  test('files that are no certificate are refused', async () => {
    await expect(openRegistry({ tls: { cert: 'no', key: 'no', ca: null } })).rejects.toMatchObject({ code: 'TRB-REG-011' })
  })
})
