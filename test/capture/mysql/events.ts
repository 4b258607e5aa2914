import { crc32 } from 'node:zlib'

/** Binlog events made by hand, by the grammar of MySQL's manual and not by the product's code. */

export interface EventOptions {
  readonly seconds?: number
  readonly flags?: number
  /** Where it ends in its file; 0: in none. */
  readonly end?: number
}

/** header => seconds:u32 type:u8 serverId:u32 size:u32 end:u32 flags:u16 */
export function event(type: number, body: Buffer, options: EventOptions = {}): Buffer {
  const out = Buffer.alloc(19 + body.length)
  out.writeUInt32LE(options.seconds ?? 1_700_000_000, 0)
  out[4] = type
  out.writeUInt32LE(1, 5)
  out.writeUInt32LE(out.length, 9)
  out.writeUInt32LE(options.end ?? 0, 13)
  out.writeUInt16LE(options.flags ?? 0, 17)
  body.copy(out, 19)
  return out
}

/** Puts a checksum behind the event; its size counts it. */
export function withChecksum(plain: Buffer): Buffer {
  const out = Buffer.concat([plain, Buffer.alloc(4)])
  out.writeUInt32LE(out.length, 9)
  out.writeUInt32LE(crc32(out.subarray(0, plain.length)), plain.length)
  return out
}

/** A packet of a binlog dump. */
export function packet(bytes: Buffer, sequence = 1): Buffer {
  const out = Buffer.alloc(5 + bytes.length)
  out.writeUIntLE(bytes.length + 1, 0, 3)
  out[3] = sequence
  bytes.copy(out, 5)
  return out
}

export function query(sql: string, database = 'd'): Buffer {
  const head = Buffer.alloc(13)
  head.writeUInt32LE(7, 0)
  head[8] = database.length
  return Buffer.concat([head, Buffer.from(`${database}\0${sql}`)])
}

/** A table of INT columns, none of which may be null. */
export function tableMap(id: number, schema: string, table: string, columns: number): Buffer {
  const head = Buffer.alloc(8)
  head.writeUIntLE(id, 0, 6)
  const name = (s: string): Buffer => Buffer.concat([Buffer.from([s.length]), Buffer.from(`${s}\0`)])
  const types = Buffer.alloc(columns, 3)
  return Buffer.concat([head, name(schema), name(table), Buffer.from([columns]), types, Buffer.from([0]), Buffer.alloc((columns + 7) >> 3)])
}

/** A WRITE_ROWS (version 2) of rows of INT columns. */
export function writeRows(id: number, rows: readonly (readonly number[])[]): Buffer {
  const columns = rows[0].length
  const bits = (columns + 7) >> 3
  const head = Buffer.alloc(10)
  head.writeUIntLE(id, 0, 6)
  head.writeUInt16LE(2, 8)
  const row = (values: readonly number[]): Buffer => {
    const out = Buffer.alloc(bits + 4 * columns)
    values.forEach((v, i) => {
      out.writeInt32LE(v, bits + 4 * i)
    })
    return out
  }
  return Buffer.concat([head, Buffer.from([columns]), Buffer.alloc(bits, 0xff), ...rows.map(row)])
}
