import { cursorOfOffset as cursorOfPostgres, offsetOfCursor as offsetOfPostgres } from '../../capture/postgres/offset.ts'
import type { LogCursor } from '../../contract/log.ts'
import { cursorOfMysqlOffset, isMysqlPosition, mysqlOffsetOfCursor } from './mysql-kafka-offset.ts'

/** Debezium's offset for a cursor, by the form of its position. */
export function offsetOfCursor(cursor: LogCursor): string {
  return isMysqlPosition(cursor.at) ? mysqlOffsetOfCursor(cursor) : offsetOfPostgres(cursor)
}

/** The cursor that an offset of Debezium stands for, whichever connector it is of; `repeats`: some changes come once more. */
export function cursorOfOffset(text: string, source: string): { readonly cursor: LogCursor; readonly repeats: boolean } {
  return /"file"\s*:\s*"/.test(text) ? { cursor: cursorOfMysqlOffset(text, source), repeats: false } : cursorOfPostgres(text, source)
}
