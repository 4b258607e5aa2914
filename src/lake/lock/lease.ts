import { Failure } from '../../failure/failure.ts'

/**
 * Content of `.hoodie/.locks/table_lock.json` (Hudi's StorageBasedLockProvider): one JSON object
 *   { "expired": boolean, "validUntil": ms since epoch, "owner": text }
 * `expired` true: given free by its owner.
 */
export interface Lease {
  readonly expired: boolean
  readonly validUntil: number
  readonly owner: string
}

/** Reads a lease. TRB-LAKE-004 when it is none: nobody can tell then whether the table is locked. */
export function parseLease(body: Uint8Array, file: string): Lease {
  let v: unknown
  try {
    v = JSON.parse(Buffer.from(body).toString('utf8'))
  } catch (e) {
    throw new Failure('TRB-LAKE-004', { file }, e)
  }
  if (!isLease(v)) throw new Failure('TRB-LAKE-004', { file })
  return { expired: v.expired, validUntil: v.validUntil, owner: v.owner }
}

/** In the order of fields in which Hudi writes it. */
export function printLease({ expired, validUntil, owner }: Lease): Buffer {
  return Buffer.from(JSON.stringify({ expired, validUntil, owner }), 'utf8')
}

/** Whether another writer may take it. While it is doubtful, by the drift of two clocks, it belongs to its owner. */
export function isFree(lease: Lease, nowMs: number, driftMs: number): boolean {
  return lease.expired || nowMs > lease.validUntil + driftMs
}

function isLease(v: unknown): v is Lease {
  if (typeof v !== 'object' || v === null) return false
  const l = v as Record<string, unknown>
  return typeof l.expired === 'boolean' && Number.isSafeInteger(l.validUntil) && typeof l.owner === 'string'
}
