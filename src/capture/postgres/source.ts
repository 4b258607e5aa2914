import type { ChangeBatch, ChangeSource, ChangeStream, Finding, Position } from '../../contract/change.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { NO_CHANGES } from '../no-changes.ts'
import { type TableMatcher, tableMatcher, withTable } from '../select-tables.ts'
import { checkPostgres } from './check.ts'
import { connectSql, type SqlConnection } from './connect.ts'
import { parseLsn, printLsn } from './lsn.ts'
import { openConsistentView, snapshotBatches } from './open-snapshot.ts'
import type { PostgresDeps, PostgresOptions } from './options.ts'
import { comparePositions, type PgPosition, parsePosition, printPosition, type StreamPosition } from './position.ts'
import { prepare, requireSlot } from './prepare.ts'
import { serverFailure } from './server-failure.ts'
import { lastReply, readSlot } from './slot.ts'
import { SqlLink } from './sql-link.ts'
import { StreamSession } from './stream.ts'
import { TableShapes } from './table-shapes.ts'

const RETRY_FOR_MS = 5 * 60_000
const BUSY_SLOT_FOR_MS = 70_000
/** How long a committed transaction may take to be seen by others before the catalogue is read as it is. */
const VISIBLE_WITHIN_MS = 10_000
/** Smallest page size of the WAL that builds of the server use in practice. */
const WAL_PAGE = 4096n
const NO_FREE_SLOT_FOR_MS = 30_000

/** Change capture from one Postgres database through one logical slot (pgoutput). */
export class PostgresSource implements ChangeSource {
  readonly #options: PostgresOptions
  readonly #deps: PostgresDeps
  readonly #matcher: TableMatcher
  readonly #streams = new Set<PostgresStream>()

  constructor(options: PostgresOptions, deps: PostgresDeps) {
    this.#options = options
    this.#deps = deps
    this.#matcher = capturedTables(options)
  }

