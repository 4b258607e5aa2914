import pg from 'pg'
import { parseLsn } from '../../query/as-of.ts'
import type { PostgresOptions } from '../postgres-options.ts'

/** `not recorded`: the server knows nothing of its readers. */
export type SlotState = 'covered' | 'behind' | 'idle and behind' | 'absent' | 'not recorded'

/** How far `cdc run` has come, by what its replication slot shows. */
export interface SlotProbe {
  /**
   * `covered`: everything committed before `lsn` that is captured is durable in the log (confirmed, or the slot is idle and the WAL holds
   * nothing for it up to there). `behind`: in use, not that far yet. `idle and behind`: nobody reads it, and there is more to read.
   */
  covers(lsn: bigint): Promise<SlotState>
  close(): Promise<void>
}

/** Opens a connection of its own: the snapshot's transaction would show the slot as it was. */
export async function openSlotProbe(options: PostgresOptions, slot: string, publication: string): Promise<SlotProbe> {
  const client = new pg.Client({ ...options, connectionTimeoutMillis: 15_000, application_name: 'tributary verify' })
  client.on('error', () => undefined)
  await client.connect()
  return {
    async covers(lsn) {
      const sql = 'SELECT active, confirmed_flush_lsn::text AS confirmed FROM pg_catalog.pg_replication_slots WHERE slot_name = $1'
      const row = (await client.query<{ active: boolean; confirmed: string | null }>(sql, [slot])).rows[0]
      if (row === undefined) return 'absent'
      const confirmed = row.confirmed === null ? null : parseLsn(row.confirmed)
      if (confirmed !== null && confirmed >= lsn) return 'covered'
      if (row.active) return 'behind'
      return (await nothingPending(client, slot, publication, lsn)) ? 'covered' : 'idle and behind'
    },
    close: () => client.end(),
  }
}

/** Looks (without moving the slot) whether the WAL up to `lsn` holds a transaction that the publication shows. */
async function nothingPending(client: pg.Client, slot: string, publication: string, lsn: bigint): Promise<boolean> {
  const peek = `SELECT count(*)::int AS n FROM pg_catalog.pg_logical_slot_peek_binary_changes($1, $2::pg_lsn, 1, 'proto_version', '1', 'publication_names', $3)
    WHERE get_byte(data, 0) NOT IN (66, 67)`
  const upTo = `${(lsn >> 32n).toString(16)}/${(lsn & 0xffffffffn).toString(16)}`
  try {
    return (await client.query<{ n: number }>(peek, [slot, upTo, pg.escapeIdentifier(publication)])).rows[0]!.n === 0
  } catch (e) {
    // 55006: somebody took the slot between the two looks. 42704: the publication is gone. 55000: the slot is lost. None of them says "nothing".
    if (e instanceof pg.DatabaseError) return false
    throw e
  }
}

/** What a slot's state means for somebody who waits. */
export function slotReason(slot: SlotState): string {
  return {
    covered: 'Everything up to the snapshot has been captured.',
    behind: 'cdc run is connected, and has not confirmed that position yet.',
    'idle and behind': 'Nobody reads the replication slot: cdc run is not running.',
    'not recorded': 'The log at --state has not reached that position, or is not at hand.',
    absent: 'There is no such replication slot (--name, --slot-name): nothing is captured under that name.',
  }[slot]
}
