import type { Position } from '../../contract/change.ts'
import { Failure } from '../../failure/failure.ts'
import { parsePosition, printPosition, streamAt } from './position.ts'

/** Source offset of a record of Debezium's MySQL or MariaDB connector. */
export type DebeziumOffset = Readonly<Record<string, unknown>>

/** The position behind the record with this offset. Fails with TRB-MY-022: of an unfinished snapshot, or of another connector. */
export function positionOfDebezium(offset: DebeziumOffset): Position {
  const { file, pos, gtids, row, event, snapshot } = offset
  const text = JSON.stringify(offset)
  const whole = typeof file === 'string' && typeof pos === 'number' && Number.isSafeInteger(pos)
  if (!whole || (snapshot !== undefined && snapshot !== null && snapshot !== false)) throw new Failure('TRB-MY-022', { text })
  const start = streamAt({ file, pos, gtids: typeof gtids === 'string' && gtids !== '' ? gtids.replaceAll(/\s/g, '') : null })
  const rows = typeof row === 'number' ? row : 0
  const events = typeof event === 'number' ? event : 0
  const inside = rows === 0 && events === 0 ? null : { rows: -1, event: events, row: rows, gtid: null, begin: pos }
  const position = printPosition({ ...start, inside })
  parsePosition(position)
  return position
}

/** Debezium's offset of a stream position; `tsSec` and `serverId` are those of the last event. */
export function debeziumOffset(position: Position, tsSec: number, serverId: number): DebeziumOffset {
  const p = parsePosition(position)
  if (p.kind !== 'stream') throw new Failure('TRB-MY-022', { text: position })
  const { inside, gtids } = p
  return {
    ts_sec: tsSec,
    file: p.file,
    pos: inside?.begin ?? p.pos,
    ...(gtids === null ? {} : { gtids }),
    ...(inside === null ? {} : { row: inside.row, event: inside.event }),
    server_id: serverId,
  }
}
