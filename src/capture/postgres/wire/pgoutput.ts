import type { TableSchema } from '../../../contract/change.ts'
import { Failure } from '../../../failure/failure.ts'
import type { BatchBuilder } from '../../batch-builder.ts'
import type { TextMatcher } from '../../java-regex.ts'
import { lsnOf, printLsn } from '../lsn.ts'
import { i32, u32 } from './big-endian.ts'
import { parseErrorResponse, type ServerError } from './error-response.ts'
import { parseRelation, type RelationMessage } from './relation.ts'
import { epochMicros } from './standby-status.ts'
import { tupleEnd } from './tuple.ts'

/** How a relation of the stream is handed on. */
export interface Target {
  /** Null: not captured. */
  readonly schema: TableSchema | null
  /** Transactions that commit before this are dropped for the table; null: none. */
  readonly start: bigint | null
}

interface Relation extends Target {
  /** Index in the batch being built; valid while `batch` is the decoder's batch number. */
  index: number
  batch: number
  /** Transaction for which `dropped` was worked out. */
  transaction: number
  dropped: boolean
}

/** Why `run` came back: all bytes consumed, a relation must be resolved first, the batch is full, or the server ended the stream. */
export type Outcome = 'more' | 'relation' | 'full' | 'ended'

/** Where the stream stood when it was left: what is at or before it is dropped when the server sends it again. */
export interface Resume {
  readonly lsn: bigint
  /** Bytes from `lsn` to what may be acknowledged; 0 inside a transaction. */
  readonly tail: number
  /** Change messages of the transaction at `lsn` already done; −1: all. */
  readonly done: number
}

/**
 * Decodes backend messages of a logical replication stream, in place, in the arena of a BatchBuilder.
 *
 *   CopyData  => 'd' len:i32 (XLogData | Keepalive)
 *   XLogData  => 'w' start:u64 end:u64 clock:i64 message          Keepalive => 'k' walEnd:u64 clock:i64 replyNow:u8
 *   message   => Begin    'B' commitLsn:u64 commitUs:i64 xid:u32
 *              | Commit   'C' flags:u8 commitLsn:u64 endLsn:u64 commitUs:i64
 *              | Origin   'O' lsn:u64 name:cstring               | Type 'Y' oid:u32 namespace:cstring name:cstring
 *              | Relation (wire/relation.ts)
 *              | Insert   'I' oid:u32 'N' tuple
 *              | Update   'U' oid:u32 ('K' tuple | 'O' tuple)? 'N' tuple
 *              | Delete   'D' oid:u32 ('K' tuple | 'O' tuple)
 *              | Truncate 'T' nrels:u32 options:u8 oid:u32*
 *              | Message  'M' flags:u8 lsn:u64 prefix:cstring length:u32 content
 *
 * An insert costs a few comparisons: its tuple is not walked here. A logical message becomes op m with table −1; `after` is the
 * arena offset of its `flags` byte.
 */
export class PgoutputDecoder {
  /** Relation that `run` stopped at. */
  pending: RelationMessage | null = null
  /** Everything that committed before this was received: WAL end of the newest keepalive outside a transaction, 0 before the first. */
  walEnd = 0n
  /** The server asked for a status update. */
  replyWanted = false
  /** Set when the server ended the stream with an error. */
  error: ServerError | null = null
  /** Commit LSN and end of the last whole transaction. */
  lastCommit = 0n
  lastEnd = 0n
  inTransaction = false
  /** Of the open or last transaction. */
  xid = 0n
  readonly #builder: BatchBuilder
  readonly #limit: number
  readonly #messages: boolean | TextMatcher
  readonly #resume: Resume
  readonly #relations = new Map<number, Relation>()
  #batch = 1
  #transaction = 0
  #commit = 0n
  #commitText = ''
  #commitUs = 0n
  #origin: { readonly name: string; readonly lsn: string } | null = null
  /** Change messages of the open transaction seen, and changes handed on. */
  #seen = 0
  #captured = 0
  /** Change messages to skip because they are done already; Infinity for a transaction that is done whole. */
  #skip = 0
  #runFrom = 0
  #runFirst = 0
  #runBegins = true
  #lastOid = -1
  #lastRelation: Relation | null = null

