import type { RowChanges } from '../contract/columns.ts'
import type { TopicTable } from '../contract/log.ts'
import type { PartitionedLog, PartitionRange } from '../contract/partitioned-log.ts'
import type { Checkpoint, TableWriter, WriteCounts } from '../contract/table.ts'
import type { TopicBatchRows, TopicRows } from '../envelope/topic-rows.ts'
import { type Skip, without } from '../envelope/without-records.ts'
import { Failure } from '../failure/failure.ts'
import type { FeedLake, TableLayout } from './feed-lake.ts'
import { checkPartitioning, fitShape, stageWhole } from './fit-table.ts'
import { LastPosition, type SourcePosition } from './last-position.ts'

export interface IngestContext {
  readonly log: PartitionedLog
  readonly lake: FeedLake
  readonly layout: (table: TopicTable) => TableLayout
  /** Name under which tables remember who feeds them: the consumer group. */
  readonly source: string
  /** Records that the lake has not seen are gone: stop, or go on without them. */
  readonly onLost: 'stop' | 'continue'
  /** Takes the turn at a table whose partitions several processes have. */
  readonly turn: (path: string) => Promise<Turn>
  /** About the bytes of decoded rows that one commit takes at most, where it need not end at a state of the source. */
  readonly commitBytes: number
  /** Where records go that cannot be read; null: the first one stops the ingest. */
  readonly deadLetters: string | null
  readonly onWarning?: (text: string) => void
}

export interface Turn {
  end(): Promise<void>
}

/** A commit that the ingest has made. */
export interface IngestCommit {
  readonly topic: string
  readonly path: string
  readonly instant: string
  readonly records: number
  readonly counts: WriteCounts
  readonly at: SourcePosition
}

/** Where a flush ends: next offset by partition, for the partitions that this process owns. */
export type Ends = ReadonlyMap<number, number>

/** Where a flush goes, and the source's position there; null: only what the rows themselves say. */
export interface FlushTo {
  readonly ends: Ends
  readonly at: SourcePosition | null
}

const COMMIT_ATTEMPTS = 10
/** Records set aside between two commits. */
const MOST_ASIDE = 100
/** What is wrong with one record, not with the topic or the lake. */
const POISON: ReadonlySet<string> = new Set(['TRB-INGEST-006', 'TRB-INGEST-007', 'TRB-INGEST-012', 'TRB-INGEST-014'])

/**
 * One topic into one table.
 *
 * Invariant K1: the offsets that a table has consumed are in its own newest commit, all partitions together; the group's offsets are never
 * read. Invariant K2: a commit takes partitions from offset a to b only if the newest commit, looked at while nobody else can commit, still
 * has them at a; otherwise it is refused, its files go, and it is made again from where the table is. So of two processes that believe they
 * own a partition (one of them is late to learn of a rebalance) the slower one's commit changes nothing.
 */
export class IngestTable {
  readonly topic: string
  readonly topicId: string
  readonly info: TopicTable
  readonly path: string
  /** Partitions that this process brings in. */
  readonly owned: readonly number[]
  writer: TableWriter | null = null
  instant: string | null = null
  readonly #context: IngestContext
  readonly #rows: TopicRows
  readonly #partitions: number
  readonly #known = new Set<string>()
  readonly #last = new LastPosition()
  /** `partition offset` of records in the dead-letter topic that the table has not passed yet. */
  readonly #skipped = new Set<string>()
  /** Next offsets to read. */
  #offsets: number[] = []
  /** Offsets of the newest commit; behind `#offsets` where what was read held nothing for the table. */
  #committed: number[] = []

  constructor(
    context: IngestContext,
    topic: { readonly name: string; readonly id: string; readonly partitions: number },
    info: TopicTable,
    owned: readonly number[],
    rows: TopicRows,
  ) {
    this.#context = context
    this.topic = topic.name
    this.topicId = topic.id
    this.#partitions = topic.partitions
    this.info = info
    this.owned = owned
    this.path = context.lake.pathOf(info)
    this.#rows = rows
  }

