import type { Clock } from '../contract/clock.ts'
import type { AppendInfo, AppendSignal, LogCursor, TopicTables } from '../contract/log.ts'
import type { Watermark } from '../contract/table.ts'
import { assert, Failure } from '../failure/failure.ts'
import { FlushCutter, type FlushPolicy } from './flush-policy.ts'
import { commitTable, createEmptyTable, openTableFeed, type TableCommit, type TableFeed, type TableFeedContext } from './table-feed.ts'

export interface FeedOptions extends TableFeedContext {
  /** Name of the source, as in the log's cursors. */
  readonly source: string
  readonly topicTables: TopicTables
  readonly signal: AppendSignal
  readonly clock: Clock
  readonly policy: FlushPolicy
  /** The lake was found to be fed from this log: nothing was written yet. */
  readonly onOpen?: () => void
  /** A table is about to get a commit. */
  readonly onStart?: (path: string) => void
  /** A table has a new commit. */
  readonly onCommit?: (commit: TableCommit) => void
  /** Every table is complete up to this watermark: the log up to its append may be released. */
  readonly onWatermark?: (watermark: Watermark) => void
}

/** A watermark for positions without changes of our tables is written at most this often. */
const IDLE_WATERMARK_MS = 60_000

/**
 * Log → lake tables, until `drain` aborts (everything up to the log's newest boundary is flushed, then it ends) or `abort` aborts.
 *
 * Invariant F1: a flush is cut at a consistent boundary of the source, and no earlier than what any table already has.
 * Invariant F2: a table's next offset comes from its own newest completed commit, so a crash between the commits of one flush
 * repeats nothing: tables that have committed find nothing to do.
 * Invariant F3: the watermark is written after all tables of the flush have committed.
 */
export async function feed(options: FeedOptions, drain: AbortSignal, abort: AbortSignal): Promise<void> {
  const lake = new LakeFeed(options)
  await lake.start()
  options.onOpen?.()
  await lake.carryThrough()
  const stop = AbortSignal.any([drain, abort])
  for (;;) {
    abort.throwIfAborted()
    // Read before the scan: what is appended after the drain began is left to the next run only if the scan has not met it.
    const draining = drain.aborted
    await lake.scan()
    if (await lake.flushIfDue(draining)) continue
    if (draining) return
    await lake.wait(stop)
  }
}

class LakeFeed {
  private readonly options: FeedOptions
  private readonly tables = new Map<string, TableFeed>()
  private readonly cutter: FlushCutter
  private watermark: Watermark | null = null
  /** Newest append that the cutter has seen. */
  private scanned = 0
  /** Tables are complete up to here. */
  private flushed = 0
  /** Newest append that some table has already (after a crash between the commits of one flush). */
  private reached = 0

  constructor(options: FeedOptions) {
    this.options = options
    this.cutter = new FlushCutter(options.policy)
  }

  async start(): Promise<void> {
    const { lake, log, source, topicTables } = this.options
    for await (const w of lake.watermarks.list()) {
      if (w.source !== source) continue
      this.watermark = w
      break
    }
    if (this.watermark !== null) this.requireSameLog(this.watermark)
    this.flushed = this.watermark?.appendId ?? 0
    this.scanned = this.flushed
    this.reached = this.flushed
    // A table without records has no topic in the log; the watermark knows it.
    const known = this.watermark?.tables.map((t) => t.topic) ?? []
    for (const topic of new Set([...known, ...log.topics()])) {
      const info = topicTables.get(topic)
      if (info === null) continue
      const table = await openTableFeed(this.options, source, topic, info)
      this.tables.set(topic, table)
      if (table.nextOffset > 0) this.reached = Math.max(this.reached, log.appendOf(topic, 0, table.nextOffset - 1) ?? this.flushed)
    }
  }

  /** What a dead process left of services comes before the first commit; the source is read meanwhile. */
  async carryThrough(): Promise<void> {
    for (const { writer, path } of this.tables.values()) if (writer !== null) await this.options.lake.maintain?.(path)
  }

  /** Adds new appends to the cutter, and flushes tables whose first snapshot ends on the way. */
  async scan(): Promise<void> {
    const { log, clock } = this.options
    for (const info of log.appends(this.scanned)) {
      this.scanned = info.id
      await this.flushSnapshots(info)
      const full = this.cutter.add(info, clock.now())
      if (full && (this.cutter.boundary?.id ?? 0) >= this.reached) return
    }
  }

  /** Flushes at the newest boundary if it is time. True: it did, and there may be more. */
  async flushIfDue(draining: boolean): Promise<boolean> {
    const cut = this.cutter.boundary
    if (cut === null || cut.id < this.reached) return false
    const now = this.options.clock.now()
    const first = this.watermark === null
    if (first || draining ? this.isNews(cut) : this.isDue(cut, now)) {
      await this.flush(cut)
      return true
    }
    return false
  }

