import { execFileSync } from 'node:child_process'
import type { S3Store } from '../../src/storage/s3/s3-store.ts'
import { newBucket, newStore, S3_ENV, s3Options } from '../support/s3.ts'
import { type S3Server, startS3Server } from '../support/s3-server.ts'

/** An S3 server of a test file's own with a bucket in it, as everybody who reads and writes there is told of them. */
export interface S3Place {
  readonly server: S3Server
  readonly store: S3Store
  /** What hudi-rs, pyarrow, DuckDB and `lake` are told. */
  readonly env: Readonly<Record<string, string>>
  /** What Hadoop's client is told: of this bucket alone, because the files of a run share the JVM. */
  readonly hadoop: Readonly<Record<string, string>>
}

/** Starts the server of test/services/s3.sh; its `stop` is the caller's. */
export async function startS3Place(): Promise<S3Place> {
  execFileSync('bash', ['test/services/s3.sh', 'install'], { stdio: 'pipe' })
  const server = await startS3Server()
  const { endpoint } = server
  const bucket = await newBucket(endpoint)
  const settings = {
    endpoint,
    'endpoint.region': 'us-east-1',
    'path.style.access': 'true',
    'access.key': S3_ENV.AWS_ACCESS_KEY_ID,
    'secret.key': S3_ENV.AWS_SECRET_ACCESS_KEY,
    // A directory's marker is left when files come into it: the server refuses to delete that of a directory that is not empty.
    'directory.marker.retention': 'keep',
  }
  return {
    server,
    store: newStore(bucket, s3Options({}, { endpoint })),
    env: { ...S3_ENV, AWS_ENDPOINT_URL: endpoint, AWS_REGION: 'us-east-1', AWS_ALLOW_HTTP: 'true' },
    hadoop: Object.fromEntries(Object.entries(settings).map(([name, value]) => [`fs.s3a.bucket.${bucket}.${name}`, value])),
  }
}
