import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/cli/clock.ts'
import { confluentOptionsOf, type RegistryFlagValues, registryFlags } from '../../src/cli/registry-flags.ts'
import { type ListenSettings, openRegistryServer } from '../../src/cli/registry-server.ts'
import { openStateDatabase } from '../../src/log/embedded/database.ts'
import { createStateJournal } from '../../src/registry/server/state-journal.ts'

const dir = mkdtempSync(join(tmpdir(), 'trib-registry-flags-'))
afterAll(() => rmSync(dir, { recursive: true }))

const defaults = Object.fromEntries(Object.entries(registryFlags).map(([k, f]) => [k, f.default])) as unknown as RegistryFlagValues

describe('flags of a registry of others', () => {
  const secrets: string[] = []
  const world = { clock: systemClock, cwd: dir, secret: (s: string) => void secrets.push(s) }
  const options = (flags: Partial<RegistryFlagValues>) => confluentOptionsOf({ ...defaults, registry: ['http://a:1'], ...flags }, world)

  test('none: there is no client', async () => {
    expect(await options({ registry: [] })).toBe(null)
  })
  test('become what the client takes; files are read', async () => {
    writeFileSync(join(dir, 'ca.pem'), 'CA')
    expect(await options({ 'registry-user': 'u', 'registry-password': 'p', 'registry-ca': 'ca.pem' })).toMatchObject({
      urls: ['http://a:1'],
      auth: { kind: 'basic', user: 'u', password: 'p' },
      tls: { ca: 'CA', cert: null, key: null },
      subjects: 'topic',
      autoRegister: true,
      patienceMs: 30_000,
    })
    expect(await options({ 'registry-token': 't' })).toMatchObject({ auth: { kind: 'bearer', token: 't' }, tls: null })
  })
  test('a password in a URL is a secret', async () => {
    await options({ registry: ['http://u:hidden@a:1'] })
    expect(secrets).toContain('hidden')
  })
  test.each([
    ['a user and a token', { 'registry-user': 'u', 'registry-token': 't' }],
    ['a password without a user', { 'registry-password': 'p' }],
    ['a certificate without its key', { 'registry-cert': 'c' }],
    ['a key without its certificate', { 'registry-key': 'k' }],
    ['a file that is not there', { 'registry-ca': 'absent.pem' }],
  ])('%s: refused', async (_what, flags) => {
    await expect(options(flags)).rejects.toMatchObject({ code: 'TRB-REG-011' })
  })
})

describe('flags of ours', () => {
  const settings: ListenSettings = { address: '0', user: null, password: null, cert: null, key: null, clientCa: null, level: 'BACKWARD' }
  const open = async (given: Partial<ListenSettings>) => {
    const db = openStateDatabase(join(dir, 'state'))
    try {
      const server = await openRegistryServer(createStateJournal(db), { ...settings, ...given }, { cwd: dir, onError: () => undefined })
      const { url } = server
      await server.close()
      return url
    } finally {
      db.close()
    }
  }
  test.each([
    ['0', /^http:\/\/127\.0\.0\.1:\d+$/],
    [':0', /^http:\/\/127\.0\.0\.1:\d+$/],
    ['localhost:0', /^http:\/\/localhost:\d+$/],
    ['0.0.0.0:0', /^http:\/\/0\.0\.0\.0:\d+$/],
  ])('%s is an address', async (address, url) => expect(await open({ address })).toMatch(url))
  test.each([
    ['no port', { address: 'host' }],
    ['a port beyond all', { address: '127.0.0.1:70000' }],
    ['an address of IPv6 without brackets', { address: '::1:8081' }],
    ['a user without a password', { user: 'u' }],
    ['a password without a user', { password: 'p' }],
    ['a certificate without its key', { cert: 'c' }],
    ['an authority without a certificate', { clientCa: 'c' }],
    ['a file that is not there', { cert: 'absent', key: 'absent' }],
  ])('%s: refused', async (_what, given) => {
    await expect(open(given)).rejects.toMatchObject({ code: 'TRB-REG-011' })
  })
})
