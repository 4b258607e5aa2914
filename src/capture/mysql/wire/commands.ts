import { commandPacket } from './packets.ts'

const SEND_ANNOTATE_ROWS = 2
/** MySQL: the position (GTID set) in the command counts. */
const THROUGH_GTID = 4

/** What a replica tells of itself, so that SHOW REPLICAS lists it.  0x15 serverId:u32 host user password:(u8 byte*) port:u16 0:u32 0:u32 */
export function registerReplica(serverId: number, host: string): Buffer {
  const name = Buffer.from(host, 'utf8').subarray(0, 60)
  const body = Buffer.alloc(1 + 4 + 1 + name.length + 1 + 1 + 2 + 4 + 4)
  body[0] = 0x15
  body.writeUInt32LE(serverId, 1)
  body[5] = name.length
  name.copy(body, 6)
  return commandPacket(body)
}

/** COM_BINLOG_DUMP => 0x12 pos:u32 flags:u16 serverId:u32 file.  MariaDB with an empty file: from @slave_connect_state. */
export function dumpFrom(file: string, pos: number, serverId: number, annotate: boolean): Buffer {
  const name = Buffer.from(file, 'utf8')
  const body = Buffer.alloc(11 + name.length)
  body[0] = 0x12
  body.writeUInt32LE(pos, 1)
  body.writeUInt16LE(annotate ? SEND_ANNOTATE_ROWS : 0, 5)
  body.writeUInt32LE(serverId, 7)
  name.copy(body, 11)
  return commandPacket(body)
}

/**
 * COM_BINLOG_DUMP_GTID => 0x1e flags:u16 serverId:u32 nameLength:u32 file pos:u64 length:u32 set. Without the flag the server goes by file
 * and position, which here has 64 bits.
 */
export function dumpBehind(set: Buffer | null, file: string, pos: number, serverId: number): Buffer {
  const name = Buffer.from(set === null ? file : '', 'utf8')
  const gtids = set ?? Buffer.alloc(8)
  const body = Buffer.alloc(1 + 2 + 4 + 4 + name.length + 8 + 4 + gtids.length)
  body[0] = 0x1e
  body.writeUInt16LE(set === null ? 0 : THROUGH_GTID, 1)
  body.writeUInt32LE(serverId, 3)
  body.writeUInt32LE(name.length, 7)
  name.copy(body, 11)
  let p = 11 + name.length
  body.writeBigUInt64LE(BigInt(pos), p)
  body.writeUInt32LE(gtids.length, p + 8)
  p += 12
  gtids.copy(body, p)
  return commandPacket(body)
}
