import type { HeadObjectCommandOutput, PutObjectCommandOutput } from '@aws-sdk/client-s3'
import type { WriteGuard } from '../../contract/object-store.ts'
import { checksumOf, readBody } from './s3-body.ts'
import { isTrouble, S3Timeout, statusOf } from './s3-failure.ts'
import type { Connected, S3Link } from './s3-link.ts'

/** Metadata of every object that we write: which write made it, so that a lost answer can be told from another writer's object. */
const WRITE_ID = 'tributary-write'

/** What must hold for a write. */
export type Condition = { readonly IfNoneMatch: '*' } | { readonly IfMatch: string } | Record<string, never>

/** What is known of an object; null: there is none. */
export async function headOf(link: S3Link, key: string): Promise<HeadObjectCommandOutput | null> {
  const input = { Bucket: link.location.bucket, Key: link.name(key) }
  return await link.retrying('HeadObject', key, async () => {
    try {
      return await link.once('HeadObject', 0, ({ sdk, client }, abortSignal) =>
        client.send(new sdk.HeadObjectCommand(input), { abortSignal }),
      )
    } catch (e) {
      // A head has no body to tell a missing key from a missing bucket: whatever comes next does.
      if (e instanceof Error && statusOf(e) === 404) return null
      throw e
    }
  })
}

/** One try to put an object. Returns its tag. `over`: may give it up. */
export async function putOnce(
  link: S3Link,
  key: string,
  body: Uint8Array,
  id: string,
  condition: Condition,
  over?: AbortController,
): Promise<string> {
  const input = {
    Bucket: link.location.bucket,
    Key: link.name(key),
    Body: body,
    ContentLength: body.length,
    ChecksumCRC32: checksumOf(body),
    Metadata: { [WRITE_ID]: id },
    ...condition,
  }
  const put = ({ sdk, client }: Connected, abortSignal: AbortSignal): Promise<PutObjectCommandOutput> =>
    client.send(new sdk.PutObjectCommand(input), { abortSignal })
  return (await link.once('PutObject', body.length, put, over)).ETag ?? ''
}

/** One try that is given up (S3Timeout) once its guard does not allow it any more. What the guard throws at first is thrown on: nothing was sent. */
export async function guardedOnce(
  link: S3Link,
  guard: WriteGuard | undefined,
  put: (over?: AbortController) => Promise<string>,
): Promise<void> {
  if (guard === undefined) {
    await put()
    return
  }
  const { clock } = link
  const started = clock.now()
  const over = new AbortController()
  const answered = new AbortController()
  const watch = async (first: number): Promise<void> => {
    for (let left = first; ; left = await guard()) await clock.sleep(Math.max(1, Math.ceil(left)), answered.signal)
  }
  const giveUp = (): void => {
    if (!answered.signal.aborted) over.abort(new S3Timeout(clock.now() - started))
  }
  const watching = watch(await guard()).catch(giveUp)
  try {
    await put(over)
  } finally {
    answered.abort()
    await watching
  }
}

/** Metadata of an upload that the write `id` makes. */
export function metadataOf(id: string): Record<string, string> {
  return { [WRITE_ID]: id }
}

/**
 * After a lost answer: whether what is there now was made by the write `id`. A service that drops metadata leaves the bytes to tell.
 * Null: nothing is there. `body` null: only the size is compared (an upload in parts).
 */
export async function isOurs(link: S3Link, key: string, id: string, size: number, body: Uint8Array | null): Promise<boolean | null> {
  const found = await headOf(link, key)
  if (found === null) return null
  const by = found.Metadata?.[WRITE_ID]
  if (by !== undefined) return by === id
  if (found.ContentLength !== size) return false
  if (body === null) return true
  const input = { Bucket: link.location.bucket, Key: link.name(key) }
  const there = await link.send('GetObject', key, 0, async ({ sdk, client }, abortSignal) => {
    const answer = await client.send(new sdk.GetObjectCommand(input), { abortSignal })
    return await readBody(answer.Body, answer.ContentLength, abortSignal)
  })
  return there.equals(body)
}

/** One try to take an upload away; that it is gone already is no error. */
export async function abortUpload(link: S3Link, upload: { Bucket: string; Key: string; UploadId: string | undefined }): Promise<void> {
  try {
    await link.once('AbortMultipartUpload', 0, ({ sdk, client }, abortSignal) =>
      client.send(new sdk.AbortMultipartUploadCommand(upload), { abortSignal }),
    )
  } catch (e) {
    if (!isTrouble(e, 'no upload') && !isTrouble(e, 'absent')) throw e
  }
}
