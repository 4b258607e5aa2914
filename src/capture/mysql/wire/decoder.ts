import { Failure } from '../../../failure/failure.ts'
import type { BatchBuilder, BatchEnd } from '../../batch-builder.ts'
import type { MysqlBatch, MysqlTransaction } from '../batch.ts'
import type { Point, StreamPosition } from '../position.ts'
import { BinlogPlace, type GroupGtid } from './binlog-place.ts'
import * as ev from './event.ts'
import { EventColumns } from './event-columns.ts'
import { parseGtid, parseMariadbGtid, parseTaggedGtid } from './gtid-event.ts'
import { u64 } from './little-endian.ts'
import { behindImages, type Payload, parsePayload, preparedXid } from './payload.ts'
import { classify, emptiedTable, parseQuery, type QueryEvent, querySqlAt, writtenTable } from './query-event.ts'
import { inflateEvent } from './row-layout.ts'
import type { StatementEvent } from './statement-event.ts'
import { type RowsEvent, TableRows, type Target } from './table-rows.ts'
import { Transaction } from './transaction.ts'

const { E, HEADER_BYTES } = ev

/**
 * done: the event is finished. For all others the same event has to be given again, after: full: the batch was cut. table: `tables.pending` was
 * resolved. statement: `statementDone`. payload: the events in `payload` were given, between `enter` and `leave`. replay: the events from
 * `replayFrom` on were given, likewise.
 */
export type Outcome = 'done' | 'full' | 'table' | 'statement' | 'payload' | 'replay'

export interface DecoderSettings {
  /** Bytes of a batch at which `full` is answered. */
  readonly limit: number
  readonly includeQuery: boolean
}

/**
 * Decodes binlog events, one per call, into a BatchBuilder.
 *
 *   file   => format description (group | other)*
 *   group  => gtid? BEGIN (rows_query? table_map+ rows+)* (xid | COMMIT | ROLLBACK)         one transaction
 *           | gtid? statement                                                               DDL
 *           | gtid transaction_payload                                                      the first form, compressed
 *           | gtid? XA START … XA END xa_prepare                                            changes that only `XA COMMIT` makes true
 * MariaDB has no BEGIN: its gtid event stands for it, or says that one statement follows.
 *
 * Changes out of a compressed transaction, and those of an XA transaction, have the place of the event that commits them.
 */
export class BinlogDecoder {
  readonly tables: TableRows
  pendingStatement: StatementEvent | null = null
  payload: Payload | null = null
  replayFrom: Point | null = null
  readonly #builder: BatchBuilder
  readonly #settings: DecoderSettings
  readonly #columns = new EventColumns()
  readonly #tx: Transaction
  readonly #prepared: Map<string, Point>
  readonly #place: BinlogPlace
  /** Of the current event. */
  #seconds = 0
  #serverId = 0
  /** It was given before. */
  #entered = false
  /** Depth of payloads and replays: positions are those of the event around. */
  #inner = 0
  #replayDone = false
  /** A replay's transaction ends with its XA_PREPARE. */
  #replaying = false
  #inflated: Buffer | null = null
  /** A rows event was left in its middle, because the batch was full. */
  #resumed = false
  #group: GroupGtid | null = null
  #gtid: string | null = null
  #groupStart = -1
  #groupUs = 0n
  /** The group is a transaction, not a lone statement. */
  #begun = false
  /** Xid of the XA transaction whose changes are only being prepared. */
  #xa: string | null = null
  readonly #savepoints = new Map<string, number>()

