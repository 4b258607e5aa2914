import { Failure } from '../../failure/failure.ts'
import { quoteLiteral, type SqlConnection } from './connect.ts'
import { GtidSet } from './gtid-set.ts'
import type { Point } from './position.ts'
import { dumpBehind, dumpFrom, registerReplica } from './wire/commands.ts'

/** How often an idle server says that it is there, and where. */
export const HEARTBEAT_MS = 1000
const LAST_U32 = 0xffff_ffff

export interface DumpRequest {
  readonly serverId: number
  /** Name under which SHOW REPLICAS lists the reader. */
  readonly name: string
  readonly from: Point
  /** Begin behind the GTIDs of `from`; else at its file and byte. */
  readonly byGtid: boolean
  readonly checksum: boolean
  readonly includeQuery: boolean
}

/** Tells the server what this reader understands. */
export async function announce(sql: SqlConnection, request: DumpRequest): Promise<void> {
  const checksum = request.checksum ? "'CRC32'" : "'NONE'"
  const period = HEARTBEAT_MS * 1_000_000
  const settings = [`@master_binlog_checksum = ${checksum}`, `@master_heartbeat_period = ${period}`]
  if (sql.flavor === 'mysql') settings.push(`@source_binlog_checksum = ${checksum}`, `@source_heartbeat_period = ${period}`)
  else {
    settings.push('@mariadb_slave_capability = 4')
    if (request.byGtid) {
      settings.push(`@slave_connect_state = ${quoteLiteral(request.from.gtids ?? '')}`)
      settings.push('@slave_gtid_strict_mode = 0', '@slave_gtid_ignore_duplicates = 0')
    }
  }
  await sql.query(`SET ${settings.join(', ')}`, 'announcing a reader of the binlog')
}

/**
 * The commands that begin the dump; the server answers the first one with a packet of its own. Fails with TRB-MY-025: MariaDB's command has
 * 32 bits for a place in a file.
 */
export function dumpCommands(flavor: SqlConnection['flavor'], request: DumpRequest): readonly Buffer[] {
  const { from, serverId } = request
  return [registerReplica(serverId, request.name), flavor === 'mysql' ? mysqlDump(request) : mariadbDump()]

  function mysqlDump(r: DumpRequest): Buffer {
    const set = r.byGtid ? (GtidSet.parse(from.gtids ?? '') ?? new GtidSet()).encode() : null
    return dumpBehind(set, from.file, set === null ? from.pos : 4, serverId)
  }

  function mariadbDump(): Buffer {
    if (request.byGtid) return dumpFrom('', 4, serverId, request.includeQuery)
    if (from.pos > LAST_U32) throw new Failure('TRB-MY-025', { position: `${from.file}:${from.pos}` })
    return dumpFrom(from.file, from.pos, serverId, request.includeQuery)
  }
}
