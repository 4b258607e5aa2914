import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3'
import type { Clock } from '../../contract/clock.ts'
import { Failure } from '../../failure/failure.ts'
import { CallCounter } from '../call-counter.ts'
import { S3Timeout, s3Failure, troubleOf } from './s3-failure.ts'
import type { S3Location } from './s3-location.ts'
import type { S3Limits, S3Options } from './s3-options.ts'

export type Sdk = typeof import('@aws-sdk/client-s3')

/** Requests that are made, by their name in the service's API: what the service charges for. */
export type S3Request =
  | 'GetObject'
  | 'HeadObject'
  | 'PutObject'
  | 'DeleteObjects'
  | 'ListObjectsV2'
  | 'CreateMultipartUpload'
  | 'UploadPart'
  | 'CompleteMultipartUpload'
  | 'AbortMultipartUpload'
  | 'ListMultipartUploads'

/** Seconds are added to the time limit of a request for its body, at this speed. */
const SLOWEST_BYTES_PER_MS = 128

export interface Connected {
  readonly sdk: Sdk
  readonly client: S3Client
}

/** One bucket over the AWS SDK: loads it when it is first used, counts every request, limits its time, repeats what may be repeated. */
export class S3Link {
  readonly location: S3Location
  readonly options: S3Options
  /** Requests as they were sent, repetitions included, with the bytes of their bodies. */
  readonly requests = new CallCounter<S3Request>()
  readonly #clock: Clock
  /** Gives up what is on its way, and everything after. */
  readonly #abandon: AbortSignal | null
  #connected: Promise<Connected> | null = null

  constructor(location: S3Location, options: S3Options, clock: Clock, abandon?: AbortSignal) {
    this.location = location
    this.options = options
    this.#clock = clock
    this.#abandon = abandon ?? null
  }

  get limits(): S3Limits {
    return this.options.limits
  }

  get clock(): Clock {
    return this.#clock
  }

  /** Full name of a store key in the bucket. */
  name(key: string): string {
    return this.location.prefix + key
  }

  /** One try of one request. Throws the error of the SDK. `sent`: bytes of the body. `over`: may give the try up before its time limit. */
  async once<R>(
    request: S3Request,
    sent: number,
    effect: (c: Connected, signal: AbortSignal) => Promise<R>,
    over = new AbortController(),
  ): Promise<R> {
    this.#connected ??= this.#connect()
    const connected = await this.#connected
    const limit = this.limits.timeoutMs + Math.ceil(sent / SLOWEST_BYTES_PER_MS)
    const answered = new AbortController()
    const late = (): void => over.abort(new S3Timeout(limit))
    this.#clock.sleep(limit, answered.signal).then(late, ignore)
    this.requests.add(request, sent)
    try {
      return await effect(connected, this.#abandon === null ? over.signal : AbortSignal.any([over.signal, this.#abandon]))
    } catch (e) {
      throw over.signal.aborted ? over.signal.reason : e
    } finally {
      answered.abort()
    }
  }

  /** Repeats `effect` while its error is of a kind that may pass; then fails with what the last one means. */
  async retrying<R>(request: S3Request, key: string, effect: (tries: number) => Promise<R>): Promise<R> {
    for (let tries = 1; ; tries++) {
      this.#refuseAbandoned(key)
      try {
        return await effect(tries)
      } catch (e) {
        this.#refuseAbandoned(key, e)
        if (troubleOf(e) !== 'again' || tries >= this.limits.attempts) throw this.failure(e, request, key, tries)
        await this.pause(tries)
      }
    }
  }

  /** `once`, repeated. For requests that can be repeated without doubt. */
  async send<R>(request: S3Request, key: string, sent: number, effect: (c: Connected, signal: AbortSignal) => Promise<R>): Promise<R> {
    return await this.retrying(request, key, () => this.once(request, sent, effect))
  }

  /** Full jitter: anywhere up to a limit that doubles. */
  async pause(tries: number): Promise<void> {
    const most = Math.min(this.limits.longestWaitMs, this.limits.firstWaitMs * 2 ** (tries - 1))
    try {
      await this.#clock.sleep(Math.ceil(this.#clock.random() * most), this.#abandon ?? undefined)
    } catch (e) {
      // The next try is refused.
      if (this.#abandon?.aborted !== true) throw e
    }
  }

  /** TRB-STORE-017 once everything is to be given up. */
  #refuseAbandoned(key: string, cause?: unknown): void {
    if (this.#abandon?.aborted === true) throw new Failure('TRB-STORE-017', { root: this.location.root, key }, cause)
  }

  failure(e: unknown, operation: string, key: string, attempts: number): Error {
    const { root, bucket } = this.location
    return s3Failure(e, { root, bucket, key, operation, attempts })
  }

  async #connect(): Promise<Connected> {
    const sdk = await import('@aws-sdk/client-s3')
    const { endpoint, region, pathStyle } = this.options
    const config: S3ClientConfig = {
      ...(endpoint === null ? {} : { endpoint }),
      ...(region === null ? {} : { region }),
      forcePathStyle: pathStyle ?? endpoint !== null,
      followRegionRedirects: true,
      // Tries are counted here, where it is known which of them leave a doubt.
      maxAttempts: 1,
      // Checksums are given with each body (CRC-32 of the system's zlib).
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: { connectionTimeout: 5_000, socketTimeout: this.limits.timeoutMs },
      logger: SILENT,
    }
    const client = new sdk.S3Client(config)
    try {
      await client.config.region()
      return { sdk, client }
    } catch {
      // No region is configured anywhere: the default one redirects to the bucket's, and other services do not care.
      client.destroy()
      return { sdk, client: new sdk.S3Client({ ...config, region: 'us-east-1' }) }
    }
  }
}

function ignore(): undefined {
  return undefined
}

const SILENT = { trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore }
