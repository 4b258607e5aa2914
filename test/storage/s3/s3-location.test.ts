import { expect, test } from 'vitest'
import { placeOf } from '../../../src/cli/open-store.ts'
import { s3Flags } from '../../../src/cli/s3-flags.ts'
import { CDC, LAKE } from '../../../src/cli/verbs.ts'
import { parseS3Location } from '../../../src/storage/s3/s3-location.ts'

test.each([
  ['s3://bucket', 'bucket', '', 's3://bucket'],
  ['s3://bucket/', 'bucket', '', 's3://bucket'],
  ['s3://bucket/a/b', 'bucket', 'a/b/', 's3://bucket/a/b'],
  ['s3://bucket/a/b/', 'bucket', 'a/b/', 's3://bucket/a/b'],
  ['s3a://my-bucket.x/a=1/ü', 'my-bucket.x', 'a=1/ü/', 's3://my-bucket.x/a=1/ü'],
])('%s is bucket %s, prefix %j', (uri, bucket, prefix, root) => {
  expect(parseS3Location(uri)).toEqual({ bucket, prefix, root })
})

test.each(['s3://', 's3:///a', 's3://B', 's3://ab', 's3://a_b_c/x', 's3://bucket/a//b', 's3://bucket/../b', 's3://bucket/a/.'])(
  '%s is no place: TRB-STORE-014',
  (uri) => {
    expect(() => parseS3Location(uri)).toThrow(expect.objectContaining({ code: 'TRB-STORE-014' }))
  },
)

const none = { 's3-endpoint': null, 's3-region': null, 's3-path-style': false, 's3-writes': 'conditional' as const }
const place = (flags: object, env: Record<string, string> = {}): unknown =>
  placeOf('s3://bucket/x', { flags: { ...none, ...flags }, env, cwd: '/', command: 'lake query' })

test('the flag wins over the environment, and the special variable over the general one', () => {
  const env = { AWS_ENDPOINT_URL: 'http://general', AWS_ENDPOINT_URL_S3: 'http://special' }
  expect(place({ 's3-endpoint': 'http://flag' }, env)).toMatchObject({ s3: { endpoint: 'http://flag' } })
  expect(place({}, env)).toMatchObject({ s3: { endpoint: 'http://special' } })
  expect(place({}, { AWS_ENDPOINT_URL: 'http://general' })).toMatchObject({ s3: { endpoint: 'http://general' } })
  expect(place({})).toMatchObject({ s3: { endpoint: null, region: null, pathStyle: null, writes: 'conditional' } })
})

test('an endpoint that is no URL, and a scheme nobody knows: TRB-CLI-004', () => {
  expect(() => place({ 's3-endpoint': 'minio:9000' })).toThrow(expect.objectContaining({ code: 'TRB-CLI-004' }))
  const context = { flags: none, env: {}, cwd: '/x', command: 'lake query' }
  expect(() => placeOf('gs://b', context)).toThrow(expect.objectContaining({ code: 'TRB-CLI-004' }))
  expect(placeOf('a/b', context)).toEqual({ kind: 'disk', path: '/x/a/b' })
  expect(placeOf('file:///a/b', context)).toEqual({ kind: 'disk', path: '/a/b' })
})

test('every verb that takes a lake or a table can reach one on S3', async () => {
  const lacking: string[] = []
  for (const program of [CDC, LAKE]) {
    for (const entry of program.verbs) {
      const { verb } = await entry.load()
      const takes = 'lake' in verb.flags || verb.args.some((a) => a.name === 'TABLE_URI')
      if (takes && Object.keys(s3Flags).some((name) => !(name in verb.flags))) lacking.push(`${program.name} ${entry.name}`)
    }
  }
  expect(lacking).toEqual([])
})