  /** Opens the table and finds out where it is. Fails with TRB-INGEST-002, -005, -008, TRB-LAKE-019. */
  async open(ranges: readonly PartitionRange[]): Promise<void> {
    this.writer = await this.#context.lake.open(this.path)
    if (this.writer === null) return await this.#take(null, ranges)
    checkPartitioning(this.path, this.writer.spec.partition, this.#context.layout(this.info).partition)
    this.instant = await this.writer.instant()
    await this.#take(await this.writer.checkpoint(), ranges)
  }

  /** Records that `other`, of the same topic, has set aside are not set aside again. */
  skipAsIn(other: IngestTable): void {
    for (const key of other.#skipped) this.#skipped.add(key)
  }

  /** Next offset of a partition. */
  offset(partition: number): number {
    return this.#offsets[partition] ?? 0
  }

  /** The newest position among the rows that this process has brought in. */
  get at(): SourcePosition {
    return this.#last.at
  }

  /** Brings the owned partitions to `ends`, in one commit or (where the schema changes on the way) a few. */
  async flush({ ends, at }: FlushTo, ranges: readonly PartitionRange[], signal: AbortSignal): Promise<readonly IngestCommit[]> {
    const commits: IngestCommit[] = []
    let aside = 0
    const behind = (): boolean => this.owned.some((p) => this.offset(p) < (ends.get(p) ?? 0))
    let refused = 0
    while (behind()) {
      signal.throwIfAborted()
      const turn = this.owned.length < this.#partitions ? await this.#context.turn(this.path) : null
      try {
        if (turn !== null || refused > 0) await this.#reread(ranges)
        const done = behind() ? await this.#step(ends, at, signal) : 'nothing'
        if (done === 'nothing') continue
        aside = 0
        if (done !== 'refused') commits.push(done)
        else if (++refused >= COMMIT_ATTEMPTS) throw new Failure('TRB-LOG-010', { table: this.path, attempts: COMMIT_ATTEMPTS })
      } catch (e) {
        this.#rows.forget()
        if (++aside > MOST_ASIDE) throw new Failure('TRB-INGEST-013', { topic: this.topic, limit: MOST_ASIDE }, e)
        await this.#setAside(e)
      } finally {
        await turn?.end()
      }
    }
    return commits
  }

  /** Moves a record that cannot be read out of the way, if that is what is wanted. */
  async #setAside(e: unknown): Promise<void> {
    const { deadLetters, log, onWarning } = this.#context
    if (!(e instanceof Failure) || !POISON.has(e.code) || deadLetters === null) throw e
    const partition = Number(e.details['partition'])
    const offset = Number(e.details['offset'])
    await log.setAside({ topic: this.topic, partition, offset }, deadLetters, e)
    this.#skipped.add(`${partition} ${offset}`)
    onWarning?.(`moved to ${deadLetters}: ${e.message}`)
  }

  async #reread(ranges: readonly PartitionRange[]): Promise<void> {
    this.writer ??= await this.#context.lake.open(this.path)
    if (this.writer !== null) await this.#take(await this.writer.checkpoint(), ranges)
  }

