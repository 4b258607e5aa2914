import { connectSql } from '../../capture/postgres/connect.ts'
import type { PostgresOptions } from '../../capture/postgres/options.ts'
import type { SourceEvent } from '../../capture/source-event.ts'
import type { Clock } from '../../contract/clock.ts'

/** Removes the slot and the publication that this tail created and nobody will come back to: a forgotten slot fills the server's disk. */
export async function removeCreated(options: PostgresOptions, created: readonly SourceEvent[], clock: Clock): Promise<void> {
  const has = (object: string): boolean => created.some((e) => e.kind === 'created' && e.object === object)
  if (created.length === 0) return
  const sql = await connectSql(options, 'sql')
  try {
    if (has('slot')) await dropSlot(options.slot, (q) => sql.query(q, 'removing the slot of cdc tail'), clock)
    if (has('publication'))
      await sql.query(`DROP PUBLICATION IF EXISTS ${ident(options.publication)}`, 'removing the publication of cdc tail')
  } finally {
    await sql.close()
  }
}

/** The server notices a closed connection a moment later; until then the slot is in use. */
async function dropSlot(slot: string, query: (sql: string) => Promise<unknown>, clock: Clock): Promise<void> {
  const name = `'${slot.replaceAll("'", "''")}'`
  for (let i = 0; i < 100; i++) {
    const rows = (await query(
      `SELECT active FROM pg_catalog.pg_replication_slots WHERE slot_name = ${name}`,
    )) as readonly (readonly string[])[]
    if (rows.length === 0) return
    if (rows[0][0] === 'f') {
      await query(`SELECT pg_catalog.pg_drop_replication_slot(${name})`)
      return
    }
    await clock.sleep(50)
  }
}

function ident(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
