import { Failure, isFailure } from '../../failure/failure.ts'
import type { ConnectOptions } from './options.ts'

/** Where an error happened: fills the texts of the codes. Holds no password. */
export interface FailureContext {
  readonly connect: ConnectOptions
  readonly slot?: string
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
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
])

export function addressOf(c: ConnectOptions): string {
  return c.host.startsWith('/') ? `${c.host}/.s.PGSQL.${c.port}` : `${c.host}:${c.port}`
}

/** Connection details that the codes' texts refer to. */
export function connectDetails(c: ConnectOptions): Record<string, string | number> {
  return { address: addressOf(c), host: c.host, port: c.port, user: c.user, database: c.database }
}

/**
 * An error of the driver, the network or the server as a Failure with the right code: by SQLSTATE or errno, never by text.
 * A Failure passes unchanged.
 */
export function serverFailure(error: unknown, context: FailureContext): Failure {
  if (isFailure(error)) return error
  const code = errorCode(error)
  const reason = errorText(error)
  const base = { ...connectDetails(context.connect), reason }
  if (error instanceof AggregateError && error.errors.length > 0) return serverFailure(error.errors[0], context)
  if (UNREACHABLE.has(code) || code === '57P03') return new Failure('TRB-PG-001', base, error)
  if (LOST.has(code) || code === '57P01' || code === '57P02' || code === '57P05' || code.startsWith('08'))
    return new Failure('TRB-PG-021', base, error)
  if (isTlsError(code)) return new Failure('TRB-PG-004', base, error)
  return sqlFailure(code, base, context, error)
}

function sqlFailure(code: string, base: Record<string, string | number>, context: FailureContext, cause: unknown): Failure {
  switch (code) {
    case '28P01':
    case '28000':
      return new Failure('TRB-PG-002', base, cause)
    case '3D000':
      return new Failure('TRB-PG-003', base, cause)
    case '55006':
      return new Failure('TRB-PG-007', { slot: context.slot ?? '', pid: 'unknown', waited: 0 }, cause)
    case '53300':
      return new Failure('TRB-PG-012', { ...base, resource: 'connection', setting: 'max_connections' }, cause)
    case '53400':
      return new Failure('TRB-PG-012', { ...base, resource: 'replication slot or WAL sender', setting: 'max_replication_slots' }, cause)
    default:
      return new Failure('TRB-PG-023', { ...base, sqlstate: code, doing: context.doing }, cause)
  }
}

/** SQLSTATE or errno; a connection that ended without either counts as lost. */
export function errorCode(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string') return error.code
  return error instanceof Error ? '08000' : 'XX000'
}

/** The server's or the driver's words, without a full stop. */
export function errorText(error: unknown): string {
  const text =
    error instanceof Error
      ? error.message
      : typeof error === 'object' && error !== null && 'message' in error
        ? String(error.message)
        : String(error)
  return text.replace(/\.$/, '')
}

function isTlsError(code: string): boolean {
  return (
    code.startsWith('ERR_TLS') ||
    code.startsWith('ERR_SSL') ||
    code.includes('CERT') ||
    code === 'EPROTO' ||
    code === 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'
  )
}
