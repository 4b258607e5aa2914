import { u16, u32 } from './little-endian.ts'

/** Types of binlog events; those from 160 on are MariaDB's. */
export const E = {
  QUERY: 2,
  STOP: 3,
  ROTATE: 4,
  INTVAR: 5,
  RAND: 13,
  USER_VAR: 14,
  FORMAT_DESCRIPTION: 15,
  XID: 16,
  BEGIN_LOAD_QUERY: 17,
  EXECUTE_LOAD_QUERY: 18,
  TABLE_MAP: 19,
  WRITE_ROWS_V1: 23,
  UPDATE_ROWS_V1: 24,
  DELETE_ROWS_V1: 25,
  INCIDENT: 26,
  HEARTBEAT: 27,
  IGNORABLE: 28,
  ROWS_QUERY: 29,
  WRITE_ROWS_V2: 30,
  UPDATE_ROWS_V2: 31,
  DELETE_ROWS_V2: 32,
  GTID: 33,
  ANONYMOUS_GTID: 34,
  PREVIOUS_GTIDS: 35,
  TRANSACTION_CONTEXT: 36,
  VIEW_CHANGE: 37,
  XA_PREPARE: 38,
  PARTIAL_UPDATE_ROWS: 39,
  TRANSACTION_PAYLOAD: 40,
  HEARTBEAT_V2: 41,
  GTID_TAGGED: 42,
  ANNOTATE_ROWS: 160,
  BINLOG_CHECKPOINT: 161,
  MARIADB_GTID: 162,
  GTID_LIST: 163,
  START_ENCRYPTION: 164,
  QUERY_COMPRESSED: 165,
  WRITE_ROWS_COMPRESSED_V1: 166,
  UPDATE_ROWS_COMPRESSED_V1: 167,
  DELETE_ROWS_COMPRESSED_V1: 168,
  WRITE_ROWS_COMPRESSED: 169,
  UPDATE_ROWS_COMPRESSED: 170,
  DELETE_ROWS_COMPRESSED: 171,
} as const

/** Flags of an event header. */
export const FLAG_ARTIFICIAL = 0x20
export const FLAG_IGNORABLE = 0x80

export const HEADER_BYTES = 19
export const CHECKSUM_BYTES = 4

/**
 * Fields of the event whose header starts at p.
 *   header => seconds:u32 type:u8 serverId:u32 size:u32 endPos:u32 flags:u16
 */
export function eventSeconds(buf: Uint8Array, p: number): number {
  return u32(buf, p)
}

export function eventType(buf: Uint8Array, p: number): number {
  return buf[p + 4]
}

export function eventServerId(buf: Uint8Array, p: number): number {
  return u32(buf, p + 5)
}

export function eventSize(buf: Uint8Array, p: number): number {
  return u32(buf, p + 9)
}

/** Low 32 bits of where the event ends in its file; 0 for events that are in no file. */
export function eventEnd(buf: Uint8Array, p: number): number {
  return u32(buf, p + 13)
}

export function eventFlags(buf: Uint8Array, p: number): number {
  return u16(buf, p + 17)
}
