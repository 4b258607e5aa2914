import { Failure } from '../../failure/failure.ts'

/**
 * What an error of the SDK or of the connection means for the call:
 * again: it may work when repeated, and whether it took effect is not known. exists and stale: a condition did not hold.
 */
export type S3Trouble =
  | 'again'
  | 'absent'
  | 'condition'
  | 'no upload'
  | 'range'
  | 'bucket'
  | 'denied'
  | 'credentials'
  | 'region'
  | 'unsupported'
  | 'parent'
  | 'other'

/** A try took longer than its limit. */
export class S3Timeout extends Error {
  constructor(ms: number) {
    super(`no answer within ${ms} ms`)
    this.name = 'Timeout'
  }
}

const BY_NAME: Readonly<Record<string, S3Trouble>> = {
  Timeout: 'again',
  TimeoutError: 'again',
  SlowDown: 'again',
  InternalError: 'again',
  ServiceUnavailable: 'again',
  RequestTimeout: 'again',
  RequestTimeTooSkewed: 'again',
  ConditionalRequestConflict: 'again',
  OperationAborted: 'again',
  BadDigest: 'again',
  IncompleteBody: 'again',
  NoSuchKey: 'absent',
  NotFound: 'absent',
  NoSuchUpload: 'no upload',
  PreconditionFailed: 'condition',
  InvalidRange: 'range',
  NoSuchBucket: 'bucket',
  AccessDenied: 'denied',
  Forbidden: 'denied',
  AllAccessDisabled: 'denied',
  SignatureDoesNotMatch: 'denied',
  InvalidAccessKeyId: 'denied',
  XAdminUserNotFound: 'denied',
  ExpiredToken: 'credentials',
  InvalidToken: 'credentials',
  CredentialsProviderError: 'credentials',
  TokenProviderError: 'credentials',
  PermanentRedirect: 'region',
  AuthorizationHeaderMalformed: 'region',
  NotImplemented: 'unsupported',
  ObjectParentIsFile: 'parent',
}

const BY_STATUS: Readonly<Record<number, S3Trouble>> = {
  301: 'region',
  401: 'denied',
  403: 'denied',
  404: 'absent',
  408: 'again',
  409: 'again',
  412: 'condition',
  416: 'range',
  429: 'again',
  501: 'unsupported',
}

/** Errors of the connection: the service may or may not have seen the request. */
const CONNECTION =
  /^(ECONN(RESET|REFUSED|ABORTED)|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ERR_STREAM_PREMATURE_CLOSE|UND_.*)$/

/** Tells what an error means. */
export function troubleOf(e: unknown): S3Trouble {
  if (!(e instanceof Error)) return 'other'
  const named = BY_NAME[e.name]
  if (named !== undefined) return named
  const status = statusOf(e)
  if (status !== null) return BY_STATUS[status] ?? (status >= 500 ? 'again' : 'other')
  const code = 'code' in e && typeof e.code === 'string' ? e.code : ''
  return CONNECTION.test(code) || e.name === 'AbortError' ? 'again' : 'other'
}

/** True when the error is of this kind. */
export function isTrouble(e: unknown, trouble: S3Trouble): boolean {
  return troubleOf(e) === trouble
}

/** HTTP status of the answer; null: there was none. */
export function statusOf(e: Error): number | null {
  const metadata = '$metadata' in e ? (e.$metadata as { readonly httpStatusCode?: number } | undefined) : undefined
  return metadata?.httpStatusCode ?? null
}

const CODES = {
  again: 'TRB-STORE-013',
  absent: 'TRB-STORE-001',
  condition: 'TRB-STORE-005',
  'no upload': 'TRB-STORE-013',
  range: 'TRB-STORE-004',
  bucket: 'TRB-STORE-010',
  denied: 'TRB-STORE-009',
  credentials: 'TRB-STORE-011',
  region: 'TRB-STORE-015',
  unsupported: 'TRB-STORE-012',
  parent: 'TRB-STORE-006',
  other: 'TRB-STORE-004',
} as const satisfies Record<S3Trouble, string>

export interface FailedCall {
  readonly root: string
  readonly bucket: string
  readonly key: string
  /** Name of the request, e.g. `PutObject`. */
  readonly operation: string
  readonly attempts: number
}

/** The failure that an error means in the end, after the tries. Failures pass unchanged. */
export function s3Failure(e: unknown, call: FailedCall): Failure {
  if (e instanceof Failure) return e
  return new Failure(CODES[troubleOf(e)], { ...call, system: describe(e) }, e)
}

/** `AccessDenied (403)`, `ECONNREFUSED`: the service's or the system's own word; texts of a service may hold anything, names don't. */
function describe(e: unknown): string {
  if (!(e instanceof Error)) return String(e)
  const status = statusOf(e)
  const code = 'code' in e && typeof e.code === 'string' ? e.code : null
  const name = code !== null && CONNECTION.test(code) ? code : e.name
  const word = name === 'Error' || name === 'TypeError' ? e.message : name
  return status === null ? word : `${word} (${status})`
}
