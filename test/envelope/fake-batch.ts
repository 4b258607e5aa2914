import type { ChangeBatch, Column, OpCode, SnapshotMark, TableSchema, TransactionRun } from '../../src/contract/change.ts'
import { GrowableSink } from '../../src/format/bytes/growable-sink.ts'

export type Cell = string | null | undefined

/** One change for `fakeBatch`; cells: text, null, undefined = not in the log. */
export interface FakeChange {
  readonly table?: number
  readonly op: 'c' | 'u' | 'd' | 'r' | 't'
  readonly before?: readonly Cell[]
  readonly beforeKind?: 0 | 1 | 2
  readonly after?: readonly Cell[]
  readonly mark?: SnapshotMark
  readonly lsn?: bigint
}

/** A batch of whole transactions (one list of changes each). */
export function fakeBatch(tables: readonly TableSchema[], transactions: readonly (readonly FakeChange[])[]): ChangeBatch {
  const arena = new GrowableSink(1024)
  arena.pos = 1
  const changes = transactions.flat()
  const at = (cells: readonly Cell[] | undefined): number => (cells === undefined ? -1 : writeTuple(arena, cells))
  const before = Int32Array.from(changes, (c) => at(c.before))
  const after = Int32Array.from(changes, (c) => at(c.after))
  let from = 0
  const runs = transactions.map((t, n): TransactionRun => {
    const run = {
      from,
      to: from + t.length,
      firstIndex: 0,
      commit: `0/${(4096 * (n + 1)).toString(16).toUpperCase()}`,
      commitUs: 1795231930430515n + BigInt(n),
      xid: BigInt(700 + n),
      begins: true,
      ends: true,
    }
    from = run.to
    return run
  })
  const lsn = (i: number): bigint => changes[i].lsn ?? BigInt(1000 + i)
  return {
    arena: arena.copy(),
    bytes: arena.pos,
    count: changes.length,
    tables,
    table: Int32Array.from(changes, (c) => c.table ?? 0),
    op: Uint8Array.from(changes, (c) => c.op.charCodeAt(0) as OpCode),
    mark: Uint8Array.from(changes, (c) => c.mark ?? 0),
    before,
    after,
    beforeKind: Uint8Array.from(changes, (c) => c.beforeKind ?? (c.before === undefined ? 0 : 2)),
    placeHi: Uint32Array.from(changes, (_, i) => Number(lsn(i) >> 32n)),
    placeLo: Uint32Array.from(changes, (_, i) => Number(lsn(i) & 0xffffffffn)),
    transactions: runs,
    upTo: runs.at(-1)?.commit ?? '0/0',
    boundary: true,
    snapshotDone: [],
    snapshotComplete: false,
  }
}

function writeTuple(out: GrowableSink, cells: readonly Cell[]): number {
  const start = out.pos
  out.reserve(2)
  out.pos = out.buf.writeUInt16BE(cells.length, out.pos)
  for (const cell of cells) {
    const text = Buffer.from(cell ?? '', 'utf8')
    out.reserve(5 + text.length)
    out.buf[out.pos++] = cell === null ? 110 : cell === undefined ? 117 : 116
    if (cell === null || cell === undefined) continue
    out.pos = out.buf.writeInt32BE(text.length, out.pos)
    text.copy(out.buf, out.pos)
    out.pos += text.length
  }
  return start
}

export function tableOf(columns: readonly Column[], key: readonly number[], table = 't'): TableSchema {
  return { id: { schema: 'public', table }, version: 1, columns, key, identity: 'default', rowEstimate: -1 }
}