  /** Waits for an append or for the time of the next flush. Ends early, without error, when `stop` aborts. */
  async wait(stop: AbortSignal): Promise<void> {
    const { signal, clock } = this.options
    const due = this.cutter.due(clock.now())
    if (stop.aborted) return
    const over = new AbortController()
    const end = (): void => over.abort(WAIT_OVER)
    const ended = (e: unknown): void => {
      if (e !== WAIT_OVER) throw e
    }
    stop.addEventListener('abort', end, { once: true })
    const waits = [signal.wait(this.scanned, over.signal).catch(ended)]
    if (due !== null) waits.push(clock.sleep(due, over.signal).catch(ended))
    await Promise.race(waits)
    stop.removeEventListener('abort', end)
    end()
    await Promise.all(waits)
  }

  private isNews(cut: AppendInfo): boolean {
    return this.cutter.pending > 0 || cut.cursor.commit !== this.watermark?.commit
  }

  private isDue(cut: AppendInfo, nowMs: number): boolean {
    const due = this.cutter.due(nowMs)
    if (due !== null) return due === 0
    const last = this.watermark
    return last !== null && cut.cursor.commit !== last.commit && nowMs - last.writtenMs >= IDLE_WATERMARK_MS
  }

  private async flushSnapshots(info: AppendInfo): Promise<void> {
    const { source } = info.cursor
    for (const topic of info.cursor.snapshotDone) {
      const table = await this.table(topic)
      // No position stands for the table yet: it is as of the snapshot, and the watermark waits for all tables.
      if (table === null) continue
      if (this.options.log.endAt(topic, 0, info.id) === 0) await createEmptyTable(this.options, table)
      else if (!info.cursor.consistent) await this.commit(table, info.id, { source, commit: null, commitUs: null })
    }
  }

  private async flush(cut: AppendInfo): Promise<void> {
    const { log, lake, onWatermark } = this.options
    const touched: TableFeed[] = []
    for (const topic of log.touched(this.flushed, cut.id)) {
      const table = await this.table(topic)
      if (table === null) continue
      await this.commit(table, cut.id, cut.cursor)
      touched.push(table)
    }
    const { source, commit, commitUs } = cut.cursor
    assert(commit !== null && commitUs !== null, 'a consistent boundary has a commit position')
    const tables = [...this.tables.values()].map((t) => {
      return {
        path: t.path,
        schema: t.info.table.schema,
        table: t.info.table.table,
        instant: t.instant,
        topic: t.topic,
        nextOffset: t.nextOffset,
      }
    })
    this.watermark = await lake.watermarks.append({ source, commit, commitUs, appendId: cut.id, tables })
    this.flushed = cut.id
    this.cutter.flushed()
    onWatermark?.(this.watermark)
    // Behind the watermark: readers do not wait for them.
    for (const table of touched) if (table.writer !== null) await lake.maintain?.(table.path)
  }

  private async commit(table: TableFeed, upTo: number, at: Pick<LogCursor, 'source' | 'commit' | 'commitUs'>): Promise<void> {
    if (table.nextOffset < this.options.log.endAt(table.topic, 0, upTo)) this.options.onStart?.(table.path)
    const commit = await commitTable(this.options, table, upTo, at)
    if (commit !== null) this.options.onCommit?.(commit)
  }

  /** Null: a topic that is no table (logical messages, transaction metadata). */
  private async table(topic: string): Promise<TableFeed | null> {
    const known = this.tables.get(topic)
    if (known !== undefined) return known
    const info = this.options.topicTables.get(topic)
    if (info === null) return null
    const table = await openTableFeed(this.options, this.options.source, topic, info)
    this.tables.set(topic, table)
    return table
  }

  /** The append of the newest watermark must be the one in this log, if it is still held. */
  private requireSameLog(watermark: Watermark): void {
    const { log, lake } = this.options
    let newest: AppendInfo | null = null
    for (const info of log.appends(watermark.appendId - 1)) {
      newest = info
      break
    }
    if (newest === null) {
      const detail = `its watermark is at append ${watermark.appendId}, the log has none that new`
      throw new Failure('TRB-LOG-009', { lake: lake.root, detail })
    }
    if (newest.id === watermark.appendId && newest.cursor.commit !== watermark.commit) {
      const detail = `its watermark says ${watermark.commit} at append ${newest.id}, the log says ${newest.cursor.commit ?? 'nothing'}`
      throw new Failure('TRB-LOG-009', { lake: lake.root, detail })
    }
  }
}

/** Reason that ends the waits that lost the race. */
const WAIT_OVER = new Error('the wait is over')