  /** @param limit bytes of a batch at which `run` returns 'full' @param messages hand logical messages on */
  constructor(builder: BatchBuilder, resume: Resume, limit: number, messages: boolean | TextMatcher) {
    this.#builder = builder
    this.#resume = resume
    this.#limit = limit
    this.#messages = messages
  }

  /** Up to where everything was handed on or is done already. */
  at(): Resume {
    if (this.inTransaction && this.#skip !== Number.POSITIVE_INFINITY) {
      return { lsn: this.#commit, tail: 0, done: Math.max(this.#seen, this.#skip) }
    }
    if (this.lastCommit === 0n) return this.#resume
    return { lsn: this.lastCommit, tail: Number(this.lastEnd - this.lastCommit), done: -1 }
  }

  /** Answers 'relation': from the next message on tuples of `oid` go to `target`. */
  resolve(oid: number, target: Target): void {
    this.#relations.set(oid, { ...target, index: -1, batch: 0, transaction: 0, dropped: false })
    this.#lastOid = -1
    this.pending = null
  }

  /** Ends the run of an open transaction and starts its next part; call right before the builder's `cut`. */
  split(): void {
    this.#batch++
    this.#lastOid = -1
    if (!this.inTransaction || this.#skip === Number.POSITIVE_INFINITY) return
    this.#pushRun(false)
    this.#runFrom = 0
    this.#runFirst = this.#captured
    this.#runBegins = false
  }

  /** Decodes what is in the arena between `parsed` and `filled`. Unknown messages fail with TRB-PG-020. */
  run(): Outcome {
    const b = this.#builder
    const buf = b.arena
    const end = b.filled
    let p = b.parsed
    while (end - p >= 5) {
      const size = u32(buf, p + 1) + 1
      if (end - p < size) break
      if (buf[p] !== 0x64) {
        const ended = this.#control(buf, p, size)
        b.parsed = p + size
        if (ended) return 'ended'
      } else if (buf[p + 5] === 0x77) {
        if (b.cost >= this.#limit) return 'full'
        if (buf[p + 30] === 0x52 && this.pending === null && this.#stopsAt(buf, p + 30)) {
          b.parsed = p + size
          return 'relation'
        }
        this.#message(buf, p + 30, p + size, u32(buf, p + 6), u32(buf, p + 10))
        b.parsed = p + size
      } else {
        this.#keepalive(buf, p + 5)
        b.parsed = p + size
      }
      p += size
    }
    return 'more'
  }

  #stopsAt(buf: Buffer, p: number): boolean {
    this.pending = parseRelation(buf, p)
    return true
  }

  /** Other backend messages: CopyBothResponse, errors, notices, the end of the stream. True: ended. */
  #control(buf: Buffer, p: number, size: number): boolean {
    const kind = buf[p]
    if (kind === 0x45) this.error = parseErrorResponse(buf, p + 5, p + size)
    if (kind === 0x4e) return this.#notice(parseErrorResponse(buf, p + 5, p + size))
    // S parameter, A notification, W CopyBoth: nothing to do. E error, c CopyDone, C complete, Z ready: the end.
    if (kind === 0x53 || kind === 0x41 || kind === 0x57) return false
    if (kind === 0x45 || kind === 0x63 || kind === 0x43 || kind === 0x5a) return true
    throw unknown(`message type ${kind}`, this.lastCommit)
  }

  /**
   * Version 18 only warns (object_not_in_prerequisite_state) when the publication does not exist, and goes on without its changes;
   * older ones end the stream. Going on would lose them without a word.
   */
  #notice(notice: ServerError): boolean {
    if (notice.code !== '55000') return false
    this.error = notice
    return true
  }

