import type { ObjectWriter } from '../../contract/object-store.ts'
import { assert, type Failure } from '../../failure/failure.ts'
import type { CallCounter } from '../call-counter.ts'
import { checksumOf } from './s3-body.ts'
import { abortUpload, headOf, isOurs, metadataOf } from './s3-calls.ts'
import { isTrouble } from './s3-failure.ts'
import type { S3Link } from './s3-link.ts'
import type { S3Writes } from './s3-writes.ts'

/** Parts of one upload: the service's limit. */
const MOST_PARTS = 10_000

interface Part {
  readonly PartNumber: number
  readonly ETag: string
  readonly ChecksumCRC32: string
}

interface Surroundings {
  taken(): Failure
  /** Called once, before the first upload in parts. */
  beforeUpload(): Promise<void>
}

/**
 * A file on its way to S3: up to one part is held back and goes up in one request when closed; a larger one as an upload in parts, a few
 * of them at a time, completed on condition that nothing is there. Until then nobody sees it; an upload that is never completed is
 * aborted, by us or, when the process was killed, by the next writer.
 */
export class S3Writer implements ObjectWriter {
  readonly #key: string
  readonly #link: S3Link
  readonly #writes: S3Writes
  readonly #counter: CallCounter
  readonly #around: Surroundings
  readonly #id: string
  #part: Buffer
  #filled = 0
  #size = 0
  #open = true
  #uploadId: string | null = null
  readonly #parts: Part[] = []
  #numbered = 0
  readonly #inFlight = new Set<Promise<void>>()
  #trouble: { readonly error: unknown } | null = null

  constructor(key: string, link: S3Link, writes: S3Writes, counter: CallCounter, around: Surroundings) {
    this.#key = key
    this.#link = link
    this.#writes = writes
    this.#counter = counter
    this.#around = around
    this.#id = link.clock.uuid()
    this.#part = Buffer.allocUnsafe(Math.min(64 << 10, link.limits.partBytes))
  }

