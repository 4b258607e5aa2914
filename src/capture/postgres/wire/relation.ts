import { i32, u16, u32 } from './big-endian.ts'

export interface RelationMessage {
  readonly oid: number
  readonly schema: string
  readonly table: string
  /** pg_class.relreplident: d default, n nothing, f full, i index. */
  readonly identity: string
  readonly columns: readonly RelationColumn[]
}

export interface RelationColumn {
  readonly name: string
  readonly typeOid: number
  readonly typmod: number
  /** Part of the replica identity (all columns under FULL). */
  readonly identity: boolean
}

/** Relation => 'R' oid:u32 namespace:cstring name:cstring replident:u8 ncols:u16 (flags:u8 name:cstring type:u32 typmod:i32)* */
export function parseRelation(buf: Buffer, start: number): RelationMessage {
  const oid = u32(buf, start + 1)
  let p = start + 5
  let stop = buf.indexOf(0, p)
  // An empty namespace stands for pg_catalog.
  const schema = buf.toString('utf8', p, stop) || 'pg_catalog'
  p = stop + 1
  stop = buf.indexOf(0, p)
  const table = buf.toString('utf8', p, stop)
  p = stop + 1
  const identity = String.fromCharCode(buf[p])
  const count = u16(buf, p + 1)
  p += 3
  const columns: RelationColumn[] = []
  for (let i = 0; i < count; i++) {
    const flags = buf[p]
    stop = buf.indexOf(0, p + 1)
    columns.push({
      name: buf.toString('utf8', p + 1, stop),
      typeOid: u32(buf, stop + 1),
      typmod: i32(buf, stop + 5),
      identity: (flags & 1) === 1,
    })
    p = stop + 9
  }
  return { oid, schema, table, identity, columns }
}
