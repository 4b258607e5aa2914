import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3'
import { expect, inject, test } from 'vitest'
import { systemClock } from '../../../src/cli/clock.ts'
import { S3Store } from '../../../src/storage/s3/s3-store.ts'
import { keysOf } from '../../conformance/object-store.ts'
import { newBucket, newStore, S3_ENV, s3Options } from '../../support/s3.ts'

const CHILD = fileURLToPath(new URL('./upload-child.ts', import.meta.url))

test('a writer killed in the middle of an upload leaves nothing to see; the next one takes its parts away', async () => {
  const bucket = await newBucket()
  const store = newStore(bucket)
  const uploads = async (): Promise<number> => {
    const client = new S3Client({ endpoint: inject('s3Endpoint'), region: 'us-east-1', forcePathStyle: true })
    const answer = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
    client.destroy()
    return answer.Uploads?.length ?? 0
  }
  const child = spawn(process.execPath, [CHILD, store.root, inject('s3Endpoint'), 't/file.parquet'], {
    env: { PATH: process.env['PATH'], ...S3_ENV },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const text of child.stdout) if (Number(String(text).trim().split('\n').at(-1)) >= 3) break
  child.kill('SIGKILL')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')

  expect(await uploads()).toBe(1)
  expect(await keysOf(store, '')).toEqual([])
  expect(await store.head('t/file.parquet')).toBeNull()
  // Young uploads may be another writer's: they stay. In a second even the killed one's is old for this store.
  const young = newStore(bucket, s3Options({ partBytes: 5 << 20 }))
  const first = await young.writer('a')
  await first.write(Buffer.alloc(11 << 20))
  await first.close()
  expect(await uploads()).toBe(1)
  await new Promise((done) => setTimeout(done, 1100))

  const next = new S3Store(store.root, systemClock, s3Options({ partBytes: 5 << 20, abandonedUploadMs: 1000 }))
  const again = await next.writer('t/file.parquet')
  await again.write(Buffer.alloc(11 << 20, 2))
  expect(await again.close()).toBe(11 << 20)
  expect(await uploads()).toBe(0)
  expect((await next.range('t/file.parquet', -1, 1))[0]).toBe(2)
})
