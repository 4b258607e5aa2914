import { lsnHi, lsnLo } from '../lsn.ts'

const PG_EPOCH_US = 946_684_800_000_000n

/** Server timestamps count µs from 2000-01-01 UTC; ours from 1970. */
export function epochMicros(pgMicros: bigint): bigint {
  return pgMicros + PG_EPOCH_US
}

/**
 * Standby status update in a CopyData message:
 *   'd' len:i32 'r' written:u64 flushed:u64 applied:u64 clockUs:i64 replyNow:u8
 * `flushed` is what the server may forget; 0 leaves the slot as it is.
 */
export function standbyStatus(written: bigint, flushed: bigint, nowMs: number, replyNow: boolean): Buffer {
  const b = Buffer.alloc(39)
  b[0] = 0x64
  b.writeInt32BE(38, 1)
  b[5] = 0x72
  putLsn(b, 6, written)
  putLsn(b, 14, flushed)
  putLsn(b, 22, flushed)
  b.writeBigInt64BE(BigInt(Math.round(nowMs)) * 1000n - PG_EPOCH_US, 30)
  b[38] = replyNow ? 1 : 0
  return b
}

/** CopyDone: ends the stream in order. */
export function copyDone(): Buffer {
  return Buffer.from([0x63, 0, 0, 0, 4])
}

/** Query => 'Q' len:i32 sql:cstring */
export function simpleQuery(sql: string): Buffer {
  const text = Buffer.from(sql, 'utf8')
  const b = Buffer.alloc(text.length + 6)
  b[0] = 0x51
  b.writeInt32BE(text.length + 5, 1)
  text.copy(b, 5)
  return b
}

function putLsn(b: Buffer, at: number, lsn: bigint): void {
  b.writeUInt32BE(lsnHi(lsn), at)
  b.writeUInt32BE(lsnLo(lsn), at + 4)
}
