import { Failure } from '../../failure/failure.ts'
import { quoteIdent, quoteLiteral, type SqlConnection } from './connect.ts'
import { parseLsn, printLsn } from './lsn.ts'

/** A row of pg_replication_slots; fields that the server's version lacks are null. */
export interface SlotState {
  readonly plugin: string
  readonly type: string
  readonly database: string
  readonly active: boolean
  readonly activePid: number | null
  readonly restart: bigint
  /** Everything that committed before is not sent any more. */
  readonly confirmed: bigint
  /** reserved, extended, unreserved, lost; null before 13. */
  readonly walStatus: string | null
  /** Why the slot is dead, null while it lives. */
  readonly invalid: string | null
  /** Bytes of WAL that the slot holds. */
  readonly retained: bigint
}

/** Reads a slot; null when it does not exist. */
export async function readSlot(sql: SqlConnection, slot: string): Promise<SlotState | null> {
  const rows = await sql.query(
    `SELECT to_jsonb(s)::text, pg_catalog.pg_wal_lsn_diff(CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
       ELSE pg_catalog.pg_current_wal_lsn() END, s.restart_lsn)::bigint
     FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = ${quoteLiteral(slot)}`,
    'reading the slot',
  )
  if (rows.length === 0) return null
  const s = JSON.parse(rows[0][0]!) as Record<string, string | number | boolean | null>
  const lsn = (v: unknown): bigint => (typeof v === 'string' ? (parseLsn(v) ?? 0n) : 0n)
  const walStatus = (s['wal_status'] as string | null | undefined) ?? null
  const reason = (s['invalidation_reason'] as string | null | undefined) ?? null
  const conflicting = s['conflicting'] === true
  return {
    plugin: String(s['plugin']),
    type: String(s['slot_type']),
    database: String(s['database']),
    active: s['active'] === true,
    activePid: typeof s['active_pid'] === 'number' ? s['active_pid'] : null,
    restart: lsn(s['restart_lsn']),
    confirmed: lsn(s['confirmed_flush_lsn']),
    walStatus,
    invalid: reason ?? (walStatus === 'lost' ? 'wal_removed' : conflicting ? 'conflict with recovery' : null),
    retained: BigInt(rows[0][1] ?? '0'),
  }
}

/** When the reader of a slot last answered the server (any text that changes with each answer); null: not known, or not ours to see. */
export async function lastReply(sql: SqlConnection, pid: number): Promise<string | null> {
  const text = `SELECT reply_time::text FROM pg_catalog.pg_stat_replication WHERE pid = ${pid}`
  return (await sql.query(text, 'looking at the reader of the slot'))[0]?.[0] ?? null
}

/** Fails unless the slot can serve: TRB-PG-011 (another kind), 009 (invalidated). `position` fills the text. */
export function requireUsable(state: SlotState, slot: string, database: string, position: string): void {
  if (state.type !== 'logical' || state.plugin !== 'pgoutput' || state.database !== database) {
    const found = state.type !== 'logical' ? `${state.type} slot` : `plugin ${state.plugin} in database ${state.database}`
    throw new Failure('TRB-PG-011', { slot, found, database })
  }
  if (state.invalid !== null) throw new Failure('TRB-PG-009', { slot, reason: state.invalid, position })
}

/**
 * Fails with TRB-PG-010 when the slot has moved past what was taken. `resume` is the LSN that was or may have been acknowledged.
 */
export function requireNotAhead(state: SlotState, slot: string, resume: bigint, position: string): void {
  if (state.confirmed > resume) throw new Failure('TRB-PG-010', { slot, confirmed: printLsn(state.confirmed), position })
}

/** A slot just made, with the snapshot that shows exactly what committed before `at`. */
export interface ExportedSlot {
  readonly at: bigint
  readonly snapshot: string
}

/**
 * CREATE_REPLICATION_SLOT … EXPORT_SNAPSHOT on a replication connection; the snapshot can be imported until the connection is used
 * again. Waits for transactions that are running (`temporary` slots vanish with the connection).
 */
export async function createSlot(replication: SqlConnection, slot: string, temporary: boolean): Promise<ExportedSlot> {
  const rows = await replication.query(createSlotCommand(replication.version, slot, temporary), 'creating the slot')
  const [, at, snapshot] = rows[0]
  return { at: parseLsn(at!)!, snapshot: snapshot! }
}

export function createSlotCommand(version: number, slot: string, temporary: boolean): string {
  const kind = temporary ? ' TEMPORARY' : ''
  const tail = version >= 150000 ? "(SNAPSHOT 'export')" : 'EXPORT_SNAPSHOT'
  return `CREATE_REPLICATION_SLOT ${quoteIdent(slot)}${kind} LOGICAL pgoutput ${tail}`
}

/** Slot names are [a-z0-9_]{1,63}; fails with TRB-PG-025. */
export function requireSlotName(slot: string): void {
  if (/^[a-z0-9_]{1,63}$/.test(slot)) return
  throw new Failure('TRB-PG-025', {
    option: '--slot-name',
    value: slot,
    reason: 'a slot name has 1 to 63 characters of a-z, 0-9 and _',
    fix: `Use for instance --slot-name ${
      slot
        .toLowerCase()
        .replace(/[^a-z0-9_]/g, '_')
        .slice(0, 63) || 'tributary'
    }.`,
  })
}
