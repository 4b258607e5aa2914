import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import kafkajs from 'kafkajs'
import { beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/cli/clock.ts'
import { type KafkaFlagValues, kafkaOptionsOf } from '../../../src/cli/kafka-flags.ts'
import type { KafkaLogOptions } from '../../../src/log/kafka/kafka-writer.ts'
import { makeBatch, makeCursor } from '../../conformance/log-data.ts'
import { foreignClient, freshName, kafkaServer, readCommitted } from '../../support/kafka.ts'
import { openLog } from './open-log.ts'

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs

const NO_FLAGS: KafkaFlagValues = {
  kafka: [],
  'kafka-tls': false,
  'kafka-tls-ca': null,
  'kafka-tls-cert': null,
  'kafka-tls-key': null,
  'kafka-tls-key-password': null,
  'kafka-tls-name': true,
  'kafka-sasl': 'none',
  'kafka-user': null,
  'kafka-password': null,
  'kafka-token': null,
  'kafka-token-file': null,
  'kafka-outage': 2000,
}

/** As the command line would say it, for the listener this far behind the first port. */
async function options(listener: 2 | 3 | 4, flags: Partial<KafkaFlagValues>, host = '127.0.0.1'): Promise<Partial<KafkaLogOptions>> {
  const kafka = [`${host}:${kafkaServer().port + listener}`]
  return { kafka: await kafkaOptionsOf({ ...NO_FLAGS, kafka, ...flags }, { clock: systemClock, cwd: '.', clientId: 'secured' }) }
}

const alice = { 'kafka-user': 'alice', 'kafka-password': 'alice-secret' }
const file = (name: string): string => join(kafkaServer().data, 'tls', name)
/** Allows a user these operations on what begins with a text (or is it). */
async function allow(
  user: string,
  type: 'TOPIC' | 'TRANSACTIONAL_ID',
  name: string,
  prefixed: boolean,
  operations: readonly Operation[],
): Promise<void> {
  const admin = foreignClient().admin()
  await admin.connect()
  const resourcePatternType = prefixed ? ResourcePatternTypes.PREFIXED : ResourcePatternTypes.LITERAL
  const rule = { principal: `User:${user}`, host: '*', permissionType: AclPermissionTypes.ALLOW, resourceName: name, resourcePatternType }
  await admin.createAcls({
    acl: operations.map((o) => ({ ...rule, resourceType: AclResourceTypes[type], operation: AclOperationTypes[o] })),
  })
  await admin.disconnect()
}
/** A token without a signature, as Kafka's own test validator takes it; good for so many seconds. */
function bearer(user: string, seconds: number): string {
  const now = Math.floor(Date.now() / 1000)
  const part = (o: object): string => Buffer.from(JSON.stringify(o)).toString('base64url')
  return `${part({ alg: 'none' })}.${part({ sub: user, iat: now - 3600, exp: now + seconds })}.`
}
type Operation = 'WRITE' | 'DESCRIBE' | 'READ' | 'CREATE' | 'DESCRIBE_CONFIGS'

/** What docs/kafka.md says a capture needs, for names that begin with this. */
async function allowCapture(user: string, prefix: string): Promise<void> {
  await allow(user, 'TOPIC', prefix, true, ['WRITE', 'DESCRIBE', 'READ', 'CREATE', 'DESCRIBE_CONFIGS'])
  await allow(user, 'TRANSACTIONAL_ID', 'tributary-', true, ['WRITE', 'DESCRIBE'])
}

async function writes(name: string, more: Partial<KafkaLogOptions>): Promise<void> {
  const log = await openLog(name, more)
  try {
    await log.append([makeBatch(`${name}.t`, 0, 5)], makeCursor('0/1', { source: name }))
  } finally {
    await log.close()
  }
  expect(await readCommitted([`${name}.t`])).toHaveLength(5)
}

describe('a secured cluster', () => {
  beforeAll(async () => {
    await allowCapture('alice', 'secured')
    await allowCapture('CN=client', 'secured')
  })

  test.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)('is written to with SASL %s', async (mechanism) => {
    await writes(freshName('secured'), await options(2, { 'kafka-sasl': mechanism, ...alice }))
  })

  test('is written to with SASL over TLS, and with a client certificate', async () => {
    const ca = { 'kafka-tls-ca': file('ca.pem') }
    await writes(freshName('secured'), await options(3, { 'kafka-sasl': 'scram-sha-512', ...alice, ...ca }))
    const own = { 'kafka-tls-cert': file('client.pem'), 'kafka-tls-key': file('client.key') }
    await writes(freshName('secured'), await options(4, { ...ca, ...own }, 'localhost'))
  })

  test('is written to with SASL oauthbearer; a token that is renewed in its file is the one of the next login', async () => {
    const tokens = join(mkdtempSync(join(tmpdir(), 'trib-token-')), 'token')
    writeFileSync(tokens, bearer('alice', 3600))
    const flags = { 'kafka-sasl': 'oauthbearer', 'kafka-token-file': tokens } as const
    const given = await options(2, flags)
    await writes(freshName('secured'), given)
    await writes(freshName('secured'), await options(2, { 'kafka-sasl': 'oauthbearer', 'kafka-token': bearer('alice', 3600) }))
    writeFileSync(tokens, bearer('alice', -60))
    await expect(openLog(freshName('secured'), given)).rejects.toMatchObject({ code: 'TRB-KAFKA-002' })
    rmSync(dirname(tokens), { recursive: true })
  })

  test('a wrong password and a mechanism it does not have are named, and not tried again', async () => {
    const begin = performance.now()
    for (const sasl of ['plain', 'scram-sha-256'] as const) {
      const wrong = await options(2, { 'kafka-sasl': sasl, 'kafka-user': 'alice', 'kafka-password': 'wrong', 'kafka-outage': 120_000 })
      await expect(openLog(freshName('secured'), wrong)).rejects.toMatchObject({ code: 'TRB-KAFKA-002' })
    }
    // Trying again would go on for the two minutes of an outage.
    expect(performance.now() - begin).toBeLessThan(50_000)
  })

  test('a certificate nobody vouches for, TLS where there is none, none where there is', async () => {
    const sasl = { 'kafka-sasl': 'scram-sha-512', ...alice } as const
    const name = freshName('secured')
    await expect(openLog(name, await options(3, { ...sasl, 'kafka-tls': true }))).rejects.toMatchObject({ code: 'TRB-KAFKA-003' })
    await expect(openLog(name, await options(2, { ...sasl, 'kafka-tls': true }))).rejects.toMatchObject({ code: 'TRB-KAFKA-003' })
    await expect(openLog(name, await options(3, sasl))).rejects.toMatchObject({ code: expect.stringMatching(/TRB-KAFKA-00[13]/) })
    const anonymous = await options(4, { 'kafka-tls-ca': file('ca.pem') })
    await expect(openLog(name, anonymous)).rejects.toMatchObject({ code: expect.stringMatching(/TRB-KAFKA-00[13]/) })
    // A listener that wants a login closes the connection without a word.
    await expect(openLog(name, await options(2, {}))).rejects.toMatchObject({ code: 'TRB-KAFKA-001' })
  })

  test('what an access list does not allow is named: the topic, the transactional id', async () => {
    const sasl = { 'kafka-sasl': 'plain', ...alice } as const
    const other = freshName('other')
    await expect(openLog(other, await options(2, sasl))).rejects.toMatchObject({
      code: 'TRB-KAFKA-004',
      message: expect.stringContaining(`${other}.offsets`),
    })
    const name = freshName('secured')
    const log = await openLog(name, await options(2, sasl))
    const append = log.append([makeBatch(`${other}.t`, 0, 1)], makeCursor('0/1', { source: name }))
    await expect(append).rejects.toMatchObject({ code: 'TRB-KAFKA-004', message: expect.stringContaining(`${other}.t`) })
    await log.close()
    await writes(other, {})
    const again = await openLog(name, await options(2, sasl))
    // It exists by now, and may be described by whoever may read it.
    await allow('alice', 'TOPIC', `${other}.t`, false, ['DESCRIBE'])
    const refused = again.append([makeBatch(`${other}.t`, 0, 1)], makeCursor('0/1', { source: name }))
    const error = await refused.catch((e: Error) => e)
    expect(String(error)).toContain(`TRB-KAFKA-004: Kafka does not allow Write on topic ${other}.t`)
    await again.close()
  })
})

