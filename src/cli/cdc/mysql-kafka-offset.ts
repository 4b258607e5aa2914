import type { MysqlRun } from '../../capture/mysql/batch.ts'
import { debeziumOffset, positionOfDebezium } from '../../capture/mysql/debezium-offset.ts'
import { parsePosition } from '../../capture/mysql/position.ts'
import type { ChangeBatch } from '../../contract/change.ts'
import type { LogCursor } from '../../contract/log.ts'

/** Debezium's offset behind a batch, as JSON: a Debezium that starts from it goes on with the next change. */
export function mysqlOffset(batch: ChangeBatch): string {
  const run = batch.transactions.at(-1)
  return offsetAt(batch.upTo, run?.commitUs ?? 0n, (run as Partial<MysqlRun> | undefined)?.info?.serverId ?? 0)
}

/** For a cursor that has no offset with it (another log wrote it). */
export function mysqlOffsetOfCursor(cursor: LogCursor): string {
  return offsetAt(cursor.at, cursor.commitUs ?? 0n, 0)
}

/** The cursor that an offset of Debezium stands for, also inside a transaction. Fails with TRB-MY-022. */
export function cursorOfMysqlOffset(text: string, source: string): LogCursor {
  const offset = JSON.parse(text) as Record<string, unknown>
  const at = positionOfDebezium(offset)
  const position = parsePosition(at)
  const seconds = offset['ts_sec']
  return {
    source,
    at,
    boundary: position.kind === 'stream' && position.inside === null,
    commit: `${String(offset['file'])}:${String(offset['pos'])}`,
    commitUs: typeof seconds === 'number' ? BigInt(seconds) * 1_000_000n : 0n,
    snapshotDone: [],
    consistent: true,
    offset: text,
  }
}

/** True for a position or an offset of MySQL or MariaDB: they name a file. */
export function isMysqlPosition(at: string): boolean {
  return at.startsWith('snapshot ') ? /"until":"[^"/:]+:\d/.test(at) : /^[^/\s:]+:\d/.test(at)
}

function offsetAt(at: string, us: bigint, serverId: number): string {
  const position = parsePosition(at)
  const seconds = Number(us / 1_000_000n)
  if (position.kind === 'stream') return JSON.stringify(debeziumOffset(at, seconds, serverId))
  const { file, pos, gtids } = position.progress.until
  return JSON.stringify({ ts_sec: seconds, file, pos, ...(gtids === null ? {} : { gtids }), snapshot: 'INITIAL' })
}
