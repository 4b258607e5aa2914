import type { SqlConnection } from './connect.ts'
import type { MysqlOptions } from './options.ts'
import { rereadFrom } from './reread.ts'
import { serverFailure } from './server-failure.ts'
import type { ServerState } from './server-state.ts'
import { E, eventSeconds, eventType } from './wire/event.ts'

/** How long a server keeps binlogs after their last event, seconds; 0: as long as nobody removes them. */
export async function expireSeconds(sql: SqlConnection): Promise<number> {
  const rows = await sql.query(
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('binlog_expire_logs_seconds', 'expire_logs_days', 'binlog_expire_logs_auto_purge')",
    'checking',
  )
  const of = (name: string): string | undefined => rows.find((r) => r[0] === name)?.[1] ?? undefined
  if (/^(off|0)$/i.test(of('binlog_expire_logs_auto_purge') ?? 'ON')) return 0
  return Number(of('binlog_expire_logs_seconds') ?? 0) || Number(of('expire_logs_days') ?? 0) * 86400
}

/** When a binlog was begun, seconds since epoch by the server's clock: the time of its format description. */
export async function begunAt(options: MysqlOptions, file: string, state: ServerState): Promise<number> {
  const feed = await rereadFrom(options, { file, pos: 4, gtids: null }, 'doctor', state, (e) =>
    serverFailure(e, { connect: options, doing: 'asking when a binlog was begun' }),
  )
  const { events } = feed
  try {
    for (;;) {
      if (!events.peek()) await feed.next()
      else if (eventType(events.buf, events.start) === E.FORMAT_DESCRIPTION) return eventSeconds(events.buf, events.start)
      else events.consume()
    }
  } finally {
    feed.close()
  }
}

export interface Retention {
  /** Seconds until the server may remove the binlog; null: it does not remove any. */
  readonly left: number | null
  /** The server still writes it: then the time runs only from when it begins another one. */
  readonly current: boolean
  /** What it was written with, bytes a second; null: too short to say. */
  readonly rate: number | null
}

/**
 * How long the server keeps a binlog: it removes one that was last written longer ago than its limit, and that was when the next one began.
 * @param logs names and sizes of all, oldest first; @param at index of the one in question
 */
export async function retentionOf(
  sql: SqlConnection,
  options: MysqlOptions,
  state: ServerState,
  logs: readonly (readonly (string | null)[])[],
  at: number,
): Promise<Retention> {
  const expire = await expireSeconds(sql)
  const now = Number((await sql.query('SELECT UNIX_TIMESTAMP()', 'checking'))[0][0])
  const begun = await begunAt(options, logs[at][0]!, state)
  const current = at === logs.length - 1
  const ended = current ? now : await begunAt(options, logs[at + 1][0]!, state)
  const rate = ended - begun >= 60 ? Number(logs[at][1] ?? 0) / (ended - begun) : null
  return { left: expire === 0 ? null : Math.max(0, ended + expire - now), current, rate }
}

/** For people: `3.2 days`, `5.0 hours`, `12 minutes`. */
export function duration(seconds: number): string {
  if (seconds >= 2 * 86400) return `${(seconds / 86400).toFixed(1)} days`
  if (seconds >= 2 * 3600) return `${(seconds / 3600).toFixed(1)} hours`
  return `${Math.ceil(seconds / 60)} minutes`
}