  async write(chunk: Uint8Array): Promise<void> {
    assert(this.#open, `writer of ${this.#key} is open`)
    for (let from = 0; from < chunk.length; ) {
      const room = this.#link.limits.partBytes - this.#filled
      if (room === 0) {
        await this.#sendPart()
        continue
      }
      const take = Math.min(room, chunk.length - from)
      this.#reserve(take)
      this.#part.set(chunk.subarray(from, from + take), this.#filled)
      this.#filled += take
      from += take
    }
    this.#size += chunk.length
    this.#counter.add('writer.write', chunk.length)
  }

  async close(): Promise<number> {
    assert(this.#open, `writer of ${this.#key} is open`)
    this.#open = false
    const whole = this.#uploadId === null
    const made = whole ? await this.#writes.create(this.#key, this.#part.subarray(0, this.#filled)) : await this.#finish()
    if (made === 'exists') throw this.#around.taken()
    this.#counter.add('writer.close', 0)
    return this.#size
  }

  async abort(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    await Promise.all(this.#inFlight)
    await this.#abandon()
    this.#counter.add('writer.abort', 0)
  }

  #reserve(more: number): void {
    const need = this.#filled + more
    if (need <= this.#part.length) return
    const larger = Buffer.allocUnsafe(Math.min(this.#link.limits.partBytes, Math.max(need, this.#part.length * 2)))
    this.#part.copy(larger, 0, 0, this.#filled)
    this.#part = larger
  }

  /** Sends the filled part on its way; waits while too many are. */
  async #sendPart(): Promise<void> {
    const body = this.#part.subarray(0, this.#filled)
    this.#uploadId ??= await this.#begin()
    while (this.#inFlight.size >= this.#link.limits.partsInFlight) await Promise.race(this.#inFlight)
    this.#raise()
    const number = ++this.#numbered
    assert(number <= MOST_PARTS, `${this.#key} fits into ${MOST_PARTS} parts`)
    const sent: Promise<void> = this.#upload(number, body)
      .then(
        (part) => void this.#parts.push(part),
        (error: unknown) => {
          this.#trouble ??= { error }
        },
      )
      .finally(() => this.#inFlight.delete(sent))
    this.#inFlight.add(sent)
    this.#part = Buffer.allocUnsafe(this.#link.limits.partBytes)
    this.#filled = 0
  }

  async #begin(): Promise<string> {
    await this.#around.beforeUpload()
    const { bucket } = this.#link.location
    const input = { Bucket: bucket, Key: this.#name, ChecksumAlgorithm: 'CRC32' as const, Metadata: metadataOf(this.#id) }
    // Repeated after a lost answer this leaves an upload without parts, which the sweep takes away.
    const answer = await this.#link.send('CreateMultipartUpload', this.#key, 0, ({ sdk, client }, abortSignal) =>
      client.send(new sdk.CreateMultipartUploadCommand(input), { abortSignal }),
    )
    assert(answer.UploadId !== undefined, 'an upload has an id')
    return answer.UploadId
  }

  async #upload(number: number, body: Buffer): Promise<Part> {
    const sum = checksumOf(body)
    const where = { ...this.#where, PartNumber: number }
    const input = { ...where, Body: body, ContentLength: body.length, ChecksumCRC32: sum }
    const answer = await this.#link.send('UploadPart', this.#key, body.length, ({ sdk, client }, abortSignal) =>
      client.send(new sdk.UploadPartCommand(input), { abortSignal }),
    )
    return { PartNumber: number, ETag: answer.ETag ?? '', ChecksumCRC32: sum }
  }

  async #finish(): Promise<'created' | 'exists'> {
    try {
      if (this.#filled > 0) await this.#sendPart()
      await Promise.all(this.#inFlight)
      this.#raise()
      const made = await this.#complete()
      if (made === 'exists') await this.#abandon()
      return made
    } catch (e) {
      await this.#abandonAfter(e)
      throw e
    }
  }

  async #complete(): Promise<'created' | 'exists'> {
    const link = this.#link
    const Parts = this.#parts.toSorted((a, b) => a.PartNumber - b.PartNumber)
    const condition = this.#writes.conditional ? { IfNoneMatch: '*' } : {}
    if (!this.#writes.conditional && (await headOf(link, this.#key)) !== null) return 'exists'
    const input = { ...this.#where, MultipartUpload: { Parts }, ...condition }
    let doubt = false
    return await link.retrying('CompleteMultipartUpload', this.#key, async (tries) => {
      try {
        await link.once('CompleteMultipartUpload', 0, ({ sdk, client }, abortSignal) =>
          client.send(new sdk.CompleteMultipartUploadCommand(input), { abortSignal }),
        )
        return 'created'
      } catch (e) {
        if (isTrouble(e, 'again')) {
          doubt = true
          if (tries < link.limits.attempts) throw e
        } else if (!isTrouble(e, 'condition') && !(doubt && isTrouble(e, 'no upload'))) throw e
        if (!doubt) return 'exists'
        const ours = await isOurs(link, this.#key, this.#id, this.#size, null)
        if (ours === null) throw e
        return ours ? 'created' : 'exists'
      }
    })
  }

  get #name(): string {
    return this.#link.name(this.#key)
  }

  get #where(): { Bucket: string; Key: string; UploadId: string } {
    assert(this.#uploadId !== null, 'the upload has begun')
    return { Bucket: this.#link.location.bucket, Key: this.#name, UploadId: this.#uploadId }
  }

  #raise(): void {
    if (this.#trouble !== null) throw this.#trouble.error
  }

  async #abandon(): Promise<void> {
    if (this.#uploadId === null) return
    const where = this.#where
    this.#uploadId = null
    await this.#link.retrying('AbortMultipartUpload', this.#key, () => abortUpload(this.#link, where))
  }

  /** The first error is the one to report; an upload that could not be taken away either is left to the sweep. */
  async #abandonAfter(e: unknown): Promise<void> {
    try {
      await this.#abandon()
    } catch (second) {
      if (e instanceof Error) e.cause ??= second
    }
  }
}
