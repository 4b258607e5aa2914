import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import kafkajs from 'kafkajs'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { type Ended, runBin } from '../cli/run-bin.ts'
import { KEY_SCHEMA, keyBytes, VALUE_SCHEMA, valueBytes } from '../support/envelope-topic.ts'
import { foreignClient, freshName } from '../support/kafka.ts'
import { type S3Server, startS3Server } from '../support/s3-server.ts'
import { serveSchemas, TopicProducer } from '../support/topic-producer.ts'

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs
const { bootstrap, data, port } = inject('kafka')
const dir = mkdtempSync(join(tmpdir(), 'tributary-places-'))
const KEYS = { AWS_ACCESS_KEY_ID: 'testkey', AWS_SECRET_ACCESS_KEY: 'testsecret', AWS_REGION: 'us-east-1' }
let s3: S3Server
let producer: TopicProducer
let registry: Awaited<ReturnType<typeof serveSchemas>>

beforeAll(async () => {
  s3 = await startS3Server()
  producer = new TopicProducer(bootstrap)
  registry = await serveSchemas(new Map([[1, KEY_SCHEMA], [2, VALUE_SCHEMA]])) // biome-ignore format: a pair a line
}, 120_000)

afterAll(async () => {
  await producer.close()
  registry.close()
  s3.stop()
  rmSync(dir, { recursive: true, force: true })
})

async function allow(type: 'TOPIC' | 'GROUP', name: string, operations: readonly ('READ' | 'DESCRIBE')[]): Promise<void> {
  const admin = foreignClient().admin()
  await admin.connect()
  const rule = {
    principal: 'User:alice',
    host: '*',
    permissionType: AclPermissionTypes.ALLOW,
    resourceType: AclResourceTypes[type],
    resourceName: name,
    resourcePatternType: ResourcePatternTypes.PREFIXED,
  }
  await admin.createAcls({ acl: operations.map((o) => ({ ...rule, operation: AclOperationTypes[o] })) })
  await admin.disconnect()
}

test('brings topics of a secured cluster into a lake on S3; a wrong password and a missing access list are named', async () => {
  const prefix = freshName('places')
  const bucket = prefix.toLowerCase()
  const client = new S3Client({
    endpoint: s3.endpoint,
    region: KEYS.AWS_REGION,
    forcePathStyle: true,
    credentials: { accessKeyId: KEYS.AWS_ACCESS_KEY_ID, secretAccessKey: KEYS.AWS_SECRET_ACCESS_KEY },
  })
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  client.destroy()
  const lake = `s3://${bucket}/lakes/shop`
  const env = { ...KEYS, AWS_ENDPOINT_URL: s3.endpoint, XDG_CACHE_HOME: join(dir, 'cache') }
  const ingest = (password: string): Promise<Ended> => {
    const login = ['--kafka-sasl', 'scram-sha-512', '--kafka-user', 'alice', '--kafka-password', password, '--kafka-outage', '20s']
    const kafka = ['--kafka', `127.0.0.1:${port + 3}`, '--kafka-tls-ca', join(data, 'tls', 'ca.pem'), ...login]
    const flags = ['--topics', `${prefix}.*`, '--group', prefix, '--registry', registry.url, '--lake', lake, '--once']
    return runBin('lake', ['ingest', ...kafka, ...flags], { env, cwd: dir })
  }
  const topic = `${prefix}.public.t`
  await producer.create([topic], 2)
  const row = (id: number, v: string) => ({ topic, key: keyBytes(id), value: valueBytes({ op: 'c', id, v, lsn: id }), partition: id % 2 })
  await producer.send([row(1, 'a'), row(2, 'b')])
  await allow('TOPIC', prefix, ['READ', 'DESCRIBE'])
  const [wrong, denied] = await Promise.all([ingest('wrong'), ingest('alice-secret')])
  expect(wrong).toMatchObject({ code: 3, stderr: expect.stringContaining('TRB-KAFKA-002') })
  expect(denied).toMatchObject({ code: 3, stderr: expect.stringMatching(/TRB-INGEST-003.*GROUP/s) })
  await allow('GROUP', prefix, ['READ'])
  expect(await ingest('alice-secret')).toMatchObject({ code: 0 })
  await producer.send([row(2, 'c'), row(4, 'd')])
  expect(await ingest('alice-secret')).toMatchObject({ code: 0 })
  const answer = await runBin('lake', ['query', 'SELECT id, v FROM t ORDER BY id', '--lake', lake, '--format', 'jsonl'], { env, cwd: dir })
  expect(answer.stdout).toBe('{"id":1,"v":"a"}\n{"id":2,"v":"c"}\n{"id":4,"v":"d"}\n')
}, 180_000)