describe('flags', () => {
  const world = { clock: systemClock, cwd: '.', clientId: 'x' }
  test.each([
    [{ kafka: ['no port:x'] }, '--kafka'],
    [{ kafka: ['h:99999'] }, '--kafka'],
    [{ 'kafka-sasl': 'plain' as const, 'kafka-user': 'a' }, '--kafka-sasl'],
    [{ 'kafka-user': 'a', 'kafka-password': 'b' }, '--kafka-sasl'],
    [{ 'kafka-sasl': 'oauthbearer' as const }, '--kafka-sasl'],
    [{ 'kafka-token': 'x' }, '--kafka-sasl'],
    [{ 'kafka-sasl': 'oauthbearer' as const, 'kafka-token-file': '/nowhere/token' }, '--kafka-token-file'],
    [{ 'kafka-tls-cert': 'a.pem' }, '--kafka-tls-cert'],
    [{ 'kafka-tls-ca': '/nowhere/ca.pem' }, '--kafka-tls-ca'],
    [{ 'kafka-tls-ca': 'package.json' }, '--kafka-tls-ca'],
  ])('%j is refused', async (flags, flag) => {
    const all = { ...NO_FLAGS, kafka: ['h:1'], ...flags }
    await expect(kafkaOptionsOf(all, world)).rejects.toMatchObject({ code: 'TRB-KAFKA-016', details: { flag } })
  })

  test('hosts, ports and certificates are read', async () => {
    const flags = { ...NO_FLAGS, kafka: ['h', 'i:1', '[::1]:2'], 'kafka-tls-ca': file('ca.pem') }
    const { bootstrap, tls, sasl } = await kafkaOptionsOf(flags, world)
    expect(bootstrap).toEqual([
      { host: 'h', port: 9092 },
      { host: 'i', port: 1 },
      { host: '::1', port: 2 },
    ])
    expect(tls?.ca).toBe(readFileSync(file('ca.pem'), 'utf8'))
    expect(sasl).toBeNull()
  })
})
