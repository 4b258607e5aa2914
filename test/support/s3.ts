import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { inject } from 'vitest'
import { systemClock } from '../../src/cli/clock.ts'
import { DEFAULT_S3_LIMITS, DEFAULT_S3_OPTIONS, type S3Limits, type S3Options } from '../../src/storage/s3/s3-options.ts'
import { S3Store } from '../../src/storage/s3/s3-store.ts'

/** Credentials of the test server, where the SDK looks for them first. */
export const S3_ENV = { AWS_ACCESS_KEY_ID: 'testkey', AWS_SECRET_ACCESS_KEY: 'testsecret', AWS_EC2_METADATA_DISABLED: 'true' }
Object.assign(process.env, S3_ENV)
for (const name of ['AWS_PROFILE', 'AWS_SESSION_TOKEN', 'AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_S3'])
  delete process.env[name]

/** Short waits: a test's server is near, and faults are injected on purpose. */
export const QUICK: S3Limits = { ...DEFAULT_S3_LIMITS, firstWaitMs: 10, longestWaitMs: 200, timeoutMs: 20_000 }

export function s3Options(limits: Partial<S3Limits> = {}, more: Partial<S3Options> = {}): S3Options {
  const options = { ...DEFAULT_S3_OPTIONS, endpoint: inject('s3Endpoint'), region: 'us-east-1', ...more }
  return { ...options, limits: { ...QUICK, ...limits } }
}

let next = 0
const run = `${process.pid.toString(36)}${Date.now().toString(36)}`

/** Makes a bucket of its own; returns its name. */
export async function newBucket(endpoint: string = inject('s3Endpoint')): Promise<string> {
  const bucket = `t${run}-${next++}`
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true })
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }))
  } finally {
    client.destroy()
  }
  return bucket
}

/** A store without objects, below a prefix of the bucket. */
export function newStore(bucket: string, options: S3Options = s3Options()): S3Store {
  return new S3Store(`s3://${bucket}/p${next++}`, systemClock, options)
}
