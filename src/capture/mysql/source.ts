import type { ChangeBatch, ChangeSource, ChangeStream, Finding, Position, TableSchema } from '../../contract/change.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { NO_CHANGES } from '../no-changes.ts'
import { type TableMatcher, tableMatcher, withTable } from '../select-tables.ts'
import type { MysqlBatch } from './batch.ts'
import { checkMysql } from './check.ts'
import { connectMysql, type SqlConnection } from './connect.ts'
import { announce, type DumpRequest } from './dump.ts'
import { pointNow, serverPoint, snapshotBatches } from './open-snapshot.ts'
import type { MysqlDeps, MysqlOptions } from './options.ts'
import {
  comparePositions,
  type MysqlPosition,
  onServer,
  type Point,
  parsePosition,
  printPoint,
  printPosition,
  type StreamPosition,
  streamAt,
} from './position.ts'
import { prepare, requireStart } from './prepare.ts'
import { rereadFrom, verifyLarge } from './reread.ts'
import { addressOf, ERRNO, serverFailure } from './server-failure.ts'
import { readersWithId, readServer, usesGtids } from './server-state.ts'
import { SqlLink } from './sql-link.ts'
import { StreamSession } from './stream.ts'
import { TableShapes } from './table-shapes.ts'
import type { ServerError } from './wire/packets.ts'
import type { StatementEvent } from './wire/statement-event.ts'

const RETRY_FOR_MS = 5 * 60_000

/** Change capture from one MySQL or MariaDB server through its binlog. Nothing is kept at the server: the position is only ours. */
export class MysqlSource implements ChangeSource {
  readonly #options: MysqlOptions
  readonly #deps: MysqlDeps
  readonly #matcher: TableMatcher
  readonly #streams = new Set<MysqlStream>()

  constructor(options: MysqlOptions, deps: MysqlDeps) {
    this.#options = options
    this.#deps = deps
    this.#matcher = matcherOf(options)
  }

