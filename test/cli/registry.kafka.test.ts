import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { systemClock } from '../../src/cli/clock.ts'
import { type ConfluentOptions, DEFAULT_CONFLUENT_OPTIONS } from '../../src/registry/confluent/confluent-options.ts'
import { ConfluentRegistry } from '../../src/registry/confluent/confluent-registry.ts'
import { ask } from '../conformance/registry.ts'
import { openRegistry } from '../registry/server/open-registry.ts'
import { freshDatabase, type TestDatabase } from '../support/postgres.ts'
import { repository, runBin } from './run-bin.ts'

const { bootstrap, data } = inject('kafka')
const dir = mkdtempSync(join(tmpdir(), 'trib-registry-run-'))
const pem = (name: string): string => readFileSync(join(data, 'tls', name), 'utf8')
let database: TestDatabase
const children: ChildProcess[] = []
beforeAll(async () => {
  database = await freshDatabase('registry')
})
afterAll(async () => {
  for (const c of children) c.kill('SIGKILL')
  await database.drop()
  rmSync(dir, { recursive: true, force: true })
})

/** A program that goes on, and the first thing it says that matches. */
function started(args: readonly string[], said: RegExp): Promise<{ readonly child: ChildProcess; readonly found: string }> {
  const child = spawn(process.execPath, [`${repository}bin/cdc.mjs`, ...args], { env: { PATH: process.env['PATH'], TZ: 'UTC' } })
  children.push(child)
  return new Promise((resolve, reject) => {
    let text = ''
    child.stderr.on('data', (d: Buffer) => {
      text += d.toString()
      const m = said.exec(text)
      if (m !== null) resolve({ child, found: m[1]! })
    })
    child.on('exit', () => reject(new Error(text)))
  })
}

const ended = (child: ChildProcess): Promise<number | null> => new Promise((resolve) => child.on('exit', resolve))

describe('cdc registry', () => {
  test('serves until it is told to stop, keeps its schemas, and has its directory for itself', async () => {
    const state = join(dir, 'own')
    const first = await started(['registry', '--listen', '0', '--state', state], /registry (http\S+)/)
    expect((await ask(first.found, 'POST', '/subjects/t/versions', { schema: '"int"' })).body).toEqual({ id: 1 })
    const second = await runBin('cdc', ['registry', '--listen', '0', '--state', state])
    expect([second.code, second.stderr]).toEqual([3, expect.stringContaining('TRB-LOG-001')])
    first.child.kill('SIGTERM')
    expect(await ended(first.child)).toBe(0)
    const again = await started(['registry', '--listen', '0', '--state', state], /registry (http\S+)/)
    expect((await ask(again.found, 'GET', '/schemas/ids/1')).body).toEqual({ schema: '"int"' })
    again.child.kill('SIGKILL')
    await ended(again.child)
  })
  test('on a topic ends when another one takes the topic over', async () => {
    const args = ['registry', '--listen', '0', '--kafka', bootstrap, '--topic', `schemas-${process.pid}-cli`]
    const first = await started(args, /registry (http\S+)/)
    await ask(first.found, 'POST', '/subjects/t/versions', { schema: '"int"' })
    const second = await started(args, /registry (http\S+)/)
    expect((await ask(second.found, 'GET', '/subjects/t/versions/1')).body).toMatchObject({ id: 1, schema: '"int"' })
    const end = ended(first.child)
    expect((await ask(first.found, 'POST', '/subjects/t/versions', { schema: '"long"' })).status).toBe(500)
    expect(await end).toBe(1)
    expect((await ask(second.found, 'POST', '/subjects/t/versions', { schema: '"long"' })).body).toEqual({ id: 2 })
    second.child.kill('SIGINT')
    expect(await ended(second.child)).toBe(0)
  })
})

