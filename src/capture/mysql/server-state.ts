import { Failure } from '../../failure/failure.ts'
import { quoteLiteral, type SqlConnection } from './connect.ts'
import { GtidList } from './gtid-list.ts'
import { fileNumber, type Point, type StreamPosition } from './position.ts'

/** What decides how a server's binlog can be read. */
export interface ServerState {
  /** Global variables by name in lower case; those that the server does not have are missing. */
  readonly variables: ReadonlyMap<string, string>
  /** Transactions have GTIDs, and the stream can begin behind a set of them. */
  readonly gtid: boolean
  /** server_uuid, or MariaDB's server_uid; there without one, server_id. */
  readonly server: string
  readonly checksum: boolean
}

const NAMES = [
  'log_bin',
  'binlog_format',
  'binlog_row_image',
  'binlog_row_metadata',
  'binlog_row_value_options',
  'binlog_checksum',
  'gtid_mode',
  'server_id',
  'server_uuid',
  'server_uid',
]

export async function readServer(sql: SqlConnection): Promise<ServerState> {
  const list = NAMES.map(quoteLiteral).join(', ')
  const rows = await sql.query(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${list})`, 'reading the settings of the binlog')
  const variables = new Map(rows.map((r) => [(r[0] ?? '').toLowerCase(), r[1] ?? '']))
  const of = (name: string): string => variables.get(name) ?? ''
  return {
    variables,
    gtid: sql.flavor === 'mariadb' || of('gtid_mode') === 'ON',
    server: of('server_uuid') || of('server_uid') || of('server_id'),
    checksum: of('binlog_checksum').toUpperCase() === 'CRC32',
  }
}

interface Wanted {
  readonly name: string
  readonly value: string
  readonly sql: string
  readonly why: string
}

const WANTED: readonly Wanted[] = [
  { name: 'binlog_format', value: 'ROW', sql: "'ROW'", why: 'With other formats the binlog holds statements instead of rows' },
  { name: 'binlog_row_image', value: 'FULL', sql: "'FULL'", why: 'With less, old and unchanged values are not in the binlog' },
  {
    name: 'binlog_row_metadata',
    value: 'FULL',
    sql: "'FULL'",
    why: 'Without it the binlog does not name columns, and after a change of the table nobody knows which value is which',
  },
  { name: 'binlog_row_value_options', value: '', sql: "''", why: 'With PARTIAL_JSON the binlog does not hold whole JSON values' },
]

/** Settings under which the stream would be wrong or incomplete, worst first: TRB-MY-005 (no binlog), 006 (a setting). Empty: it may begin. */
export function settingProblems(state: ServerState): Failure[] {
  if (!/^(on|1)$/i.test(state.variables.get('log_bin') ?? '')) return [new Failure('TRB-MY-005', {})]
  return WANTED.flatMap(({ name, value, sql, why }) => {
    const found = state.variables.get(name)
    if (found === undefined || found.toUpperCase() === value) return []
    return [new Failure('TRB-MY-006', { variable: name, value: found, wanted: value === '' ? 'the empty value' : value, sql, reason: why })]
  })
}

/** Whether the stream can begin by GTIDs. */
export function usesGtids(state: ServerState, position: StreamPosition): boolean {
  return state.gtid && position.gtids !== null
}

/** What a server lacks of a position. */
export interface Missing {
  /** Transactions that were taken already and that it does not know. */
  readonly unknown: string
  /** Transactions that follow and that it purged. */
  readonly purged: string
}

/** Compares the GTIDs of a position with those of the server. */
export async function missingGtids(sql: SqlConnection, gtids: string): Promise<Missing> {
  const doing = 'comparing GTIDs'
  if (sql.flavor === 'mysql') {
    const set = quoteLiteral(gtids)
    const text = `SELECT GTID_SUBTRACT(${set}, @@GLOBAL.gtid_executed), GTID_SUBTRACT(@@GLOBAL.gtid_purged, ${set})`
    const [unknown, purged] = (await sql.query(text, doing))[0]
    return { unknown: (unknown ?? '').replaceAll(/\s/g, ''), purged: (purged ?? '').replaceAll(/\s/g, '') }
  }
  const state = (await sql.query('SELECT @@GLOBAL.gtid_binlog_state', doing))[0][0] ?? ''
  const logs = await sql.query('SHOW BINARY LOGS', doing)
  const oldest = logs.length === 0 ? '' : ((await sql.query(`SELECT BINLOG_GTID_POS(${quoteLiteral(logs[0][0]!)}, 4)`, doing))[0][0] ?? '')
  return { unknown: behind(gtids, newestOf(state)), purged: behind(oldest, gtids) }
}

/** MariaDB's state names every server of a domain; the newest of each domain counts. */
function newestOf(state: string): string {
  const best = new Map<string, { text: string; sequence: bigint }>()
  for (const text of state.split(',').filter((t) => t !== '')) {
    const [domain, , sequence] = text.split('-')
    const known = best.get(domain)
    if (known === undefined || known.sequence < BigInt(sequence)) best.set(domain, { text, sequence: BigInt(sequence) })
  }
  return [...best.values()].map((b) => b.text).join(',')
}

/** GTIDs of `list` that `reference` has not come to. */
function behind(list: string, reference: string): string {
  const all = GtidList.parse(reference)
  return list
    .split(',')
    .filter((text) => {
      const one = GtidList.parse(text)
      return text !== '' && (all === null || one === null || !all.covers(one))
    })
    .join(',')
}

/** Fails with TRB-MY-009 when a place without GTIDs is one of another server. */
export function requireSameServer(at: Point, server: string | null, state: Pick<ServerState, 'server' | 'gtid'>): void {
  if (server === null || server === state.server || (state.gtid && at.gtids !== null)) return
  throw new Failure('TRB-MY-009', {
    position: `${at.file}:${at.pos}`,
    reason: `It is one of server ${server}, this is ${state.server}, and without GTIDs files of two servers cannot be compared`,
  })
}

/** Fails with TRB-MY-007 or 009 unless the server has the file, up to the position. */
export async function requireFile(sql: SqlConnection, at: Point, server: string | null, state: ServerState): Promise<void> {
  const position = `${at.file}:${at.pos}`
  requireSameServer(at, server, state)
  const logs = await sql.query('SHOW BINARY LOGS', 'listing binlogs')
  const found = logs.find((l) => l[0] === at.file)
  if (found !== undefined) {
    if (Number(found[1]) >= at.pos) return
    throw new Failure('TRB-MY-009', { position, reason: `The file has only ${found[1]} bytes: the binlogs were reset` })
  }
  const first = logs[0]?.[0] ?? null
  const gone = first !== null && fileNumber(at.file) < fileNumber(first) && at.file.replace(/\.\d+$/, '') === first.replace(/\.\d+$/, '')
  if (gone) throw new Failure('TRB-MY-007', { missing: `${at.file} to the one before ${first}` })
  throw new Failure('TRB-MY-009', { position, reason: 'The server has no such binlog file' })
}

/** Whether the server applies changes of another one. */
export async function isReplica(sql: SqlConnection): Promise<boolean> {
  const text = sql.flavor === 'mysql' && sql.version >= 80022 ? 'SHOW REPLICA STATUS' : 'SHOW SLAVE STATUS'
  return (await sql.query(text, 'asking whether the server is a replica')).length > 0
}

/** Names under which readers with this id are registered. */
export async function readersWithId(sql: SqlConnection, serverId: number): Promise<string[]> {
  const text = sql.flavor === 'mysql' && sql.version >= 80022 ? 'SHOW REPLICAS' : 'SHOW SLAVE HOSTS'
  const rows = await sql.query(text, 'listing replicas')
  return rows.filter((r) => Number(r[0]) === serverId).map((r) => r[1] ?? '')
}
