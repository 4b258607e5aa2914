import type { Clock } from '../../contract/clock.ts'
import type { ObjectInfo, ObjectStore, ObjectWriter, WriteGuard } from '../../contract/object-store.ts'
import { Failure } from '../../failure/failure.ts'
import { CallCounter } from '../call-counter.ts'
import { checkKey } from '../key.ts'
import { ClaimedWrites } from './claims.ts'
import { ConditionalWrites } from './conditional-writes.ts'
import { readBody } from './s3-body.ts'
import { abortUpload, headOf } from './s3-calls.ts'
import { isTrouble } from './s3-failure.ts'
import { S3Link } from './s3-link.ts'
import { listObjects } from './s3-listing.ts'
import { parseS3Location } from './s3-location.ts'
import { DEFAULT_S3_OPTIONS, type S3Options } from './s3-options.ts'
import { S3Writer } from './s3-writer.ts'
import type { S3Writes } from './s3-writes.ts'

/** Keys of one DeleteObjects request: the service's limit. */
const DELETE_KEYS = 1000
const DELETES_IN_FLIGHT = 4

/** What the store itself needs; no listing shows it. */
const OWN = '.tributary/tmp/'

/**
 * Objects of an S3 bucket below a prefix. Every write is on condition that nothing is there, or that it is the version seen: races are
 * decided by the service. Made without a request; the SDK is loaded with the first one.
 */
export class S3Store implements ObjectStore {
  readonly root: string
  readonly counter = new CallCounter()
  readonly signal?: AbortSignal
  readonly link: S3Link
  readonly #writes: S3Writes
  #swept: Promise<void> | null = null

  constructor(uri: string, clock: Clock, options: S3Options = DEFAULT_S3_OPTIONS, signal?: AbortSignal) {
    const location = parseS3Location(uri)
    this.root = location.root
    if (signal !== undefined) this.signal = signal
    this.link = new S3Link(location, options, clock, signal)
    this.#writes = options.writes === 'claims' ? new ClaimedWrites(this.link) : new ConditionalWrites(this.link)
  }

  async get(key: string): Promise<Buffer> {
    checkKey(key)
    const body = await this.#read(key, undefined)
    this.counter.add('get', body.length)
    return body
  }

  async range(key: string, start: number, length: number): Promise<Buffer> {
    checkKey(key)
    const bytes = await this.#range(key, start, length)
    this.counter.add('range', bytes.length)
    return bytes
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    checkKey(key)
    this.counter.add('put', body.length)
    if ((await this.#writes.create(key, body)) === 'exists') throw this.#taken(key)
  }

  async writer(key: string): Promise<ObjectWriter> {
    checkKey(key)
    return new S3Writer(key, this.link, this.#writes, this.counter, {
      taken: () => this.#taken(key),
      beforeUpload: () => (this.#swept ??= this.#sweepUploads()),
    })
  }

  async putIfAbsent(key: string, body: Uint8Array, guard?: WriteGuard): Promise<'created' | 'exists'> {
    checkKey(key)
    this.counter.add('putIfAbsent', body.length)
    return await this.#writes.create(key, body, guard)
  }

  async replaceIfTag(key: string, body: Uint8Array, tag: string): Promise<'replaced' | 'stale'> {
    checkKey(key)
    this.counter.add('replaceIfTag', body.length)
    return await this.#writes.replace(key, body, tag)
  }

  async head(key: string): Promise<ObjectInfo | null> {
    checkKey(key)
    this.counter.add('head', 0)
    const found = await headOf(this.link, key)
    return found === null ? null : infoOf(key, found.ContentLength, found.ETag, found.LastModified)
  }

  async *list(prefix: string, after = ''): AsyncGenerator<ObjectInfo> {
    this.counter.add('list', 0)
    const root = this.link.location.prefix
    for await (const o of listObjects(this.link, root + prefix, after === '' ? undefined : root + after)) {
      const key = o.Key!.slice(root.length)
      if (!key.startsWith(OWN)) yield infoOf(key, o.Size, o.ETag, o.LastModified)
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) checkKey(key)
    const chunks: string[][] = []
    for (let i = 0; i < keys.length; i += DELETE_KEYS) chunks.push(keys.slice(i, i + DELETE_KEYS))
    const work = async (): Promise<void> => {
      for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) await this.#deleteChunk(chunk)
    }
    await Promise.all(Array.from({ length: Math.min(DELETES_IN_FLIGHT, chunks.length) }, work))
  }

  async #read(key: string, range: string | undefined): Promise<Buffer> {
    const input = { Bucket: this.link.location.bucket, Key: this.link.name(key), Range: range }
    const body = await this.link.send('GetObject', key, 0, async ({ sdk, client }, abortSignal) => {
      const answer = await client.send(new sdk.GetObjectCommand(input), { abortSignal })
      return await readBody(answer.Body, answer.ContentLength, abortSignal)
    })
    this.link.requests.addBytes('GetObject', body.length)
    return body
  }

