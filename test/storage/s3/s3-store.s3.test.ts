import { beforeAll, describe } from 'vitest'
import { systemClock } from '../../../src/cli/clock.ts'
import { S3Store } from '../../../src/storage/s3/s3-store.ts'
import { objectStoreSuite } from '../../conformance/object-store.ts'
import { newBucket, newStore, s3Options } from '../../support/s3.ts'

let bucket = ''

beforeAll(async () => {
  bucket = await newBucket()
})

describe('S3 store', () => {
  objectStoreSuite({
    open: async () => newStore(bucket),
    second: async (store) => new S3Store(store.root, systemClock, s3Options()),
  })
})

describe('S3 store that takes turns by claims', () => {
  const options = (): ReturnType<typeof s3Options> => s3Options({}, { writes: 'claims' })
  objectStoreSuite({
    open: async () => newStore(bucket, options()),
    second: async (store) => new S3Store(store.root, systemClock, options()),
  })
})