  /** One commit, of as many records as have shapes that the table has by then. */
  async #step(ends: Ends, at: SourcePosition | null, signal: AbortSignal): Promise<IngestCommit | 'refused' | 'nothing'> {
    const from = [...this.#offsets]
    const base = [...this.#committed]
    const has: Skip = (partition, offset) => this.#skipped.has(`${partition} ${offset}`)
    const skip = this.#skipped.size === 0 ? null : has
    const { log, commitBytes } = this.#context
    const most = at === null ? commitBytes : Number.POSITIVE_INFINITY
    const open = (): RecordStream => new RecordStream(log, this.topic, this.#rows, this.owned, from, ends, skip, most, signal)
    const stream = open()
    const first = await stream.peek(this.#tableKey())
    if (first === null) return this.#skip(stream)
    const records = this.owned.reduce((n, p) => n + Math.max(0, (ends.get(p) ?? 0) - from[p]!), 0)
    this.writer = await this.#fit(first, records)
    const writer = this.writer
    let attempt = stream
    const changes = (): AsyncIterable<RowChanges> => {
      // A stage that is repeated reads everything again.
      if (attempt.started) attempt = open()
      return this.#last.watch(attempt.rows((next) => this.#known.has(next.shape), this.#tableKey()))
    }
    const staged = await stageWhole(writer, changes)
    const reached = attempt.reached
    const merge = (newest: Checkpoint | null): Checkpoint | null => this.#merged(newest, base, reached, at)
    if ((await writer.commit(staged, merge)) === 'conflict') {
      await writer.abandon(staged)
      return 'refused'
    }
    for (const p of this.owned) this.#committed[p] = this.#offsets[p] = reached[p]!
    this.instant = staged.instant
    for (const key of this.#skipped) {
      const [p, offset] = key.split(' ').map(Number)
      if (offset! < reached[p!]!) this.#skipped.delete(key)
    }
    return {
      topic: this.topic,
      path: this.path,
      instant: staged.instant,
      records: attempt.records,
      counts: staged.counts,
      at: this.#last.at,
    }
  }

  /** Nothing for the table in it (markers of transactions, tombstones of an empty table): the offsets alone move on, in memory. */
  #skip(stream: RecordStream): 'nothing' {
    for (const p of this.owned) this.#offsets[p] = stream.reached[p]!
    return 'nothing'
  }

  #tableKey(): readonly string[] | null {
    return this.writer?.spec.key ?? null
  }

  async #fit(rows: TopicBatchRows, records: number): Promise<TableWriter> {
    if (rows.key.length === 0 && this.#partitions > 1)
      throw new Failure('TRB-INGEST-009', { topic: this.topic, partitions: this.#partitions })
    if (this.writer !== null && this.#known.has(rows.shape)) return this.writer
    const { batch } = rows
    const bytes = (batch.records.length / batch.count) * records
    const writer = await fitShape(this.#context, this, [{ records, bytes }], rows)
    this.#known.add(rows.shape)
    return writer
  }

  /** K2: what this commit has consumed, on top of what the newest one has; null: that has moved since `base`. */
  #merged(newest: Checkpoint | null, base: readonly number[], reached: readonly number[], at: SourcePosition | null): Checkpoint | null {
    const partitions = base.map((offset, p) => newest?.partitions?.[p] ?? offset)
    for (const p of this.owned) {
      if (partitions[p] !== base[p]) return null
      partitions[p] = reached[p]!
    }
    const nextOffset = partitions.reduce((sum, offset) => sum + offset, 0)
    const { commit, commitUs } = at ?? this.#last.at
    return { source: this.#context.source, commit, commitUs, topic: this.topic, nextOffset, partitions, topicId: this.topicId }
  }

  async #take(checkpoint: Checkpoint | null, asked: readonly PartitionRange[]): Promise<void> {
    if (checkpoint !== null) this.#requireSame(checkpoint)
    const saved = checkpoint?.partitions ?? []
    // Who had a partition before may have committed more of it than there was when its end was asked for.
    const isAhead = asked.some((r) => r.topic === this.topic && (saved[r.partition] ?? 0) > r.end)
    const ranges = isAhead ? await this.#context.log.ranges([this.topic]) : asked
    const before = this.#committed
    const skipped = this.#offsets
    this.#committed = []
    this.#offsets = []
    for (let p = 0; p < this.#partitions; p++) {
      const range = ranges.find((r) => r.topic === this.topic && r.partition === p) ?? { start: 0, end: 0 }
      const committed = saved[p] ?? range.start
      this.#committed.push(committed)
      const next = committed === before[p] ? Math.max(committed, skipped[p]!) : committed
      this.#offsets.push(this.owned.includes(p) ? this.#held(p, next, range) : next)
    }
  }

  #held(partition: number, offset: number, { start, end }: { readonly start: number; readonly end: number }): number {
    const where = { topic: this.topic, partition, offset, start, end }
    if (offset > end) throw new Failure('TRB-INGEST-005', { ...where, detail: `it ends at ${end}` })
    if (offset >= start) return offset
    if (this.#context.onLost === 'stop') throw new Failure('TRB-INGEST-002', where)
    this.#context.onWarning?.(`${this.topic} partition ${partition}: records from ${offset} to ${start} are lost`)
    return start
  }

  #requireSame(checkpoint: Checkpoint): void {
    const { source } = this.#context
    const detail =
      checkpoint.source !== source
        ? `${this.path} is fed by "${checkpoint.source}"`
        : checkpoint.topic !== this.topic
          ? `${this.path} is fed from the topic ${checkpoint.topic}`
          : null
    if (detail !== null) throw new Failure('TRB-INGEST-008', { source, detail, lake: this.#context.lake.root })
    if (checkpoint.topicId !== undefined && checkpoint.topicId !== this.topicId) {
      const where = { topic: this.topic, partition: 0, offset: checkpoint.partitions?.[0] ?? 0, start: 0, end: 0 }
      throw new Failure('TRB-INGEST-005', {
        ...where,
        detail: `it was created again since (id ${this.topicId}, was ${checkpoint.topicId})`,
      })
    }
    const had = checkpoint.partitions?.length ?? 1
    if (had > this.#partitions) {
      const where = { topic: this.topic, partition: had - 1, offset: checkpoint.partitions?.[had - 1] ?? 0, start: 0, end: 0 }
      throw new Failure('TRB-INGEST-005', { ...where, detail: `it has ${this.#partitions} partitions now` })
    }
  }
}

/** What a row costs in memory beside its values: its key, and where it is. */
const ENTRY_BYTES = 40

/**
 * The rows of some partitions of a topic, one partition after the other, up to `ends`, to the first batch of a shape that is not wanted, or to
 * the batch with which they come to `most` bytes.
 */
class RecordStream {
  /** Next offset by partition: everything before it has been given out. */
  readonly reached: number[]
  started = false
  /** Given out so far. */
  records = 0
  readonly #rows: TopicRows
  readonly #batches: AsyncGenerator<{ readonly partition: number; readonly rows: TopicBatchRows }>
  readonly #most: number
  #bytes = 0
  #next: { readonly partition: number; readonly rows: TopicBatchRows } | null = null
  #tableKey: readonly string[] | null = null

  constructor(
    log: PartitionedLog,
    topic: string,
    rows: TopicRows,
    owned: readonly number[],
    from: readonly number[],
    ends: Ends,
    skip: Skip | null,
    most: number,
    signal: AbortSignal,
  ) {
    this.#most = most
    this.#rows = rows
    this.reached = [...from]
    this.#batches = this.#read(log, topic, owned, ends, skip, signal)
  }

  /** The first batch that has something for the table; null: none has. */
  async peek(tableKey: readonly string[] | null): Promise<TopicBatchRows | null> {
    this.#tableKey = tableKey
    const next = await this.#batches.next()
    this.#next = next.done === true ? null : next.value
    return this.#next?.rows ?? null
  }

  async *rows(wanted: (rows: TopicBatchRows) => boolean, tableKey: readonly string[] | null): AsyncGenerator<RowChanges, void, void> {
    this.started = true
    this.#tableKey = tableKey
    if (this.#next === null) await this.peek(tableKey)
    let current = this.#next?.rows ?? null
    for (let next = this.#next; next !== null; ) {
      const { rows, partition } = next
      if (!wanted(rows) || this.#bytes >= this.#most) break
      if (current !== null && current.decoder !== rows.decoder) yield* current.decoder.flush()
      current = rows
      for (const changes of rows.decoder.feed(rows.batch)) {
        this.#bytes += changes.bytes + changes.count * ENTRY_BYTES
        yield changes
      }
      this.reached[partition] = rows.batch.baseOffset + rows.batch.count
      this.records += rows.batch.count
      const result: IteratorResult<{ readonly partition: number; readonly rows: TopicBatchRows }> = await this.#batches.next()
      next = result.done === true ? null : result.value
    }
    if (current !== null) yield* current.decoder.flush()
    await this.#batches.return(undefined)
  }

  async *#read(log: PartitionedLog, topic: string, owned: readonly number[], ends: Ends, skip: Skip | null, signal: AbortSignal) {
    for (const partition of owned) {
      const end = ends.get(partition) ?? 0
      const from = this.reached[partition]!
      for await (const whole of log.read(topic, partition, from, end, signal)) {
        for (const batch of skip === null ? [whole] : without(whole, skip)) {
          for (const rows of await this.#rows.of(batch, this.#tableKey)) yield { partition, rows }
        }
      }
      this.reached[partition] = Math.max(from, end)
    }
  }
}
