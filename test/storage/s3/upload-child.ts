import { systemClock } from '../../../src/cli/clock.ts'
import { DEFAULT_S3_OPTIONS } from '../../../src/storage/s3/s3-options.ts'
import { S3Store } from '../../../src/storage/s3/s3-store.ts'

// Writes parts of one object for ever; says so after each, until it is killed.  upload-child.ts URI ENDPOINT KEY
const [uri, endpoint, key] = process.argv.slice(2) as [string, string, string]
const limits = { ...DEFAULT_S3_OPTIONS.limits, partBytes: 5 << 20 }
const store = new S3Store(uri, systemClock, { ...DEFAULT_S3_OPTIONS, endpoint, region: 'us-east-1', limits })
const writer = await store.writer(key)
for (;;) {
  await writer.write(Buffer.alloc(1 << 20, 1))
  process.stdout.write(`${store.link.requests.counts.get('UploadPart')?.calls ?? 0}\n`)
}