  #keepalive(buf: Buffer, p: number): void {
    if (buf[p] !== 0x6b) throw unknown(`copy message type ${buf[p]}`, this.lastCommit)
    if (!this.inTransaction) this.walEnd = lsnOf(u32(buf, p + 1), u32(buf, p + 5))
    if (buf[p + 17] === 1) this.replyWanted = true
  }

  #message(buf: Buffer, p: number, end: number, hi: number, lo: number): void {
    switch (buf[p]) {
      case 0x49: // I
        if (this.#wanted(buf, p + 1)) this.#change(99, buf, p, -1, 0, p + 6, hi, lo)
        return
      case 0x55: // U
        if (this.#wanted(buf, p + 1)) this.#update(buf, p, hi, lo)
        return
      case 0x44: // D
        if (this.#wanted(buf, p + 1)) this.#change(100, buf, p, p + 6, buf[p + 5] === 0x4b ? 1 : 2, -1, hi, lo)
        return
      case 0x42: // B
        this.#begin(buf, p)
        return
      case 0x43: // C
        this.#end(buf, p)
        return
      case 0x54: // T
        this.#truncate(buf, p, hi, lo)
        return
      case 0x4d: // M
        this.#logical(buf, p, hi, lo)
        return
      case 0x4f: // O
        this.#origin = { name: cstring(buf, p + 9), lsn: String(lsnOf(u32(buf, p + 1), u32(buf, p + 5))) }
        return
      case 0x59: // Y
        return
      default:
        throw unknown(`pgoutput message type ${buf[p]} of ${end - p} bytes`, this.lastCommit)
    }
  }

  /** Counts one change of the relation whose oid is at p; false when it was handed on before a restart. */
  #wanted(buf: Buffer, p: number): boolean {
    if (++this.#seen > this.#skip) return true
    // It still counts, so that the ordinals of what follows go on where they were.
    if (this.#skip !== Number.POSITIVE_INFINITY && !this.#skips(this.#relation(u32(buf, p)))) this.#runFirst = ++this.#captured
    return false
  }

  #begin(buf: Buffer, p: number): void {
    this.#commit = lsnOf(u32(buf, p + 1), u32(buf, p + 5))
    this.#commitText = printLsn(this.#commit)
    this.#commitUs = epochMicros(buf.readBigInt64BE(p + 9))
    this.xid = BigInt(u32(buf, p + 17))
    this.inTransaction = true
    this.#origin = null
    this.#transaction++
    this.#seen = 0
    this.#captured = 0
    this.#runFrom = this.#builder.count
    this.#runFirst = 0
    this.#runBegins = true
    const { lsn, done } = this.#resume
    if (this.#commit < lsn || (this.#commit === lsn && done < 0)) this.#skip = Number.POSITIVE_INFINITY
    else if (this.#commit === lsn) {
      this.#skip = done
      this.#runBegins = done === 0
    } else this.#skip = 0
  }

  #end(buf: Buffer, p: number): void {
    if (this.#skip !== Number.POSITIVE_INFINITY) {
      this.lastCommit = this.#commit
      this.lastEnd = lsnOf(u32(buf, p + 10), u32(buf, p + 14))
      this.#pushRun(true)
    }
    this.inTransaction = false
  }

  #pushRun(ends: boolean): void {
    this.#builder.runs.push({
      from: this.#runFrom,
      to: this.#builder.count,
      firstIndex: this.#runFirst,
      commit: this.#commitText,
      ...(ends ? { commitEnd: printLsn(this.lastEnd) } : {}),
      commitUs: this.#commitUs,
      xid: this.xid,
      ...(this.#origin === null ? {} : { origin: this.#origin }),
      begins: this.#runBegins,
      ends,
    })
  }

  #relation(oid: number): Relation {
    if (oid === this.#lastOid) return this.#lastRelation!
    const relation = this.#relations.get(oid)
    if (relation === undefined) throw unknown(`a change of relation ${oid} that was never described`, this.lastCommit)
    if (relation.schema !== null && relation.batch !== this.#batch) {
      relation.index = this.#builder.tableIndex(relation.schema)
      relation.batch = this.#batch
    }
    this.#lastOid = oid
    this.#lastRelation = relation
    return relation
  }

  #skips(relation: Relation): boolean {
    if (relation.schema === null) return true
    if (relation.start === null) return false
    if (relation.transaction !== this.#transaction) {
      relation.transaction = this.#transaction
      relation.dropped = this.#commit < relation.start
    }
    return relation.dropped
  }

  #add(relation: Relation, op: 99 | 117 | 100 | 116, before: number, kind: number, after: number, hi: number, lo: number): void {
    this.#captured++
    this.#builder.add(relation.index, op, 0, before, kind, after, hi, lo)
  }

  #change(op: 99 | 100, buf: Buffer, p: number, before: number, kind: number, after: number, hi: number, lo: number): void {
    const relation = this.#relation(u32(buf, p + 1))
    if (this.#skips(relation)) return
    this.#add(relation, op, before, kind, after, hi, lo)
  }

  #update(buf: Buffer, p: number, hi: number, lo: number): void {
    const relation = this.#relation(u32(buf, p + 1))
    if (this.#skips(relation)) return
    let at = p + 5
    let before = -1
    let kind = 0
    if (buf[at] !== 0x4e) {
      kind = buf[at] === 0x4b ? 1 : 2
      before = at + 1
      at = tupleEnd(buf, before)
    }
    if (buf[at] !== 0x4e) throw unknown(`tuple type ${buf[at]} in an update`, this.lastCommit)
    this.#add(relation, 117, before, kind, at + 1, hi, lo)
  }

  #truncate(buf: Buffer, p: number, hi: number, lo: number): void {
    const count = i32(buf, p + 1)
    for (let i = 0; i < count; i++) {
      if (!this.#wanted(buf, p + 6 + 4 * i)) continue
      const relation = this.#relation(u32(buf, p + 6 + 4 * i))
      if (!this.#skips(relation)) this.#add(relation, 116, -1, 0, -1, hi, lo)
    }
  }

  #logical(buf: Buffer, p: number, hi: number, lo: number): void {
    // Flag 1: transactional.
    if ((buf[p + 1] & 1) === 0) {
      if (!this.inTransaction) this.#apart(buf, p)
      return
    }
    if (!this.inTransaction) return
    const wanted = ++this.#seen > this.#skip
    if (!this.#takes(buf, p) || this.#skip === Number.POSITIVE_INFINITY) return
    this.#captured++
    if (!wanted) this.#runFirst = this.#captured
    else this.#builder.add(-1, 109, 0, -1, 0, p + 1, hi, lo)
  }

  /** Whether a logical message is one that is handed on. */
  #takes(buf: Buffer, p: number): boolean {
    return typeof this.#messages === 'boolean' ? this.#messages : this.#messages(cstring(buf, p + 10))
  }

  /**
   * A message outside of transactions comes in the order of the log, as commits do: it is a transaction of its own, whose commit is the place
   * of the message, without a number.
   */
  #apart(buf: Buffer, p: number): void {
    const hi = u32(buf, p + 2)
    const lo = u32(buf, p + 6)
    const at = lsnOf(hi, lo)
    const { lsn, done } = this.#resume
    if (!this.#takes(buf, p) || at < lsn || (at === lsn && done < 0)) return
    const from = this.#builder.count
    this.#builder.add(-1, 109, 0, -1, 0, p + 1, hi, lo)
    const commit = printLsn(at)
    this.#builder.runs.push({ from, to: from + 1, firstIndex: 0, commit, commitUs: this.#commitUs, xid: null, begins: true, ends: true })
    this.lastCommit = at
    this.lastEnd = at + 1n
  }
}

function cstring(buf: Buffer, p: number): string {
  return buf.toString('utf8', p, buf.indexOf(0, p))
}

function unknown(found: string, position: bigint): Failure {
  return new Failure('TRB-PG-020', { found, position: printLsn(position), address: 'the server' })
}
