/** Builds backend messages as a server would send them: an encoder of its own, so that the decoder is not its own judge. */

export type Cell = string | null | 'unchanged-toast'

const u8 = (v: number): Buffer => Buffer.from([v])
const u16 = (v: number): Buffer => {
  const b = Buffer.alloc(2)
  b.writeUInt16BE(v)
  return b
}
const u32 = (v: number): Buffer => {
  const b = Buffer.alloc(4)
  b.writeUInt32BE(v)
  return b
}
const u64 = (v: bigint): Buffer => {
  const b = Buffer.alloc(8)
  b.writeBigUInt64BE(v)
  return b
}
const cstring = (s: string): Buffer => Buffer.from(`${s}\0`)

export function tuple(cells: readonly Cell[]): Buffer {
  const parts = cells.map((c) => {
    if (c === null) return Buffer.from('n')
    if (c === 'unchanged-toast') return Buffer.from('u')
    const bytes = Buffer.from(c)
    return Buffer.concat([Buffer.from('t'), u32(bytes.length), bytes])
  })
  return Buffer.concat([u16(cells.length), ...parts])
}

/** A CopyData message around an XLogData message. */
export function xlog(lsn: bigint, payload: Buffer): Buffer {
  return copyData(Buffer.concat([Buffer.from('w'), u64(lsn), u64(lsn), u64(0n), payload]))
}

export function keepalive(walEnd: bigint, reply: boolean): Buffer {
  return copyData(Buffer.concat([Buffer.from('k'), u64(walEnd), u64(0n), u8(reply ? 1 : 0)]))
}

export function backend(type: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type), u32(body.length + 4), body])
}

function copyData(body: Buffer): Buffer {
  return backend('d', body)
}

export function begin(commit: bigint, xid: number): Buffer {
  return Buffer.concat([Buffer.from('B'), u64(commit), u64(1_000_000n), u32(xid)])
}

export function commit(lsn: bigint, end: bigint): Buffer {
  return Buffer.concat([Buffer.from('C'), u8(0), u64(lsn), u64(end), u64(1_000_000n)])
}

export function relation(oid: number, schema: string, table: string, columns: readonly string[], identity = 'd'): Buffer {
  const cols = columns.map((c, i) => Buffer.concat([u8(i === 0 ? 1 : 0), cstring(c), u32(25), u32(0xffffffff)]))
  return Buffer.concat([Buffer.from('R'), u32(oid), cstring(schema), cstring(table), Buffer.from(identity), u16(columns.length), ...cols])
}

export function insert(oid: number, cells: readonly Cell[]): Buffer {
  return Buffer.concat([Buffer.from('I'), u32(oid), Buffer.from('N'), tuple(cells)])
}

export function update(oid: number, old: { kind: 'K' | 'O'; cells: readonly Cell[] } | null, cells: readonly Cell[]): Buffer {
  const before = old === null ? Buffer.alloc(0) : Buffer.concat([Buffer.from(old.kind), tuple(old.cells)])
  return Buffer.concat([Buffer.from('U'), u32(oid), before, Buffer.from('N'), tuple(cells)])
}

export function remove(oid: number, kind: 'K' | 'O', cells: readonly Cell[]): Buffer {
  return Buffer.concat([Buffer.from('D'), u32(oid), Buffer.from(kind), tuple(cells)])
}

export function truncate(oids: readonly number[]): Buffer {
  return Buffer.concat([Buffer.from('T'), u32(oids.length), u8(0), ...oids.map(u32)])
}

/** O: where a transaction comes from. */
export function origin(lsn: bigint, name: string): Buffer {
  const b = Buffer.alloc(9)
  b.write('O')
  b.writeBigUInt64BE(lsn, 1)
  return Buffer.concat([b, Buffer.from(`${name}\0`)])
}

export function logicalMessage(prefix: string, content: string, apartAt: bigint | null = null): Buffer {
  return Buffer.concat([
    Buffer.from('M'),
    u8(apartAt === null ? 1 : 0),
    u64(apartAt ?? 1n),
    cstring(prefix),
    u32(content.length),
    Buffer.from(content),
  ])
}