  async check(signal: AbortSignal, from: Position | null = null): Promise<readonly Finding[]> {
    return checkMysql(this.#options, this.#matcher, signal, from)
  }

  /** Checks everything that can be checked and returns the stream. An unreachable server is waited for (`retryForMs`). */
  async open(from: Position | null, signal: AbortSignal): Promise<ChangeStream> {
    signal.throwIfAborted()
    const position = from === null || this.#options.snapshot === 'always' ? null : parsePosition(from)
    const stream = new MysqlStream(this.#options, this.#deps, this.#matcher, position, signal)
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
export function matcherOf({ tables, signals }: MysqlOptions): TableMatcher {
  const asked = tableMatcher(tables)
  return signals?.table == null ? asked : withTable(asked, signals.table)
}

/** A streak of failures that are tried again. */
interface Streak {
  since: number
  count: number
}

class MysqlStream implements ChangeStream {
  readonly batches: AsyncGenerator<ChangeBatch>
  readonly #options: MysqlOptions
  readonly #deps: MysqlDeps
  readonly #matcher: TableMatcher
  readonly #shapes: TableShapes
  readonly #sql: SqlLink
  readonly #stop = new AbortController()
  /** Tells this reader from others with its id. */
  readonly #name: string
  #position: MysqlPosition | null
  #server: string | null = null
  #session: StreamSession | null = null
  #wanted: Point | null = null
  #streak: Streak | null = null

  constructor(options: MysqlOptions, deps: MysqlDeps, matcher: TableMatcher, position: MysqlPosition | null, signal: AbortSignal) {
    this.#options = options
    this.#deps = deps
    this.#matcher = matcher
    this.#position = position
    this.#name = `tributary-${deps.clock.uuid()}`
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
        const state = await this.#sql.use((sql) =>
          prepare(sql, this.#options, this.#matcher, this.#position, this.#deps, this.#stop.signal),
        )
        this.#server = state.server
        this.#streak = null
        return
      } catch (e) {
        if (this.#options.snapshot === 'when_needed' && this.#position !== null && isFailure(e, 'TRB-MY-007')) {
          this.#deps.observe({ kind: 'warning', text: `${e.explain().what}: a new snapshot is taken` })
          this.#position = null
        } else if (!(await this.#again(e))) {
          await this.close()
          throw this.#failure(e)
        }
      }
    }
  }

  /** The server keeps nothing for this reader. */
  ack(_durable: Position): void {
    // Not even how far it has come.
  }

  /** End of the binlog now, and the GTIDs in it. */
  async head(): Promise<string> {
    const point = await this.#sql.use(serverPoint)
    this.#wanted = point
    this.#session?.chase(point)
    return printPoint(point)
  }

  async close(): Promise<void> {
    if (this.#stop.signal.aborted) return
    this.#stop.abort()
    this.#session?.close()
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
    if (this.#options.snapshot === 'never') {
      const { at, clockUs } = await this.#sql.use(pointNow)
      yield emptyBatch(at, clockUs, this.#server)
      return
    }
    const from = this.#position?.kind === 'snapshot' ? this.#position.progress : null
    yield* snapshotBatches(this.#options, this.#matcher, this.#shapes, from, this.#server, this.#deps, this.#stop.signal)
  }

  async *#stream(from: StreamPosition): AsyncGenerator<ChangeBatch> {
    const connection = await connectMysql(this.#options)
    let session: StreamSession | null = null
    try {
      session = await this.#startSession(connection, from)
      this.#session = session
      // Closed while it was being opened: close() found no session that it could end.
      if (this.#closed) return
      this.#deps.observe({ kind: 'streaming', from: printPoint(from) })
      if (this.#wanted !== null) session.chase(this.#wanted)
      for (;;) {
        const batch = await session.next()
        if (batch === null) return
        yield batch
      }
    } finally {
      this.#session = null
      session?.close()
      connection.destroy()
    }
  }

  async #startSession(connection: SqlConnection, from: StreamPosition): Promise<StreamSession> {
    const o = this.#options
    const state = await readServer(connection)
    await requireStart(connection, from, state, this.#deps, this.#stop.signal)
    const start = onServer(from, state.server)
    this.#server = state.server
    const request: DumpRequest = {
      serverId: o.serverId,
      name: this.#name,
      from: start,
      byGtid: usesGtids(state, from),
      checksum: state.checksum,
      includeQuery: o.includeQuery,
    }
    await announce(connection, request)
    const settings = { budgetBytes: o.budgetBytes ?? 32 << 20, batchBytes: o.batchBytes ?? 1 << 20 }
    return new StreamSession(connection, start, request, settings, o.includeQuery, {
      clock: this.#deps.clock,
      shapeOf: (map) => {
        if (!this.#matcher.matches(map.schema, map.table)) return Promise.resolve(null)
        return this.#sql.use((sql) => this.#shapes.fromTableMap(map, sql))
      },
      statement: (statement) => this.#statement(statement),
      reread: (point) => rereadFrom(o, point, this.#name, state, (e) => this.#failure(e)),
      verify: (point) => verifyLarge(o, point, this.#name, state, (e) => this.#failure(e)),
      failure: (e) => this.#failure(e),
      refused: (e) => this.#refused(e),
    })
  }

  async #statement(statement: StatementEvent): Promise<TableSchema | null> {
    const { emptied } = statement
    if (statement.dataAsText) this.#dataAsText(statement)
    if (emptied === null || !this.#matcher.matches(emptied.schema, emptied.table)) return null
    return await this.#sql.use((sql) => this.#shapes.byName(emptied.schema, emptied.table, sql))
  }

  /** Rows that are not in the binlog: lost if they are of a captured table. */
  #dataAsText({ file, pos, sql, writes }: StatementEvent): void {
    const position = `${file}:${pos}`
    const text = sql.replaceAll(/\s+/g, ' ').slice(0, 200)
    if (writes === null || this.#matcher.matches(writes.schema, writes.table)) {
      throw new Failure('TRB-MY-017', { position, statement: text })
    }
    const where = `${writes.schema}.${writes.table}, which is not captured`
    this.#deps.observe({ kind: 'warning', text: `a statement at ${position} is in the binlog as text; it writes ${where}: ${text}` })
  }

  #refused(error: ServerError | null): Failure {
    const reason = error?.message ?? 'the server ended the stream'
    const details = { address: addressOf(this.#options), reason, doing: 'reading the binlog' }
    if (error === null) return new Failure('TRB-MY-021', details)
    if (error.errno === ERRNO.sameServerId) return new Failure('TRB-MY-010', { serverId: this.#options.serverId })
    return serverFailure(Object.assign(new Error(error.message), { errno: error.errno }), { connect: this.#options, doing: details.doing })
  }

  /** The server's error text is vague where its variables are exact: looks again what is wrong. */
  async #diagnose(error: unknown): Promise<Failure> {
    const failure = this.#failure(error)
    const position = this.#position
    if (failure.details['errno'] !== ERRNO.dumpFailed || position?.kind !== 'stream') return failure
    try {
      return await this.#sql.use(async (sql) => {
        await requireStart(sql, position, await readServer(sql), this.#deps, this.#stop.signal)
        const others = (await readersWithId(sql, this.#options.serverId)).filter((name) => name !== this.#name)
        return others.length > 0 ? new Failure('TRB-MY-010', { serverId: this.#options.serverId }, failure) : failure
      })
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
    if (clock.now() - this.#streak.since >= (this.#options.retryForMs ?? RETRY_FOR_MS)) return false
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

  #failure(error: unknown): Failure {
    if (isFailure(error)) return error
    return serverFailure(error, { connect: this.#options, doing: 'reading changes' })
  }
}

/** A batch that only moves the position; it also says that no snapshot is owed. */
function emptyBatch(at: Point, clockUs: bigint, server: string | null): MysqlBatch {
  return {
    ...NO_CHANGES,
    transactions: [{ from: 0, to: 0, firstIndex: 0, commit: printPoint(at), commitUs: clockUs, xid: null, begins: true, ends: true }],
    upTo: printPosition(streamAt(at, server)),
    boundary: true,
    snapshotDone: [],
    snapshotComplete: true,
    eventOf: new Int32Array(0),
    rowOf: new Int32Array(0),
    events: { count: 0, pos: new Float64Array(0), index: new Int32Array(0), seconds: new Uint32Array(0), query: [] },
  }
}
