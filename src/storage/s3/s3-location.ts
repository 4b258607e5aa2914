import { Failure } from '../../failure/failure.ts'

/** Where a store lives inside S3. */
export interface S3Location {
  readonly bucket: string
  /** Before every key: empty, or ends with '/'. */
  readonly prefix: string
  /** `s3://bucket/prefix`, no trailing slash. */
  readonly root: string
}

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/

/** Reads `s3://bucket[/prefix]` (and s3a://, s3n://, as Hadoop writes them). TRB-STORE-014 when it is none. */
export function parseS3Location(uri: string): S3Location {
  const m = /^s3[an]?:\/\/([^/]+)(?:\/(.*))?$/i.exec(uri)
  const bucket = m?.[1] ?? ''
  const parts = (m?.[2] ?? '').split('/').filter((p, i, all) => p !== '' || (i > 0 && i < all.length - 1))
  const bad = parts.some((p) => p === '' || p === '.' || p === '..' || p.includes('\0'))
  if (!BUCKET.test(bucket) || bad) throw new Failure('TRB-STORE-014', { uri })
  const path = parts.join('/')
  return { bucket, prefix: path === '' ? '' : `${path}/`, root: path === '' ? `s3://${bucket}` : `s3://${bucket}/${path}` }
}