  constructor(builder: BatchBuilder, start: StreamPosition, settings: DecoderSettings) {
    this.#builder = builder
    this.#settings = settings
    this.#tx = new Transaction(builder, start)
    this.tables = new TableRows(builder, this.#tx, this.#columns, settings.limit)
    this.#place = new BinlogPlace(start)
    this.#prepared = new Map(start.prepared)
  }

  get inTransaction(): boolean {
    return this.#tx.open
  }

  /** Up to where everything was handed on or is done already. */
  at(): Omit<StreamPosition, 'catchUp'> {
    const inside = this.#tx.inside()
    const pending = this.#tx.resumePending
    const gtids = this.#place.gtids
    const rest = { kind: 'stream' as const, server: this.#place.server, epoch: this.#place.epoch, prepared: new Map(this.#prepared) }
    if (inside !== null || this.#tx.open) return { ...rest, file: this.#place.file, pos: this.#groupStart, gtids, inside }
    // The transaction that was half done comes later: on another server the order can be another one.
    if (pending !== null) return { ...rest, file: this.#place.file, pos: this.#place.pos, gtids, inside: pending.inside }
    return { ...rest, file: this.#place.file, pos: this.#groupStart >= 0 ? this.#groupStart : this.#place.pos, gtids, inside: null }
  }

  /** Cuts the batch. */
  cut(end: BatchEnd): MysqlBatch {
    this.#tx.split()
    const columns = this.#columns.cut(this.#builder.count)
    this.tables.split()
    return { ...this.#builder.cut(end), ...columns } as MysqlBatch
  }

  /**
   * The event between start and end. Fails with TRB-MY-012 to 019, 024.
   */
  event(buf: Buffer, start: number, end: number): Outcome {
    if (!this.#entered) this.#header(buf, start)
    this.#entered = true
    const outcome = this.#body(buf, ev.eventType(buf, start), start + HEADER_BYTES, end, ev.eventFlags(buf, start))
    if (outcome === 'done') this.#finish()
    return outcome
  }

  /** Begins an event of which only the first bytes are there: a large compressed transaction. Then `enter`, its events, `leave`, `endLarge`. */
  beginLarge(head: Buffer, bytes: number): Payload {
    this.#header(head, 0)
    const payload = parsePayload(head, HEADER_BYTES, bytes)
    if (payload === null) throw this.#malformed('a compressed transaction cannot be parsed')
    return payload
  }

  endLarge(): void {
    if (this.#tx.open) throw this.#malformed('a compressed transaction has no end')
    this.#finish()
  }

  /** What follows are the events inside the current one. */
  enter(replay: boolean): void {
    this.#inner++
    this.#entered = false
    if (replay) this.#replaying = true
  }

  /** Whether the replay came to its end. */
  get replayed(): boolean {
    return this.#replayDone
  }

  leave(replay: boolean): void {
    this.#inner--
    this.#entered = true
    if (replay) this.#replaying = false
  }

  /** Answers 'statement'. */
  statementDone(emptied: Target | null): void {
    const statement = this.pendingStatement!
    this.tables.forget()
    if (emptied?.schema != null) this.tables.truncate(emptied.schema, this.#rowsEvent(116, false, statement.seconds))
  }

  #header(buf: Buffer, start: number): void {
    this.#seconds = ev.eventSeconds(buf, start)
    this.#serverId = ev.eventServerId(buf, start)
    if (this.#inner > 0) return
    this.#place.enter(buf, start)
  }

  #finish(): void {
    this.#entered = false
    this.#inflated = null
    if (this.#inner > 0) return
    if (!this.#tx.open && this.#groupStart < 0) this.#place.pos = this.#place.end
  }

  #body(buf: Buffer, type: number, p: number, end: number, flags: number): Outcome {
    switch (type) {
      case E.TABLE_MAP:
        return this.#tableMap(buf, p, end)
      case E.WRITE_ROWS_V2:
      case E.WRITE_ROWS_V1:
        return this.#rows(buf, p, end, 99, type === E.WRITE_ROWS_V2)
      case E.UPDATE_ROWS_V2:
      case E.UPDATE_ROWS_V1:
        return this.#rows(buf, p, end, 117, type === E.UPDATE_ROWS_V2)
      case E.DELETE_ROWS_V2:
      case E.DELETE_ROWS_V1:
        return this.#rows(buf, p, end, 100, type === E.DELETE_ROWS_V2)
      case E.WRITE_ROWS_COMPRESSED_V1:
      case E.WRITE_ROWS_COMPRESSED:
        return this.#compressedRows(buf, p, end, 99, type === E.WRITE_ROWS_COMPRESSED)
      case E.UPDATE_ROWS_COMPRESSED_V1:
      case E.UPDATE_ROWS_COMPRESSED:
        return this.#compressedRows(buf, p, end, 117, type === E.UPDATE_ROWS_COMPRESSED)
      case E.DELETE_ROWS_COMPRESSED_V1:
      case E.DELETE_ROWS_COMPRESSED:
        return this.#compressedRows(buf, p, end, 100, type === E.DELETE_ROWS_COMPRESSED)
      case E.PARTIAL_UPDATE_ROWS:
        return this.#partialRows(buf, p)
      case E.QUERY:
        return this.#query(buf, p, end)
      case E.QUERY_COMPRESSED:
        return this.#compressedQuery(buf, p, end)
      default:
        return this.#control(buf, type, p, end, flags)
    }
  }

  /** Events that hold no changes. */
  #control(buf: Buffer, type: number, p: number, end: number, flags: number): Outcome {
    switch (type) {
      case E.GTID:
      case E.ANONYMOUS_GTID:
      case E.GTID_TAGGED:
        return this.#mysqlGtid(buf, type, p, end)
      case E.MARIADB_GTID:
        return this.#mariadbGtid(buf, p, end)
      case E.XID:
        this.#tx.eventIndex++
        this.#tx.xid = u64(buf, p)
        return this.#commit()
      case E.XA_PREPARE:
        return this.#xaPrepare(buf, p, end)
      case E.TRANSACTION_PAYLOAD:
        return this.#transactionPayload(buf, p, end)
      case E.ROWS_QUERY:
      case E.ANNOTATE_ROWS:
        this.#tx.eventIndex++
        // One byte of length, which is too short for most, stands in front in MySQL.
        if (this.#settings.includeQuery) this.#tx.query = buf.toString('utf8', type === E.ROWS_QUERY ? p + 1 : p, end)
        return 'done'
      case E.ROTATE:
        return this.#rotate(buf, p, end, flags)
      case E.HEARTBEAT:
      case E.HEARTBEAT_V2:
        return this.#heartbeat(buf, type, p, end)
      case E.FORMAT_DESCRIPTION:
        if (this.#tx.open && this.#inner === 0) throw this.#malformed('a new file begins inside a transaction')
        this.tables.forget()
        // version:u16 server:byte[50] …
        this.tables.mariadb = buf.toString('latin1', p + 2, Math.min(p + 52, end)).includes('MariaDB')
        return 'done'
      case E.INCIDENT:
        throw new Failure('TRB-MY-014', {
          position: this.where(),
          reason: buf.toString('utf8', Math.min(p + 3, end), end) || 'lost events',
        })
      default:
        return this.#other(type, flags)
    }
  }

  #other(type: number, flags: number): Outcome {
    switch (type) {
      case E.STOP:
      case E.IGNORABLE:
      case E.PREVIOUS_GTIDS:
      case E.TRANSACTION_CONTEXT:
      case E.VIEW_CHANGE:
      case E.BINLOG_CHECKPOINT:
      case E.GTID_LIST:
      case E.START_ENCRYPTION:
        return 'done'
      case E.INTVAR:
      case E.RAND:
      case E.USER_VAR:
        // They only go with a statement that is logged as text.
        this.#tx.eventIndex++
        return 'done'
      case E.BEGIN_LOAD_QUERY:
      case E.EXECUTE_LOAD_QUERY:
        throw new Failure('TRB-MY-017', { position: this.where(), statement: 'LOAD DATA' })
      default:
        if ((flags & ev.FLAG_IGNORABLE) !== 0) return 'done'
        throw new Failure('TRB-MY-013', { position: this.where(), type })
    }
  }

  // --- groups

  #mysqlGtid(buf: Buffer, type: number, p: number, end: number): Outcome {
    if (this.#replaying) return 'done'
    const head = type === E.GTID_TAGGED ? parseTaggedGtid(buf, p, end) : parseGtid(buf, p, end, type === E.ANONYMOUS_GTID)
    if (head === null) throw this.#malformed('a GTID event cannot be parsed')
    this.#openGroup()
    const { source, number } = head
    this.#group = source === null ? null : { kind: 'mysql', source, number }
    this.#gtid = source === null ? null : `${source}:${number}`
    this.#groupUs = head.commitUs ?? BigInt(this.#seconds) * 1_000_000n
    return 'done'
  }

  #mariadbGtid(buf: Buffer, p: number, end: number): Outcome {
    if (this.#replaying) return 'done'
    const head = parseMariadbGtid(buf, p, end)
    if (head === null) throw this.#malformed('a GTID event cannot be parsed')
    this.#openGroup()
    const { domain, sequence } = head
    this.#group = { kind: 'mariadb', domain, server: this.#serverId, sequence }
    this.#gtid = `${domain}-${this.#serverId}-${sequence}`
    this.#groupUs = BigInt(this.#seconds) * 1_000_000n
    if (!head.standalone) this.#begin(this.#place.start, null)
    // The server may leave XA START out, as it leaves out BEGIN.
    if (head.prepares) this.#xa = ''
    return 'done'
  }

  #openGroup(): void {
    if (this.#tx.open || this.#groupStart >= 0) throw this.#malformed('a transaction begins inside another one')
    this.#groupStart = this.#place.start
    this.#begun = false
  }

  #begin(beginPos: number, thread: number | null): void {
    this.#begun = true
    this.#start0()
    this.#tx.begin({ info: this.#info(beginPos, thread, false), start: this.#groupStart, commitUs: this.#groupUs })
    this.#savepoints.clear()
    this.#xa = null
  }

  /** A group without a GTID event in front: the stream was begun at BEGIN. */
  #start0(): void {
    if (this.#groupStart >= 0) return
    this.#groupStart = this.#place.start
    this.#group = null
    this.#gtid = null
    this.#groupUs = BigInt(this.#seconds) * 1_000_000n
  }

  #info(beginPos: number, thread: number | null, ddl: boolean): MysqlTransaction {
    const gtidsBefore = this.#place.gtids
    return {
      file: this.#place.file,
      beginPos,
      gtid: this.#gtid,
      gtidsBefore,
      serverId: this.#serverId,
      epoch: this.#place.epoch,
      thread,
      ddl,
    }
  }

  #commit(): Outcome {
    if (this.#replaying) throw this.#malformed('a prepared transaction ends with a commit of its own')
    if (!this.#tx.open) throw this.#malformed('a commit without a transaction')
    this.#endGroup(true)
    return 'done'
  }

  /** The group is over; everything up to its end is done. */
  #endGroup(emptyRun: boolean): void {
    const end = `${this.#place.file}:${this.#place.end}`
    this.#tx.end(this.#gtid === null ? end : `${end}/${this.#gtid}`, emptyRun)
    if (this.#group !== null) this.#place.add(this.#group)
    this.#group = null
    this.#groupStart = -1
    this.#xa = null
    this.#place.pos = this.#place.end
  }

  // --- statements

  #compressedQuery(buf: Buffer, p: number, end: number): Outcome {
    const at = querySqlAt(buf, p, end)
    const sql = at < 0 ? null : this.#inflate('statement', buf, at, end)
    if (sql === null) throw this.#malformed('a statement cannot be parsed')
    const whole = Buffer.concat([buf.subarray(p, at), sql])
    return this.#query(whole, 0, whole.length)
  }

  #query(buf: Buffer, p: number, end: number): Outcome {
    const query = parseQuery(buf, p, end)
    if (query === null) throw this.#malformed('a statement cannot be parsed')
    if (this.pendingStatement !== null) return this.#statementOver()
    if (this.replayFrom !== null && !this.#replaying) return this.#replayOver()
    const statement = classify(query.sql)
    switch (statement.kind) {
      case 'begin':
        if (this.#replaying) return 'done'
        this.#begin(this.#place.start, query.thread)
        this.#tx.eventIndex++
        return 'done'
      case 'commit':
        this.#tx.eventIndex++
        return this.#commit()
      case 'rollback':
        if (!this.#tx.open) return this.#xaDone()
        this.#takeBack(0, query.sql)
        return this.#commit()
      case 'savepoint':
        this.#tx.eventIndex++
        this.#savepoints.set(query.sql.replace(/^\s*savepoint\s+/i, '').trim(), this.#tx.captured)
        return 'done'
      case 'rollback to':
        this.#tx.eventIndex++
        this.#takeBack(this.#savepoints.get(statement.name) ?? 0, query.sql)
        return 'done'
      case 'xa start':
        return this.#xaStart(statement.xid, query.thread)
      case 'xa end':
      case 'xa prepare':
        return 'done'
      case 'xa commit':
        return this.#xaCommit(statement.xid, query.thread)
      case 'xa rollback':
        this.#prepared.delete(statement.xid)
        return this.#xaDone()
      default:
        return this.#statement(query, statement.kind === 'rows')
    }
  }

  /** Changes that are in the binlog though they were rolled back: tables without transactions were involved. */
  #takeBack(mark: number, statement: string): void {
    if (!this.#tx.takeBack(mark)) throw new Failure('TRB-MY-018', { position: this.where(), statement: statement.slice(0, 100) })
  }

  #statement(query: QueryEvent, rows: boolean): Outcome {
    const emptied = emptiedTable(query.sql, query.database)
    const statement = rows && emptied === null
    const writes = statement ? writtenTable(query.sql, query.database) : null
    this.#start0()
    if (!this.#begun) {
      this.#tx.begin({ info: this.#info(this.#groupStart, null, true), start: this.#groupStart, commitUs: this.#groupUs })
    }
    this.#tx.eventIndex++
    this.pendingStatement = {
      ...query,
      file: this.#place.file,
      pos: this.#place.start,
      gtid: this.#gtid,
      serverId: this.#serverId,
      commitUs: this.#groupUs,
      seconds: this.#seconds,
      emptied,
      dataAsText: statement,
      writes,
    }
    return 'statement'
  }

  #statementOver(): Outcome {
    this.pendingStatement = null
    if (!this.#begun) this.#endGroup(false)
    return 'done'
  }

  // --- XA

  #xaStart(xid: string, thread: number): Outcome {
    if (this.#replaying) return 'done'
    if (!this.#begun) this.#begin(this.#place.start, thread)
    this.#xa = xid
    return 'done'
  }

  /** What was done is only prepared, unless in one phase. */
  #xaPrepare(buf: Buffer, p: number, end: number): Outcome {
    if (this.#replaying) {
      this.#replayDone = true
      return 'done'
    }
    if (!this.#tx.open) throw this.#malformed('XA PREPARE without a transaction')
    if (this.replayFrom !== null) return this.#replayOver()
    if (buf[p] !== 0) {
      // Committed at once; that was not known when its changes came by.
      this.replayFrom = { file: this.#place.file, pos: this.#groupStart, gtids: this.#place.gtids }
      this.#replayDone = false
      return 'replay'
    }
    const xid = this.#xa || preparedXid(buf, p, end)
    if (xid === null) throw this.#malformed('XA PREPARE cannot be parsed')
    this.#prepared.set(xid, { file: this.#place.file, pos: this.#groupStart, gtids: this.#place.gtids })
    this.#tx.takeBack(0)
    this.#endGroup(false)
    return 'done'
  }

  #xaCommit(xid: string, thread: number): Outcome {
    const from = this.#prepared.get(xid)
    if (from === undefined) throw new Failure('TRB-MY-019', { xid, position: this.where() })
    if (!this.#tx.open) this.#begin(this.#place.start, thread)
    this.#prepared.delete(xid)
    this.replayFrom = from
    this.#replayDone = false
    return 'replay'
  }

  #replayOver(): Outcome {
    this.replayFrom = null
    this.#replayDone = false
    return this.#commit()
  }

  #xaDone(): Outcome {
    if (this.#groupStart < 0) return 'done'
    this.#endGroup(false)
    return 'done'
  }

  // --- rows

  #tableMap(buf: Buffer, p: number, end: number): Outcome {
    const known = this.tables.describe(buf, p, end)
    if (known === null) throw this.#malformed('a table map cannot be parsed, or holds a type of column that is not known')
    if (!known) return 'table'
    this.#tx.eventIndex++
    return 'done'
  }

  #rows(buf: Buffer, p: number, end: number, op: 99 | 117 | 100, extra: boolean): Outcome {
    if (!this.#tx.open) throw this.#malformed('rows without a transaction')
    if (this.#xa !== null && !this.#replaying) return 'done'
    const event = this.#rowsEvent(op, extra, this.#seconds)
    if (!this.#resumed) this.#tx.eventIndex++
    const taken = this.tables.take(buf, p, end, event)
    this.#resumed = taken === false
    if (taken === true) return 'done'
    if (taken === false) return 'full'
    const table = this.tables.nameOf(buf, p)
    if (taken === 'partial image') throw new Failure('TRB-MY-015', { table, position: this.where() })
    throw this.#malformed(taken === 'malformed' ? `rows of ${table} do not fit its table map` : 'rows of a table that was not described')
  }

  #compressedRows(buf: Buffer, p: number, end: number, op: 99 | 117 | 100, extra: boolean): Outcome {
    if (this.#inflated === null) {
      const at = behindImages(buf, p, end, op === 117, extra)
      const rows = at < 0 ? null : this.#inflate('rows event', buf, at, end)
      if (rows === null) throw this.#malformed('a compressed rows event cannot be parsed')
      this.#inflated = Buffer.concat([buf.subarray(p, at), rows])
    }
    return this.#rows(this.#inflated, 0, this.#inflated.length, op, extra)
  }

  #inflate(what: string, buf: Buffer, start: number, end: number): Buffer | null {
    try {
      return inflateEvent(buf, start, end)
    } catch (e) {
      const reason = e instanceof Error ? e.message : String(e)
      throw new Failure('TRB-MY-024', { what, position: this.where(), reason }, e)
    }
  }

  #partialRows(buf: Buffer, p: number): Outcome {
    if (this.tables.captures(buf, p)) throw new Failure('TRB-MY-016', { table: this.tables.nameOf(buf, p), position: this.where() })
    this.#tx.eventIndex++
    this.#tx.next(false)
    return 'done'
  }

  #rowsEvent(op: RowsEvent['op'], extra: boolean, seconds: number): RowsEvent {
    const place = this.#place
    return { op, extra, pos: place.start, seconds, placeHi: place.placeHi(), placeLo: place.placeLo() }
  }

  #transactionPayload(buf: Buffer, p: number, end: number): Outcome {
    if (this.payload !== null) {
      this.payload = null
      if (this.#tx.open) throw this.#malformed('a compressed transaction has no end')
      return 'done'
    }
    this.payload = parsePayload(buf, p, end)
    if (this.payload === null) throw this.#malformed('a compressed transaction cannot be parsed')
    return 'payload'
  }

  // --- files

  #rotate(buf: Buffer, p: number, end: number, flags: number): Outcome {
    if (this.#inner > 0) return 'done'
    if (this.#tx.open || this.#groupStart >= 0) throw this.#malformed('the file ends inside a transaction')
    this.#place.rotate(buf, p, end, flags)
    return 'done'
  }

  #heartbeat(buf: Buffer, type: number, p: number, end: number): Outcome {
    if (this.#tx.open || this.#groupStart >= 0 || this.#inner > 0) return 'done'
    this.#place.heartbeat(buf, type, p, end)
    return 'done'
  }

  /** The current event, for messages. */
  where(): string {
    return this.#place.where()
  }

  #malformed(reason: string): Failure {
    return new Failure('TRB-MY-012', { position: this.where(), reason })
  }
}
