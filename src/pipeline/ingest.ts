import type { Clock } from '../contract/clock.ts'
import type { StoredBatch, TopicTable } from '../contract/log.ts'
import type { Assignment, PartitionRange, TopicInfo } from '../contract/partitioned-log.ts'
import type { TableWriter, Watermark } from '../contract/table.ts'
import type { TopicRows } from '../envelope/topic-rows.ts'
import { isFailure } from '../failure/failure.ts'
import { FlushCutter, type FlushPolicy } from './flush-policy.ts'
import type { Cut, Cuts } from './ingest-cuts.ts'
import { type IngestCommit, type IngestContext, IngestTable } from './ingest-table.ts'
import type { SourcePosition } from './last-position.ts'

export interface IngestOptions extends IngestContext {
  readonly clock: Clock
  readonly policy: FlushPolicy
  /** Topics of tables. */
  readonly wanted: (topic: string) => boolean
  /** By the name of the topic, and the database that its records name ('' none). */
  readonly tableOf: (topic: string, database: string) => TopicTable
  /** The database that the first record names; null: no value in the batch, undefined: one that cannot be read. */
  readonly databaseOf: (batch: StoredBatch) => Promise<string | null | undefined>
  readonly rowsOf: (topic: TopicInfo) => TopicRows
  /** Topics that tell where transactions of the source end. */
  readonly tells: (topic: string) => boolean
  /** `telling`: topics that `tells` chose; the newest watermark, and the newest that is a state of the source. */
  readonly cuts: (telling: readonly TopicInfo[], newest: Watermark | null, exact: Watermark | null) => Cuts
  /** Time between two looks at the ends of the partitions while nothing is due. */
  readonly pollMs: number
  /** Time between two looks for new topics and partitions. */
  readonly topicsMs: number
  readonly onAssigned?: (owned: number, all: number, topics: number) => void
  readonly onStart?: (path: string) => void
  readonly onCommit?: (commit: IngestCommit) => void
  readonly onWatermark?: (watermark: Watermark) => void
}

/** Tries at a watermark that other members write at the same time. */
const MARK_ATTEMPTS = 5

/** Looks of who drains at a group that takes its time over topics that were just found. */
const DRAIN_LOOKS = 40

/** How long `once` waits for transactions that are open at its start. */
const OPEN_MS = 10_000

/** How far the ingest is, for whoever asks at its end. */
export interface IngestEnd {
  readonly reason: 'stopped' | 'reached'
  readonly topics: number
}

/**
 * Kafka → lake tables, as a member of a group, until `drain` aborts (the newest cut is flushed, then it leaves the group), `abort` aborts, or,
 * with `once`, everything that was there at the start is in the lake.
 */
export async function ingest(options: IngestOptions, once: boolean, drain: AbortSignal, abort: AbortSignal): Promise<IngestEnd> {
  return await new Ingest(options, abort).run(once, drain)
}

class Ingest {
  readonly #options: IngestOptions
  readonly #abort: AbortSignal
  readonly #cutter: FlushCutter
  readonly #tables = new Map<string, IngestTable>()
  #cuts: Cuts | null = null
  /** Names of the topics that the cuts come from. */
  #telling = ''
  /** The newest watermark, and the newest that is a state of the source. */
  #watermark: Watermark | null = null
  #exact: Watermark | null = null
  /** The cut that the next flush goes to. */
  #ends: Cut | null = null
  #topics: readonly TopicInfo[] = []
  /** Writers of tables that other members bring in: only looked at. */
  readonly #others = new Map<string, TableWriter>()
  readonly #infos = new Map<string, TopicTable>()
  /**
   * Topics without a record that says where their table is, and how far they went when they were looked at. Of one whose records cannot be
   * read there is a table in `#tables`, so that they are set aside or stop the ingest; nothing is ever written to it.
   */
  readonly #waiting = new Map<TopicInfo, string>()
  #topicsAt = Number.NEGATIVE_INFINITY
  /** Topics that a cut named and the list of topics did not have: it was asked for again. */
  readonly #unlisted = new Set<string>()
  #generation = -1
  #ranges: readonly PartitionRange[] = []
  /** With `once`: ends at the start, and when they were asked for. */
  #target: Map<string, number> | null = null
  #targetAt = 0

  constructor(options: IngestOptions, abort: AbortSignal) {
    this.#options = options
    this.#abort = abort
    this.#cutter = new FlushCutter(options.policy)
  }