  async #range(key: string, start: number, length: number): Promise<Buffer> {
    // An empty range cannot be asked for, and a short one far from the end needs the size to be named from the front.
    if (length === 0 || start + length < 0) {
      const found = await headOf(this.link, key)
      if (found === null) throw new Failure('TRB-STORE-001', { key, root: this.root })
      const from = start < 0 ? Math.max(0, found.ContentLength! + start) : start
      return length === 0 ? Buffer.alloc(0) : await this.#range(key, from, length)
    }
    const range = start < 0 ? `bytes=${start}` : `bytes=${start}-${start + length - 1}`
    try {
      return (await this.#read(key, range)).subarray(0, length)
    } catch (e) {
      // Nothing at or after `start`.
      if (e instanceof Failure && isTrouble(e.cause, 'range')) return Buffer.alloc(0)
      throw e
    }
  }

  async #deleteChunk(keys: readonly string[]): Promise<void> {
    const { bucket } = this.link.location
    this.counter.add('delete', 0)
    const input = { Bucket: bucket, Delete: { Objects: keys.map((key) => ({ Key: this.link.name(key) })), Quiet: true } }
    await this.link.retrying('DeleteObjects', keys[0], async () => {
      const answer = await this.link.once('DeleteObjects', 0, ({ sdk, client }, abortSignal) =>
        client.send(new sdk.DeleteObjectsCommand(input), { abortSignal }),
      )
      const refused = (answer.Errors ?? []).find((e) => e.Code !== 'NoSuchKey')
      if (refused !== undefined) throw Object.assign(new Error(refused.Message), { name: refused.Code ?? 'InternalError' })
    })
  }

  /** Takes away the parts of uploads that nobody will finish: they cost money and are seen by no listing. Once per store and process. */
  async #sweepUploads(): Promise<void> {
    const { bucket, prefix } = this.link.location
    const input = { Bucket: bucket, Prefix: prefix }
    const answer = await this.link.send('ListMultipartUploads', prefix, 0, ({ sdk, client }, abortSignal) =>
      client.send(new sdk.ListMultipartUploadsCommand(input), { abortSignal }),
    )
    const oldest = this.link.clock.now() - this.link.limits.abandonedUploadMs
    for (const u of answer.Uploads ?? []) {
      if (u.Key === undefined || !u.Key.startsWith(prefix) || u.Initiated === undefined || u.Initiated.getTime() > oldest) continue
      const upload = { Bucket: bucket, Key: u.Key, UploadId: u.UploadId }
      await this.link.retrying('AbortMultipartUpload', u.Key.slice(prefix.length), () => abortUpload(this.link, upload))
    }
  }

  #taken(key: string): Failure {
    return new Failure('TRB-STORE-005', { key, root: this.root })
  }
}

function infoOf(key: string, size: number | undefined, tag: string | undefined, modified: Date | undefined): ObjectInfo {
  // Listings of some services have milliseconds where a head has seconds.
  return { key, size: size ?? 0, tag: tag ?? '', modifiedMs: Math.floor((modified?.getTime() ?? 0) / 1000) * 1000 }
}
