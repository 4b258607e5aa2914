/** How an S3 bucket is reached; null: as the AWS SDK finds it (environment, ~/.aws, instance metadata). Credentials always come from there. */
export interface S3Options {
  /** URL of an S3-compatible service. */
  readonly endpoint: string | null
  readonly region: string | null
  /** `http://host/bucket/key` instead of `http://bucket.host/key`. Null: with an endpoint of its own, yes. */
  readonly pathStyle: boolean | null
  /**
   * conditional: the service decides races (If-None-Match, If-Match); it is checked that it does.
   * claims: for a service that does not: writers announce themselves and give way to each other (claims.ts).
   */
  readonly writes: 'conditional' | 'claims'
  readonly limits: S3Limits
}

export interface S3Limits {
  /** Tries of one request, the first included. */
  readonly attempts: number
  /** First wait between two tries; doubles, with full jitter, up to `longestWaitMs`. */
  readonly firstWaitMs: number
  readonly longestWaitMs: number
  /** Time for one try of a request without a body; one with a body gets a second more for each 128 KiB. */
  readonly timeoutMs: number
  /** Bytes of a part of a multipart upload; smaller files go up in one request. At least 5 MiB, the service's own limit. */
  readonly partBytes: number
  /** Parts of one upload on their way at the same time: a writer holds (partsInFlight + 1) × partBytes at most. */
  readonly partsInFlight: number
  /** Keys of one answer of a listing; 1000 is the service's own limit. */
  readonly pageKeys: number
  /** An upload of this age has no living writer: aborted by the next writer of the store. */
  readonly abandonedUploadMs: number
}

export const DEFAULT_S3_LIMITS: S3Limits = {
  attempts: 6,
  firstWaitMs: 100,
  longestWaitMs: 10_000,
  timeoutMs: 30_000,
  partBytes: 8 << 20,
  partsInFlight: 2,
  pageKeys: 1000,
  abandonedUploadMs: 24 * 3600 * 1000,
}

export const DEFAULT_S3_OPTIONS: S3Options = {
  endpoint: null,
  region: null,
  pathStyle: null,
  writes: 'conditional',
  limits: DEFAULT_S3_LIMITS,
}
