import { GtidList } from '../gtid-list.ts'
import { GtidSet } from '../gtid-set.ts'
import { flavorOf, type Gtids, parseGtids } from '../gtids.ts'
import { fileNumber, type StreamPosition } from '../position.ts'
import * as ev from './event.ts'
import { PackedReader, u32, u64 } from './little-endian.ts'

const { E } = ev
const TWO_32 = 4294967296

/** What ends a group: how its GTID is added to those that are done. */
export type GroupGtid =
  | { readonly kind: 'mysql'; readonly source: string; readonly number: number }
  | { readonly kind: 'mariadb'; readonly domain: number; readonly server: number; readonly sequence: bigint }

/** Where in the binlog the stream is: file and byte of the current event, and the GTIDs of everything before the current group. */
export class BinlogPlace {
  file: string
  /** Of the current event; for events that are in no file where the one before ended. */
  start = 0
  end = 0
  /** Behind the last event that was done outside of a transaction. */
  pos: number
  readonly epoch: number
  readonly server: string | null
  #gtids: Gtids | null

  constructor(from: StreamPosition) {
    this.file = from.file
    this.pos = from.pos
    this.epoch = from.epoch
    this.server = from.server
    this.#gtids = from.gtids === null ? null : parseGtids(from.gtids, flavorOf(from.gtids))
  }

  get gtids(): string | null {
    return this.#gtids?.print() ?? null
  }

  add(g: GroupGtid): void {
    if (g.kind === 'mysql') {
      this.#gtids ??= new GtidSet()
      if (this.#gtids instanceof GtidSet) this.#gtids.add(g.source, g.number)
    } else {
      // An empty text says nothing of its flavor.
      if (this.#gtids === null || this.#gtids.empty) this.#gtids = new GtidList()
      if (this.#gtids instanceof GtidList) this.#gtids.set(g.domain, g.server, g.sequence)
    }
  }

  /** The event at p begins. Its header has 32 bits of where it ends; a large transaction makes a file larger. */
  enter(buf: Buffer, p: number): void {
    const type = ev.eventType(buf, p)
    const low = ev.eventEnd(buf, p)
    const artificial = low === 0 || (ev.eventFlags(buf, p) & ev.FLAG_ARTIFICIAL) !== 0
    if (artificial || type === E.HEARTBEAT || type === E.HEARTBEAT_V2) {
      this.start = this.end
      return
    }
    let end = Math.floor(this.end / TWO_32) * TWO_32 + low
    if (end < this.end && this.end - end > TWO_32 / 2) end += TWO_32
    this.end = end
    this.start = end - ev.eventSize(buf, p)
  }

  /** body => pos:u64 file */
  rotate(buf: Buffer, p: number, end: number, flags: number): void {
    const pos = Number(u64(buf, p))
    const file = buf.toString('utf8', p + 8, end)
    const moved = file !== this.file
    this.file = file
    // A first rotate that only repeats where the stream was begun moves nothing.
    if (moved || (flags & ev.FLAG_ARTIFICIAL) === 0 || this.end === 0) this.end = pos
  }

  /**
   * An idle server says where it is: version 1 by its header and the name of the file; version 2:
   *   body => (field:lenenc length:lenenc value)* 0     field => 1 file, 2 position:lenenc
   */
  heartbeat(buf: Buffer, type: number, p: number, end: number): void {
    let file = ''
    let pos = 0
    if (type === E.HEARTBEAT) {
      pos = u32(buf, p - ev.HEADER_BYTES + 13)
      file = buf.toString('utf8', p, end)
    } else {
      const r = new PackedReader(buf, p, end)
      for (let field = r.number(); field !== 0 && r.more; field = r.number()) {
        const length = r.number()
        const at = r.take(length)
        if (field === 1) file = buf.toString('utf8', at, at + length)
        else if (field === 2) pos = new PackedReader(buf, at, at + length).number()
      }
    }
    if (file === this.file && pos > this.end) this.end = pos
  }

  /** place of the changes of the current event: epoch << 56 | number of the file << 36 | its start. */
  placeHi(): number {
    return (((this.epoch & 0x7f) << 24) | ((fileNumber(this.file) & 0xfffff) << 4) | (Math.floor(this.start / TWO_32) & 0xf)) >>> 0
  }

  placeLo(): number {
    return this.start >>> 0
  }

  /** The current event, for messages. */
  where(): string {
    return `${this.file}:${this.start}`
  }
}