  async check(signal: AbortSignal): Promise<readonly Finding[]> {
    return checkPostgres(this.#options, this.#matcher, signal)
  }

  /**
   * Checks everything that can be checked, makes the publication, and returns the stream; the slot and the snapshot are made by the
   * first pull. An unreachable server is waited for (`retryForMs`).
   */
  async open(from: Position | null, signal: AbortSignal): Promise<ChangeStream> {
    signal.throwIfAborted()
    const position = from === null ? null : parsePosition(from)
    const stream = new PostgresStream(this.#options, this.#deps, this.#matcher, position, signal)
    await stream.prepare()
    this.#streams.add(stream)
    return stream
  }

  compare(a: Position, b: Position): number {
    return comparePositions(a, b)
  }

  async close(): Promise<void> {
    for (const stream of this.#streams) await stream.close()
    this.#streams.clear()
  }
}

/** What is asked for, and the signal table. */
export function capturedTables({ tables, signals }: PostgresOptions): TableMatcher {
  const asked = tableMatcher(tables)
  return signals?.table == null ? asked : withTable(asked, signals.table)
}

/** A streak of failures that are tried again. */
interface Streak {
  since: number
  count: number
}

class PostgresStream implements ChangeStream {
  readonly batches: AsyncGenerator<ChangeBatch>
  readonly #options: PostgresOptions
  readonly #deps: PostgresDeps
  readonly #matcher: TableMatcher
  readonly #shapes: TableShapes
  readonly #sql: SqlLink
  readonly #stop = new AbortController()
  #position: PgPosition | null
  #session: StreamSession | null = null
  #durable = 0n
  #wanted = 0n
  #streak: Streak | null = null

  constructor(options: PostgresOptions, deps: PostgresDeps, matcher: TableMatcher, position: PgPosition | null, signal: AbortSignal) {
    this.#options = options
    this.#deps = deps
    this.#matcher = matcher
    this.#position = position
    this.#shapes = new TableShapes(options, matcher, deps.observe)
    this.#sql = new SqlLink(options)
    this.batches = this.#run()
    const stop = (): void => void this.close()
    signal.addEventListener('abort', stop, { once: true })
    this.#stop.signal.addEventListener('abort', () => signal.removeEventListener('abort', stop), { once: true })
  }

  async prepare(): Promise<void> {
    for (;;) {
      try {
        await this.#sql.use((sql) => prepare(sql, this.#options, this.#matcher, this.#position, this.#shapes, this.#deps))
        this.#streak = null
        return
      } catch (e) {
        if (!(await this.#again(e))) {
          await this.close()
          throw this.#failure(e)
        }
      }
    }
  }

  ack(durable: Position): void {
    const p = parsePosition(durable)
    if (p.kind !== 'stream' || p.done >= 0) return
    const lsn = p.lsn + BigInt(p.tail)
    if (lsn <= this.#durable) return
    this.#durable = lsn
    this.#session?.acknowledge(lsn)
  }

  /** The newest LSN at or before which something may have committed: what is flushed at the server now. */
  async head(): Promise<string> {
    const lsn = (await this.#sql.use(flushedLsn)) - 1n
    if (lsn > this.#wanted) this.#wanted = lsn
    this.#session?.chase(this.#wanted)
    return printLsn(lsn)
  }

  async close(): Promise<void> {
    if (this.#stop.signal.aborted) return
    this.#stop.abort()
    await this.#session?.close()
    // Ends a generator that waits at a yield; its `finally` blocks close what it holds.
    await this.batches.return(undefined)
    await this.#sql.close()
  }

  get #closed(): boolean {
    return this.#stop.signal.aborted
  }

  async *#run(): AsyncGenerator<ChangeBatch> {
    while (!this.#closed) {
      try {
        if (this.#position === null || this.#position.kind === 'snapshot') yield* this.#remember(this.#snapshot())
        if (this.#options.snapshot === 'initial_only' || this.#closed) return
        yield* this.#remember(this.#stream(this.#position as StreamPosition))
        return
      } catch (e) {
        if (this.#closed) return
        const failure = await this.#diagnose(e)
        if (!(await this.#again(failure))) throw failure
      }
    }
  }

  async *#remember(batches: AsyncIterable<ChangeBatch>): AsyncGenerator<ChangeBatch> {
    for await (const batch of batches) {
      this.#position = parsePosition(batch.upTo)
      this.#streak = null
      yield batch
      if (this.#closed) return
    }
  }

  async *#snapshot(): AsyncGenerator<ChangeBatch> {
    const position = this.#position
    const slot = await this.#sql.use(async (sql) => {
      await requireSlot(sql, this.#options, position)
      return readSlot(sql, this.#options.slot)
    })
    if (slot?.active === true) await this.#awaitSlot(position)
    const from = position?.kind === 'snapshot' ? position.progress : null
    if (this.#options.snapshot === 'never') {
      yield await this.#skipSnapshot(slot?.confirmed ?? null)
      return
    }
    yield* snapshotBatches(this.#options, this.#matcher, this.#shapes, from, slot !== null, this.#deps, this.#stop.signal)
  }

  /** Without a snapshot an empty batch makes the start durable, so that a slot that vanishes later is noticed. */
  async #skipSnapshot(confirmed: bigint | null): Promise<ChangeBatch> {
    let at = confirmed
    if (at === null) {
      const view = await openConsistentView(this.#options, true, this.#deps, this.#stop.signal)
      at = view.at
      await view.close()
    }
    return emptyBatch(at - 1n, this.#deps.clock.now())
  }

  async *#stream(start: StreamPosition): AsyncGenerator<ChangeBatch> {
    await this.#awaitSlot(start)
    const connection = await connectSql(this.#options, 'replication')
    const session = await this.#startSession(connection, start)
    this.#session = session
    try {
      // Closed while it was being opened: close() found no session that it could end.
      if (this.#closed) return
      this.#deps.observe({ kind: 'streaming', from: printPosition({ ...start, catchUp: null }) })
      if (this.#durable > 0n) session.acknowledge(this.#durable)
      if (this.#wanted > 0n) session.chase(this.#wanted)
      for (;;) {
        const batch = await session.next()
        if (batch === null) return
        yield batch
      }
    } finally {
      this.#session = null
      await session.close()
    }
  }

  async #startSession(connection: SqlConnection, start: StreamPosition): Promise<StreamSession> {
    const rows = await connection.query('SHOW wal_sender_timeout', 'reading wal_sender_timeout')
    const timeout = durationMs(rows[0][0]!)
    const o = this.#options
    return new StreamSession(
      connection,
      start,
      {
        slot: o.slot,
        publication: o.publication,
        messages: o.messages ?? false,
        budgetBytes: o.budgetBytes ?? 32 << 20,
        batchBytes: o.batchBytes ?? 1 << 20,
        statusMs: timeout === 0 ? 10_000 : Math.min(10_000, Math.max(100, Math.floor(timeout / 3))),
      },
      {
        clock: this.#deps.clock,
        resolve: (relation, xid) =>
          this.#sql.use(async (sql) => {
            await this.#visible(sql, xid)
            return this.#shapes.fromRelation(relation, sql)
          }),
        failure: (e) => this.#failure(e),
      },
    )
  }

  /**
   * The stream runs ahead of the server: a transaction is sent once its commit is flushed, a moment before others see it (with
   * synchronous replication a long moment). Its own DDL would be missing in the catalogue; its lock on itself goes when it is seen.
   */
  async #visible(sql: SqlConnection, xid: bigint): Promise<void> {
    const { clock } = this.#deps
    const lock = `SELECT 1 FROM pg_catalog.pg_locks WHERE locktype = 'transactionid' AND granted AND mode = 'ExclusiveLock' AND transactionid = '${xid}'`
    const until = clock.now() + VISIBLE_WITHIN_MS
    while ((await sql.query(lock, 'waiting for a transaction to be visible')).length > 0 && clock.now() < until) {
      await clock.sleep(2, this.#stop.signal)
    }
  }

  /**
   * Waits until nobody reads the slot: after a crash the server may not have noticed yet that its old reader is gone. A reader that goes
   * on answering the server is alive, and not waited for: the first answer may have been on its way when it died, the second was not.
   */
  async #awaitSlot(start: PgPosition | null): Promise<void> {
    const { clock } = this.#deps
    const began = clock.now()
    const limit = this.#options.busySlotForMs ?? BUSY_SLOT_FOR_MS
    const replies = new Set<string>()
    for (;;) {
      const state = await this.#sql.use(async (sql) => {
        await requireSlot(sql, this.#options, start)
        const slot = await readSlot(sql, this.#options.slot)
        const reply = slot?.activePid == null ? null : await lastReply(sql, slot.activePid)
        if (reply !== null) replies.add(`${slot!.activePid} ${reply}`)
        return slot
      })
      if (state?.active !== true) return
      const waited = clock.now() - began
      const failure = new Failure('TRB-PG-007', { slot: this.#options.slot, pid: state.activePid ?? 0, waited: Math.round(waited / 1000) })
      if (waited >= limit || repliesOf(replies, state.activePid) > 2) throw failure
      const delayMs = Math.min(500, limit)
      if (waited > 2000) this.#deps.observe({ kind: 'retry', failure, delayMs })
      await clock.sleep(delayMs, this.#stop.signal)
    }
  }

  /** The server's error text is vague where the catalogue is exact: looks again what is wrong with the slot or the publication. */
  async #diagnose(error: unknown): Promise<Failure> {
    const failure = this.#failure(error)
    const state = failure.details['sqlstate']
    if (failure.code !== 'TRB-PG-023' || !(state === '42704' || state === '55000' || state === '42P01')) return failure
    const options: PostgresOptions = { ...this.#options, publicationMode: 'existing' }
    try {
      await this.#sql.use((sql) => prepare(sql, options, this.#matcher, this.#position, this.#shapes, this.#deps))
      return failure
    } catch (e) {
      return this.#failure(e)
    }
  }

  /** Waits for the next try of a failure that may pass; false when it will not, or has lasted too long. */
  async #again(error: unknown): Promise<boolean> {
    const failure = this.#failure(error)
    const { clock } = this.#deps
    if (failure.entry.retry !== 'timed' || this.#closed) return false
    this.#streak ??= { since: clock.now(), count: 0 }
    const limit = this.#limitOf(failure)
    if (clock.now() - this.#streak.since >= limit) return false
    const delayMs = Math.round(Math.min(10_000, 200 * 2 ** this.#streak.count) * (0.5 + clock.random() / 2))
    this.#streak.count++
    this.#deps.observe({ kind: 'retry', failure, delayMs })
    try {
      await clock.sleep(delayMs, this.#stop.signal)
    } catch (e) {
      if (this.#closed) return false
      throw e
    }
    return true
  }

  #limitOf(failure: Failure): number {
    // A busy slot was waited for already.
    if (failure.code === 'TRB-PG-007') return failure.details['pid'] === 'unknown' ? (this.#options.busySlotForMs ?? BUSY_SLOT_FOR_MS) : 0
    return failure.code === 'TRB-PG-012' ? NO_FREE_SLOT_FOR_MS : (this.#options.retryForMs ?? RETRY_FOR_MS)
  }

  #failure(error: unknown): Failure {
    if (isFailure(error)) return error
    return serverFailure(error, { connect: this.#options, slot: this.#options.slot, doing: 'reading changes' })
  }
}

/**
 * Up to where the WAL is flushed. The server's background writer flushes whole pages, so a page boundary may lie inside a record, and
 * the stream cannot come that far before the rest of the record is flushed too: in an idle database that takes 15 s, or the commit
 * of a transaction, which therefore follows here.
 */
async function flushedLsn(sql: SqlConnection): Promise<bigint> {
  const doing = 'asking for the newest position'
  const rows = await sql.query(
    `SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
       ELSE pg_catalog.pg_current_wal_flush_lsn() END, pg_catalog.pg_is_in_recovery()`,
    doing,
  )
  const lsn = parseLsn(rows[0][0]!)!
  if (lsn % WAL_PAGE === 0n && rows[0][1] === 'f') await sql.query('SELECT pg_catalog.txid_current()', doing)
  return lsn
}

/** `1min`, `30s`, `500ms`, `0` as SHOW prints durations. */
function durationMs(text: string): number {
  const m = /^(\d+)(ms|s|min|h|d)?$/.exec(text)
  if (m === null) return 60_000
  const unit = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 }[m[2] ?? 'ms'] ?? 1
  return Number(m[1]) * unit
}

/** A batch that only moves the position; it also says that no snapshot is owed. */
function emptyBatch(lsn: bigint, nowMs: number): ChangeBatch {
  const commitUs = BigInt(nowMs) * 1000n
  const upTo = printPosition({ kind: 'stream', lsn, tail: 1, done: -1, catchUp: null })
  return {
    ...NO_CHANGES,
    transactions: [{ from: 0, to: 0, firstIndex: 0, commit: printLsn(lsn), commitUs, xid: null, begins: true, ends: true }],
    upTo,
    boundary: true,
    snapshotDone: [],
    snapshotComplete: true,
  }
}

/** Answers of this process among `pid time` texts. */
function repliesOf(replies: ReadonlySet<string>, pid: number | null): number {
  return [...replies].filter((r) => r.startsWith(`${pid} `)).length
}