describe('cdc run with a registry', () => {
  const flags = (name: string, ...more: string[]): string[] => [
    ...['run', '--url', database.url, '--tables', `public.${name}`, '--name', name, '--slot-name', name, '--publication', name],
    ...['--state', join(dir, name), '--kafka', bootstrap, '--lake', 'none', '--once', ...more],
  ]
  test('stops at a change of a table that the level forbids, says which column, and goes on once it is allowed', async () => {
    const { url, close } = await openRegistry()
    const name = `incompatible_${process.pid}`
    const run = (): ReturnType<typeof runBin> => runBin('cdc', flags(name, '--registry', url))
    await database.sql(`CREATE TABLE ${name} (id int PRIMARY KEY, a text); INSERT INTO ${name} VALUES (1, 'x')`)
    expect((await run()).code).toBe(0)
    await database.sql(`ALTER TABLE ${name} ADD total int NOT NULL DEFAULT 0`)
    await database.sql(`ALTER TABLE ${name} ALTER total DROP DEFAULT; INSERT INTO ${name} VALUES (2, 'y', 5)`)
    const refused = await run()
    expect(refused.code, refused.stderr).toBe(1)
    expect(refused.stderr).toContain('TRB-REG-002')
    expect(refused.stderr).toContain('field total is new and has no default (compared with version 1)')
    const [, subject] = /(\S+\/config\/\S+)/.exec(refused.stderr)!
    expect(subject).toBe(`${url}/config/${name}.public.${name}-value`)
    await ask(url, 'PUT', `/config/${name}.public.${name}-value`, { compatibility: 'NONE' })
    const allowed = await run()
    expect(allowed.code, allowed.stderr).toBe(0)
    expect((await ask(url, 'GET', `/subjects/${name}.public.${name}-value/versions`)).body).toEqual([1, 2])
    await close()
  })
  test('that is down goes on with the schemas that it knew, and waits for others no longer than it should', async () => {
    const { url, close } = await openRegistry()
    const name = `down_${process.pid}`
    const run = (): ReturnType<typeof runBin> => runBin('cdc', flags(name, '--registry', url, '--registry-patience', '300ms'))
    await database.sql(`CREATE TABLE ${name} (id int PRIMARY KEY, a text); INSERT INTO ${name} VALUES (1, 'x')`)
    expect((await run()).code).toBe(0)
    await close()
    await database.sql(`INSERT INTO ${name} VALUES (2, 'y')`)
    const known = await run()
    expect(known.code, known.stderr).toBe(0)
    expect(known.stderr).toContain('known schemas go on')
    await database.sql(`ALTER TABLE ${name} ADD b int; INSERT INTO ${name} VALUES (3, 'z', 1)`)
    const unknown = await run()
    expect([unknown.code, unknown.stderr]).toEqual([5, expect.stringContaining('TRB-REG-003')])
  })
  test('that asks for credentials is told apart, and they are printed nowhere', async () => {
    const { url, close } = await openRegistry({ user: { name: 'app', password: 'right-secret' } })
    const name = `denied_${process.pid}`
    await database.sql(`CREATE TABLE ${name} (id int PRIMARY KEY); INSERT INTO ${name} VALUES (1)`)
    const denied = await runBin('cdc', flags(name, '--registry', url.replace('//', '//app:wrong-secret@')))
    expect([denied.code, denied.stderr]).toEqual([2, expect.stringContaining('TRB-REG-004')])
    expect(denied.stderr).not.toContain('wrong-secret')
    const env = { TRIBUTARY_REGISTRY_USER: 'app', TRIBUTARY_REGISTRY_PASSWORD: 'right-secret' }
    const allowed = await runBin('cdc', flags(name, '--registry', url), { env })
    expect(allowed.code, allowed.stderr).toBe(0)
    await close()
  })
  test('of its own serves the ids of its topics while it runs', async () => {
    const name = `served_${process.pid}`
    await database.sql(`CREATE TABLE ${name} (id int PRIMARY KEY, a text); INSERT INTO ${name} VALUES (1, 'x')`)
    const args = flags(name, '--registry-listen', '0').filter((a) => a !== '--once')
    const { child, found } = await started(args, /registry (http:\S+)/)
    const subject = `${name}.public.${name}-value`
    for (let i = 0; i < 2000; i++) {
      const { status, body } = await ask(found, 'GET', `/subjects/${subject}/versions/1`)
      if (status === 200) {
        expect(body).toMatchObject({ subject, schema: expect.stringContaining('"name":"Envelope"') })
        break
      }
      expect(i).toBeLessThan(1999)
      await systemClock.sleep(50)
    }
    expect((await ask(found, 'GET', '/config')).body).toEqual({ compatibilityLevel: 'NONE' })
    child.kill('SIGINT')
    expect(await ended(child)).not.toBe(1)
  })
})

describe('TLS', () => {
  const row = '{"type":"record","name":"A","fields":[]}'
  const client = (url: string, tls: ConfluentOptions['tls']): ConfluentRegistry =>
    new ConfluentRegistry({ ...DEFAULT_CONFLUENT_OPTIONS, clock: systemClock, urls: [url], tls, patienceMs: 1000 })
  const files = { ca: null, cert: null, key: null, passphrase: null }

  test('a registry is trusted by its authority, and by nothing else', async () => {
    const { url, close } = await openRegistry({ tls: { cert: pem('broker.pem'), key: pem('broker.key'), ca: null } })
    expect(await client(url, { ...files, ca: pem('ca.pem') }).register('t', row)).toBe(1)
    await expect(client(url, null).register('t', row)).rejects.toMatchObject({ code: 'TRB-REG-007' })
    await close()
  })
  test('a registry that asks for certificates lets in who has one of its authority', async () => {
    const { url, close } = await openRegistry({ tls: { cert: pem('broker.pem'), key: pem('broker.key'), ca: pem('ca.pem') } })
    const own = { ca: pem('ca.pem'), cert: pem('client.pem'), key: pem('client.key'), passphrase: null }
    expect(await client(url, own).register('t', row)).toBe(1)
    await expect(client(url, { ...files, ca: pem('ca.pem') }).register('t', row)).rejects.toMatchObject({
      code: expect.stringMatching(/^TRB-REG-00[37]$/),
    })
    const status = await new Promise((resolve) => {
      request(url, { ca: pem('ca.pem') }, (r) => resolve(r.statusCode))
        .on('error', (e: NodeJS.ErrnoException) => resolve(e.code))
        .end()
    })
    expect(status, 'nobody else gets an answer').toEqual(expect.any(String))
    await close()
  })
})