  async run(once: boolean, drain: AbortSignal): Promise<IngestEnd> {
    const { clock, log, lake, pollMs, source } = this.#options
    for await (const w of lake.watermarks.list()) {
      if (w.source !== source) continue
      this.#watermark ??= w
      if (w.loose === true) continue
      this.#exact = w
      break
    }
    let looks = 0
    for (;;) {
      this.#abort.throwIfAborted()
      const draining = drain.aborted
      await this.#followTopics()
      const telling = this.#cuts?.topic ?? null
      const names = [...this.#topics.map((t) => t.name), ...(telling === null ? [] : [telling])]
      this.#ranges = await log.ranges(names)
      const ready = await this.#followGroup()
      if (once && ready) await this.#aim(names)
      const done = ready ? await this.#flushIfDue(draining || once) : 'nothing'
      if (done === 'list again') looks = DRAIN_LOOKS
      // Who drains takes what was waiting; a long way that is still to go is for the next run.
      if (done === 'list again' || (done === 'flushed' && !draining)) continue
      if (draining && !ready && looks-- > 0) {
        await clock.sleep(pollMs, this.#abort)
        continue
      }
      if (draining) return { reason: 'stopped', topics: this.#topics.length }
      if (once && ready && this.#isReached()) return { reason: 'reached', topics: this.#topics.length }
      await this.#rest(drain, pollMs)
    }
  }

  /**
   * With `once`: what was written at the start is to be in the lake, also of transactions whose commit was answered a moment ago. One that
   * stays open is not waited for.
   */
  async #aim(names: readonly string[]): Promise<void> {
    const { clock, log, onWarning } = this.#options
    if (this.#target === null) {
      this.#target = new Map((await log.ranges(names, true)).map((r) => [keyOf(r), r.end]))
      this.#targetAt = clock.now()
    }
    if (clock.now() - this.#targetAt < OPEN_MS) return
    for (const r of this.#ranges) {
      if (r.end >= (this.#target.get(keyOf(r)) ?? 0)) continue
      this.#target.set(keyOf(r), r.end)
      onWarning?.(
        `${r.topic} partition ${r.partition}: a transaction is open at offset ${r.end}: what is behind it is left for the next run`,
      )
    }
  }

  async #followTopics(): Promise<void> {
    const { clock, log, wanted, tells, topicsMs } = this.#options
    if (clock.now() - this.#topicsAt < topicsMs) return
    const all = await log.topics((t) => wanted(t) || tells(t))
    const topics = all.filter((t) => !tells(t.name))
    const telling = all.filter((t) => tells(t.name))
    const same = topics.length === this.#topics.length && topics.every((t, i) => isSame(t, this.#topics[i]!))
    this.#topicsAt = clock.now()
    if (this.#cuts === null || telling.map((t) => t.name).join() !== this.#telling) {
      this.#telling = telling.map((t) => t.name).join()
      this.#cuts = this.#options.cuts(telling, this.#watermark, this.#exact)
      this.#generation = -1
    }
    if (same) return
    // A topic that was created again may be another table.
    const before = new Map(this.#topics.map((t) => [t.name, t.id]))
    for (const t of topics) if (before.get(t.name) !== t.id) this.#infos.delete(t.name)
    this.#topics = topics
    await log.join(topics)
    this.#generation = -1
  }

  /** Opens the tables of the partitions that are ours now. False: the group is being rebalanced. */
  async #followGroup(): Promise<boolean> {
    const { log, onAssigned } = this.#options
    const assignment = log.assignment()
    if (assignment === null) return this.#topics.length === 0
    if (assignment.generation === this.#generation) {
      for (const [topic, ends] of [...this.#waiting]) if (this.#endsOf(topic) !== ends) await this.#open(topic, assignment)
      return true
    }
    this.#tables.clear()
    this.#others.clear()
    this.#waiting.clear()
    this.#cuts?.assigned?.(assignment.partitions)
    for (const topic of this.#topics) await this.#open(topic, assignment)
    this.#generation = assignment.generation
    const all = this.#topics.reduce((n, t) => n + t.partitions, 0)
    onAssigned?.(assignment.partitions.length, all, this.#tables.size)
    return true
  }

  async #open(topic: TopicInfo, assignment: Assignment): Promise<void> {
    const { rowsOf } = this.#options
    const owned = assignment.partitions.filter((p) => p.topic === topic.name).map((p) => p.partition)
    if (owned.length === 0) return
    const found = await this.#infoOf(topic)
    if (found?.sure === true) this.#waiting.delete(topic)
    else this.#waiting.set(topic, this.#endsOf(topic))
    const before = this.#tables.get(topic.name)
    if (found === null || (!found.sure && before !== undefined)) return
    const table = new IngestTable(
      this.#options,
      topic,
      found.info,
      owned.toSorted((a, b) => a - b),
      rowsOf(topic),
    )
    if (before !== undefined) table.skipAsIn(before)
    await table.open(this.#ranges)
    const coming = this.#ends?.ends.get(topic.name)
    for (const p of table.owned) this.#cuts?.start(topic.name, p, table.offset(p), coming?.get(p) ?? 0)
    this.#tables.set(topic.name, table)
    if (table.writer !== null) await this.#options.lake.maintain?.(table.path)
  }

  #endsOf(topic: TopicInfo): string {
    return this.#ranges.flatMap((r) => (r.topic === topic.name ? [r.end] : [])).join()
  }

  /**
   * What table a topic is: its first record with a value that can be read tells. Null: it has none yet. Not `sure`: none of them can be
   * read, and the name is a guess.
   */
  async #infoOf(topic: TopicInfo): Promise<{ readonly info: TopicTable; readonly sure: boolean } | null> {
    const { log, tableOf, databaseOf } = this.#options
    const known = this.#infos.get(topic.name)
    if (known !== undefined) return { info: known, sure: true }
    let unreadable = false
    for (const { partition, start, end } of this.#ranges.filter((r) => r.topic === topic.name)) {
      for await (const batch of log.read(topic.name, partition, start, end, this.#abort)) {
        const database = await databaseOf(batch)
        unreadable ||= database === undefined
        if (database === null || database === undefined) continue
        const info = tableOf(topic.name, database)
        this.#infos.set(topic.name, info)
        return { info, sure: true }
      }
    }
    // Nothing but records that cannot be read: the ingest is to say so, whatever the table's name.
    return unreadable ? { info: tableOf(topic.name, ''), sure: false } : null
  }

  async #flushIfDue(draining: boolean): Promise<'flushed' | 'list again' | 'nothing'> {
    const { clock } = this.#options
    for (const cut of (await this.#cuts?.poll(this.#ranges)) ?? []) {
      this.#cutter.add(cut.info, clock.now())
      if (this.#cutter.boundary?.id === cut.info.id) this.#ends = cut
    }
    const cut = this.#ends
    // A cut is a state of the source with all of its topics: those that came to be since they were listed, too.
    if (this.#looksAgain([...(cut?.ends.keys() ?? []), ...(this.#cuts?.lacks?.() ?? [])])) return 'list again'
    if (cut === null || this.#cutter.boundary === null) return 'nothing'
    const due = this.#cutter.due(clock.now())
    if (due !== 0 && !(draining && this.#cutter.pending > 0)) return 'nothing'
    await this.#flush(cut)
    return 'flushed'
  }

  /** Whether the topics are to be listed first, because one of those named is not known. One that is gone for good is asked for once. */
  #looksAgain(named: readonly string[]): boolean {
    const { wanted } = this.#options
    const known = new Set(this.#topics.map((t) => t.name))
    const fresh = named.filter((t) => !known.has(t) && !this.#unlisted.has(t) && wanted(t))
    if (fresh.length === 0) return false
    for (const t of fresh) this.#unlisted.add(t)
    this.#topicsAt = Number.NEGATIVE_INFINITY
    return true
  }

  /** A rebalance in between ends it: what is left is somebody's, maybe ours, to do again. */
  async #flush(cut: Cut): Promise<void> {
    const { log, lake, onStart, onCommit } = this.#options
    let made = 0
    const moved = (): boolean => log.assignment()?.generation !== this.#generation
    for (const table of this.#tables.values()) {
      if (moved()) return
      const ends = cut.ends.get(table.topic)
      if (ends === undefined || !table.owned.some((p) => table.offset(p) < (ends.get(p) ?? 0))) continue
      onStart?.(table.path)
      const commits = await table.flush({ ends, at: positionOf(cut) }, this.#ranges, this.#abort)
      made += commits.length
      for (const commit of commits) onCommit?.(commit)
      if (commits.length > 0 && table.owned.includes(0)) await lake.maintain?.(table.path)
      await this.#show(table)
    }
    this.#cutter.flushed()
    this.#ends = null
    // Where only markers of transactions were left, the watermark there is says as much.
    if (!moved() && (cut.exact || made > 0)) await this.#mark(cut)
  }

  /**
   * The watermark that readers go by: a state of the source when this process has brought every table to the cut, else where the tables
   * are, each by itself (`loose`).
   */
  async #mark(cut: Cut): Promise<void> {
    const { source, onWatermark } = this.#options
    const whole = this.#topics.every((t) => this.#waiting.has(t) || this.#tables.get(t.name)?.owned.length === t.partitions)
    const at = positionOf(cut) ?? newestOf([...this.#tables.values()].map((t) => t.at))
    if (at.commitUs === null) return
    const base = { source, commit: at.commit ?? '-', commitUs: at.commitUs }
    for (let attempt = 1; attempt <= MARK_ATTEMPTS; attempt++) {
      const newest = await this.#newestId()
      const exact = whole && cut.exact && at.commit !== null && cut.info.id > newest
      const tables = await marksOf(this.#topics, (topic) => this.#openTable(topic), this.#infos, this.#options)
      const appendId = exact ? cut.info.id : Math.max(cut.info.id, newest + 1)
      const more = !exact ? { loose: true as const } : cut.place === undefined ? {} : { cut: cut.place }
      const next = { ...base, appendId, tables, ...more }
      const written = await this.#append(next)
      if (written === null) continue
      this.#watermark = written
      if (exact) this.#exact = written
      onWatermark?.(written)
      return
    }
  }

  /** Null: another member wrote one at the same moment. */
  async #append(watermark: Omit<Watermark, 'seq' | 'writtenMs'>): Promise<Watermark | null> {
    try {
      return await this.#options.lake.watermarks.append(watermark)
    } catch (e) {
      if (isFailure(e, 'TRB-LAKE-016') || isFailure(e, 'TRB-LAKE-017')) return null
      throw e
    }
  }

  async #newestId(): Promise<number> {
    for await (const w of this.#options.lake.watermarks.list()) if (w.source === this.#options.source) return w.appendId
    return 0
  }

  /** The table of a topic as this process knows it; of one that others bring in, opened to be looked at. */
  async #openTable(topic: TopicInfo): Promise<TableWriter | null> {
    const own = this.#tables.get(topic.name)
    if (own !== undefined) return own.writer
    const { lake } = this.#options
    const found = await this.#infoOf(topic)
    if (found?.sure !== true) return null
    const known = this.#others.get(topic.name) ?? (await lake.open(lake.pathOf(found.info)))
    if (known !== null) this.#others.set(topic.name, known)
    return known
  }

  /** Group offsets, for tools that show lag: a group that is being rebalanced does without. */
  async #show(table: IngestTable): Promise<void> {
    const { log, onWarning } = this.#options
    const offsets = table.owned.map((partition) => ({ topic: table.topic, partition, offset: table.offset(partition) }))
    try {
      await log.commit(offsets)
    } catch (e) {
      if (isFailure(e)) throw e
      onWarning?.(`group offsets of ${table.topic} were not written: ${e instanceof Error ? e.message : String(e)}`)
    }
  }

  #isReached(): boolean {
    if (this.#cuts?.settles?.() === true || this.#ranges.some((r) => r.end < (this.#target?.get(keyOf(r)) ?? 0))) return false
    if (this.#cutter.pending === 0 && this.#cuts?.isPast(this.#target ?? new Map()) === true) return true
    for (const table of this.#tables.values()) {
      for (const partition of table.owned) {
        if (table.offset(partition) < (this.#target?.get(keyOf({ topic: table.topic, partition })) ?? 0)) return false
      }
    }
    return true
  }

  async #rest(drain: AbortSignal, pollMs: number): Promise<void> {
    const { clock } = this.#options
    const due = this.#cutter.due(clock.now())
    const over = AbortSignal.any([drain, this.#abort])
    if (over.aborted) return
    try {
      await clock.sleep(Math.max(1, Math.min(pollMs, due ?? pollMs)), over)
    } catch (e) {
      if (!over.aborted) throw e
    }
  }
}

/** Where the tables are by their newest commits, whoever made them. */
async function marksOf(
  topics: readonly TopicInfo[],
  open: (topic: TopicInfo) => Promise<TableWriter | null>,
  infos: ReadonlyMap<string, TopicTable>,
  { lake }: IngestOptions,
): Promise<Watermark['tables']> {
  const out: Watermark['tables'][number][] = []
  for (const topic of topics) {
    const writer = await open(topic)
    const info = infos.get(topic.name)
    if (writer === null || info === undefined) continue
    const nextOffset = (await writer.checkpoint())?.nextOffset ?? 0
    const { schema, table } = info.table
    out.push({ path: lake.pathOf(info), schema, table, instant: await writer.instant(), topic: topic.name, nextOffset })
  }
  return out
}

function newestOf(positions: readonly SourcePosition[]): SourcePosition {
  const later = (a: SourcePosition, b: SourcePosition): SourcePosition => ((b.commitUs ?? -1n) > (a.commitUs ?? -1n) ? b : a)
  return positions.reduce(later, { commit: null, commitUs: null })
}

function positionOf({ exact, info }: Cut): SourcePosition | null {
  const { commit, commitUs } = info.cursor
  return exact ? { commit, commitUs } : null
}

const keyOf = (p: { readonly topic: string; readonly partition: number }): string => `${p.topic} ${p.partition}`

function isSame(a: TopicInfo, b: TopicInfo): boolean {
  return a.name === b.name && a.id === b.id && a.partitions === b.partitions
}
