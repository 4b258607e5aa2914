import { Failure, isFailure } from '../../failure/failure.ts'
import type { ConnectOptions } from './options.ts'

/** Where an error happened: fills the texts of the codes. Holds no password. */
export interface FailureContext {
  readonly connect: ConnectOptions
  readonly doing: string
}

/** Network errors of Node that mean "not now". */
const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTDOWN',
  'EACCES',
])
const LOST = new Set([
  'ECONNRESET',
  'EPIPE',
  'ECONNABORTED',
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_UNEXPECTED_PACKET',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
])

/** Numbers of server errors that decide what happens. */
export const ERRNO = {
  tooManyConnections: 1040,
  dbAccessDenied: 1044,
  accessDenied: 1045,
  serverShutdown: 1053,
  noSuchTable: 1146,
  readOrNet: 1158,
  userLimit: 1203,
  specificAccessDenied: 1227,
  /** The binlog dump ended: the text says why, the server's variables say it exactly. */
  dumpFailed: 1236,
  queryKilled: 1317,
  notSupportedAuth: 1251,
  binlogPurged: 1789,
  /** MariaDB: another reader came with the same id. */
  sameServerId: 4052,
} as const

export function addressOf(c: ConnectOptions): string {
  return c.host.startsWith('/') ? c.host : `${c.host}:${c.port}`
}

/** Connection details that the codes' texts refer to. */
export function connectDetails(c: ConnectOptions): Record<string, string | number> {
  return { address: addressOf(c), host: c.host, port: c.port, user: c.user }
}

/**
 * An error of the driver, the network or the server as a Failure with the right code: by errno or the driver's code, never by text.
 * A Failure passes unchanged.
 */
export function serverFailure(error: unknown, context: FailureContext): Failure {
  if (isFailure(error)) return error
  if (error instanceof AggregateError && error.errors.length > 0) return serverFailure(error.errors[0], context)
  const details = { ...connectDetails(context.connect), reason: errorText(error), doing: context.doing }
  const errno = serverErrno(error)
  if (errno !== null) return answered(errno, details, error)
  const code = driverCode(error)
  if (UNREACHABLE.has(code)) return new Failure('TRB-MY-001', details, error)
  if (isTlsError(code)) return new Failure('TRB-MY-003', details, error)
  if (LOST.has(code) || code === '') return new Failure('TRB-MY-021', details, error)
  return new Failure('TRB-MY-020', { ...details, errno: code }, error)
}

function answered(errno: number, details: Record<string, string | number>, cause: unknown): Failure {
  switch (errno) {
    case ERRNO.accessDenied:
    case ERRNO.dbAccessDenied:
    case ERRNO.notSupportedAuth:
      return new Failure('TRB-MY-002', details, cause)
    case ERRNO.specificAccessDenied:
      return new Failure('TRB-MY-004', { ...details, client: 'REPLICATION CLIENT' }, cause)
    case ERRNO.tooManyConnections:
    case ERRNO.userLimit:
      return new Failure('TRB-MY-001', details, cause)
    case ERRNO.serverShutdown:
    case ERRNO.readOrNet:
    case ERRNO.queryKilled:
      return new Failure('TRB-MY-021', details, cause)
    default:
      return new Failure('TRB-MY-020', { ...details, errno }, cause)
  }
}

/** Number of the server's own error; null: it comes from the driver or the network. */
export function serverErrno(error: unknown): number | null {
  if (typeof error !== 'object' || error === null || !('errno' in error) || typeof error.errno !== 'number') return null
  // Node's network errors have negative ones; the driver's own begin at 2000.
  return error.errno >= 1000 && (error.errno < 2000 || error.errno >= 3000) ? error.errno : null
}

function driverCode(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** The server's or the driver's words, without a full stop. */
export function errorText(error: unknown): string {
  const text =
    typeof error === 'object' && error !== null && 'sqlMessage' in error && typeof error.sqlMessage === 'string'
      ? error.sqlMessage
      : error instanceof Error
        ? error.message
        : String(error)
  return text.replace(/\.$/, '')
}

function isTlsError(code: string): boolean {
  return (
    code.startsWith('ERR_TLS') ||
    code.startsWith('ERR_SSL') ||
    code.startsWith('HANDSHAKE_') ||
    code.includes('CERT') ||
    code === 'EPROTO' ||
    code === 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'
  )
}
