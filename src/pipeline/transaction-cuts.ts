import type { CutPlace } from '../contract/cut-place.ts'
import type { PartitionedLog, PartitionRange, TopicPartition } from '../contract/partitioned-log.ts'
import type { Watermark } from '../contract/table.ts'
import { topicName } from '../envelope/topic-name.ts'
import {
  commitOfTransaction,
  type TransactionMark,
  TransactionRecords,
  transactionKey,
  UNTOLD,
  Untold,
} from '../envelope/transaction-records.ts'
import type { Cut, Cuts } from './ingest-cuts.ts'
import { RecentIds, ScannedPartition } from './transaction-scan.ts'

/** A Kafka transaction ends with a marker, which is no record. */
const MARKER = 1
/** Transactions whose END was read and that are not brought in yet. */
const MAX_QUEUED = 20_000
/** Runs read ahead, over all partitions. */
const MAX_RUNS = 200_000
const MIN_RUNS = 64
/** Transactions whose repeats are known: more than a producer writes between two of its commits (offset.flush.interval.ms, a minute). */
const MAX_DONE = 65_536
/** BEGIN and END. */
const MARKS_EACH = 2

/** Polls, five a second: how long records of no transaction keep a state from being certain; … */
const SETTLED_POLLS = 3
/** … a count that is not reached is waited for (a partition may be without a leader meanwhile); … */
const STUCK_POLLS = 150
/** … partitions of a transaction that was given up on are doubted, when nothing more comes in them. */
const DOUBT_POLLS = 150
/** … the END of a transaction that is followed by another; of one behind others whose END never came. */
const OVERDUE_POLLS = 150
const OVERDUE_AGAIN_POLLS = 3

export interface TransactionCutsOptions {
  readonly log: PartitionedLog
  /** Debezium's transaction topic, `<prefix>.transaction`. */
  readonly topic: string
  readonly source: string
  readonly schema: (id: number) => Promise<string>
  /** Topics of tables that are brought in. */
  readonly wanted: (topic: string) => boolean
  /** The newest watermark, and the newest that is a state of the source. */
  readonly newest: Watermark | null
  readonly exact: Watermark | null
  /** Records that one poll reads ahead at most. */
  readonly limit: number
  readonly signal: AbortSignal
  readonly onWarning: (text: string) => void
}

/** A transaction of the source by its END. */
interface Ended {
  readonly mark: TransactionMark
  readonly id: string
  /** Events by topic. */
  readonly counts: ReadonlyMap<string, number>
  /** It began twice: its producer was restarted in the middle and may have counted only what came after. */
  readonly resumed: boolean
}

/**
 * Cuts at the transactions of a source whose changes Debezium writes (`provide.transaction.metadata`): its transaction topic says with
 * each END how many events of which table the transaction has, in the order of the commits, and every event says its transaction and its
 * place in it.
 *
 * One transaction after the other is counted: it is whole once all of its events were seen, or every partition of its tables has gone on to
 * a later one. Each partition's records are read ahead of the tables for that, as runs of one transaction. Kafka Connect writes the topics
 * independently of each other: an END may be there before the events, never a later transaction of a partition before an earlier one.
 *
 * What belongs to no transaction (a snapshot, also an incremental one) is brought in as it comes, and what is written is no state of the
 * source until none has come for a moment. A transaction whose count is not reached (a filter on the way, compaction), one without END
 * (retention, a producer that lost it) and one that was resumed are brought in all the same: what is written is loose until their partitions
 * have gone on. Repeats after a crash of the producer are known by their transaction and change nothing.
 */
export class TransactionCuts implements Cuts {
  readonly topic: string
  readonly #options: TransactionCutsOptions
  readonly #records: TransactionRecords
  readonly #prefix: string
  /** Next offset in the transaction topic; null: from its start. */
  #next: number | null
  readonly #queue: Ended[] = []
  readonly #queued = new Set<string>()
  readonly #done = new RecentIds(MAX_DONE)
  readonly #begun = new Map<string, number>()
  readonly #parts = new Map<string, ScannedPartition>()
  #owned: ReadonlySet<string> | null = null
  /** Where partitions are read from when they are met first: their offsets at the newest state. */
  readonly #from: Map<string, readonly number[]>
  /** Events of the first of the queue that were seen, by topic; and the highest place by partition with how many it stands for. */
  #got = new Map<string, number>()
  #tops = new Map<ScannedPartition, { top: number; counted: number }>()
  /** The newest transaction that is whole, and the offset behind its END. */
  #at: { readonly commit: string; readonly commitUs: bigint; readonly next: number } | null
  #id: number
  #polls = 0
  #nullsAt = Number.NEGATIVE_INFINITY
  #stuck = 0
  /** The newest cut that was given out is a state. */
  #given = true
  /** Why no cut will be a state of the source; null: they may be. */
  #never: string | null = null
  readonly #absent = new Set<string>()
  #lacking: readonly string[] = []
  #warned = new Set<string>()

  constructor(options: TransactionCutsOptions) {
    const { topic, exact, newest, schema } = options
    this.topic = topic
    this.#options = options
    this.#records = new TransactionRecords(schema)
    this.#prefix = topic.slice(0, topic.lastIndexOf('.'))
    const place = exact?.cut?.topic === topic ? exact.cut : null
    this.#next = place?.next ?? null
    this.#at = place === null || exact === null ? null : { commit: exact.commit, commitUs: exact.commitUs, next: place.next }
    this.#from = new Map(Object.entries(place?.ends ?? {}))
    this.#id = newest?.appendId ?? 0
  }

  assigned(owned: readonly TopicPartition[]): void {
    const keys = new Set(owned.map(keyOf))
    for (const key of [...this.#parts.keys()]) if (!keys.has(key)) this.#parts.delete(key)
    this.#owned = keys
  }

  start(topic: string, partition: number, offset: number, coming = offset): void {
    const key = keyOf({ topic, partition })
    const same = this.#parts.get(key)
    if (same !== undefined) {
      // It may have been another member's for a moment.
      same.reached = Math.max(same.reached, offset)
      return
    }
    const known = this.#from.get(topic)?.[partition] ?? -1
    // A partition that comes back from another member goes on where the table is.
    const from = known >= 0 ? known : this.#polls === 0 ? 0 : offset
    this.#parts.set(key, new ScannedPartition(topic, partition, from, offset, Math.max(offset, coming)))
  }

  isPast(ends: ReadonlyMap<string, number>): boolean {
    if ((this.#next ?? 0) < (ends.get(keyOf({ topic: this.topic, partition: 0 })) ?? 0) || this.#queue.length > 0) return false
    for (const [key, p] of this.#parts) {
      const end = ends.get(key) ?? 0
      if (p.safe > p.given || (p.safe < end && p.head === null && p.scanned < end)) return false
      // Its END is waited for, or given up on.
      if (p.hasEnded && p.head!.next <= end) return false
    }
    return !this.settles()
  }

  settles(): boolean {
    const sure = this.#at !== null && this.#never === null && [...this.#parts.values()].every(isSure)
    return sure && !this.#given
  }

  lacks(): readonly string[] {
    return this.#lacking
  }

  async poll(ranges: readonly PartitionRange[]): Promise<readonly Cut[]> {
    this.#polls++
    const ends = new Map(ranges.map((r) => [keyOf(r), r]))
    const own = ends.get(keyOf({ topic: this.topic, partition: 0 }))
    if (own === undefined) return []
    await this.#readMarks(own)
    for (const p of this.#parts.values()) this.#begin(p, ends.get(keyOf(p)))
    await this.#advance(ends)
    return this.#give()
  }

  /** Records that retention has taken meanwhile are counted by nobody. */
  #begin(p: ScannedPartition, range: PartitionRange | undefined): void {
    if (range === undefined || p.scanned >= range.start) return
    if (p.scanned > 0) p.doubt = this.#polls
    p.scanned = p.taken = p.safe = range.start
  }

  /** What was brought in by the process before this one: its producer may repeat it. */
  async #readBack(start: number, to: number): Promise<void> {
    const { log, signal } = this.#options
    const from = Math.max(start, to - MARKS_EACH * MAX_DONE)
    if (from >= to) return
    for await (const batch of log.read(this.topic, 0, from, to, signal)) {
      for (const mark of await this.#records.marks(batch)) if (mark.status === 'END') this.#done.add(transactionKey(mark.id))
    }
  }

  async #readMarks({ start, end }: PartitionRange): Promise<void> {
    const { log, signal } = this.#options
    if (this.#polls === 1 && this.#next !== null) await this.#readBack(start, Math.min(this.#next, end))
    if (start > (this.#next ?? 0)) this.#doubtAll(`${this.topic} begins at offset ${start}: ends of transactions before it are gone`)
    const from = Math.max(start, this.#next ?? start)
    if (from >= end || this.#queue.length >= MAX_QUEUED) return
    for await (const batch of log.read(this.topic, 0, from, end, signal)) {
      for (const mark of await this.#records.marks(batch)) this.#mark(mark)
      this.#next = batch.baseOffset + batch.count
      if (this.#queue.length >= MAX_QUEUED) return
    }
    this.#next = end
  }

  #mark(mark: TransactionMark): void {
    const id = transactionKey(mark.id)
    if (this.#done.has(id) || this.#queued.has(id)) return
    if (mark.status === 'BEGIN') {
      this.#begun.set(id, (this.#begun.get(id) ?? 0) + 1)
      return
    }
    const counts = new Map<string, number>()
    for (const [collection, count] of mark.collections) counts.set(topicOf(this.#prefix, collection), count)
    this.#queue.push({ mark, id, counts, resumed: (this.#begun.get(id) ?? 0) > 1 })
    this.#queued.add(id)
    this.#begun.clear()
  }

  /** Counts one transaction after the other, until one is not whole yet or enough has been read for this time. */
  async #advance(ends: ReadonlyMap<string, PartitionRange>): Promise<void> {
    let budget = this.#options.limit
    let moved = false
    while (budget > 0) {
      const read = await this.#scan(ends, budget, false)
      budget -= read
      const took = this.#take(ends)
      moved ||= took || read > 0
      const front = this.#queue[0]
      if (took || read > 0) continue
      if (front === undefined) break
      if (this.#skipsLost()) moved = true
      else if (this.#isWhole(front, ends)) {
        this.#finish(front)
        moved = true
      } else {
        const more = await this.#scan(ends, budget, true)
        budget -= more
        if (more === 0) break
      }
    }
    if (this.#queue.length === 0) await this.#scan(ends, budget, true)
    for (const p of this.#parts.values()) this.#endOverdue(p)
    if (moved || this.#queue.length === 0) this.#stuck = 0
    else if (++this.#stuck >= STUCK_POLLS) this.#giveUp(this.#queue[0]!)
  }

  /** Reads partitions of which nothing is known ahead; `further`: also those that stand at a transaction without END. */
  async #scan(ends: ReadonlyMap<string, PartitionRange>, budget: number, further: boolean): Promise<number> {
    const { log, signal, onWarning } = this.#options
    const runs = Math.max(MIN_RUNS, Math.floor(MAX_RUNS / Math.max(1, this.#parts.size)))
    let read = 0
    for (const [key, p] of this.#parts) {
      const end = ends.get(key)?.end ?? 0
      const isWanted = p.head === null || (further && p.ahead < runs && !this.#queued.has(p.head.id ?? ''))
      if (!isWanted || p.scanned >= end || read >= budget) continue
      try {
        read += await p.scan(log, this.#records, end, { runs, records: budget - read }, signal)
      } catch (e) {
        if (!(e instanceof Untold)) throw e
        p.skipTo(end)
        this.#nullsAt = this.#polls
        if (this.#never === null) onWarning(`records of ${p.topic} do not say their transaction: the tables have no common position`)
        this.#never = p.topic
      }
    }
    return read
  }

  /** Takes what stands first in the partitions and waits for nothing: of the first transaction, of none, repeats. */
  #take(ends: ReadonlyMap<string, PartitionRange>): boolean {
    const front = this.#queue[0]
    let took = false
    for (const [key, p] of this.#parts) {
      const end = ends.get(key)?.end ?? 0
      for (let run = p.head; run !== null; run = p.head) {
        const { id } = run
        if (id !== null && id === front?.id) this.#count(front, p)
        else if (id === UNTOLD) this.#isUntold(p)
        else if (id !== null && !this.#done.has(id)) break
        if (id === null) this.#nullsAt = this.#polls
        p.take(end)
        if (!p.inside) p.safe = p.taken
        took = true
      }
      if (p.head === null && !p.inside) p.safe = p.taken
    }
    return took
  }

  #isUntold(p: ScannedPartition): void {
    p.untold = true
    this.#warn(`changes of ${p.topic} do not say their transaction (provide.transaction.metadata): the tables have no common position`)
  }

  #count(front: Ended, p: ScannedPartition): void {
    const { first, top, counted } = p.head!
    const { onWarning } = this.#options
    if (!front.counts.has(p.topic) && this.#never === null) {
      this.#never = p.topic
      const why = `transaction ${front.mark.id} has events in ${p.topic} and does not name it: is the topic renamed on its way?`
      onWarning(`${why} The tables have no common position`)
    }
    p.inside = true
    p.doubt = 0
    p.untold = false
    const before = this.#tops.get(p) ?? { top: 0, counted: 0 }
    // The producer began again: what it repeats is what was counted.
    const fresh = first > before.top ? counted : Math.max(0, counted - before.counted)
    this.#got.set(p.topic, (this.#got.get(p.topic) ?? 0) + fresh)
    this.#tops.set(p, { top: Math.max(top, before.top), counted: before.counted + fresh })
  }

  #isWhole(front: Ended, ends: ReadonlyMap<string, PartitionRange>): boolean {
    const lacking: string[] = []
    let whole = true
    for (const [topic, count] of front.counts) {
      if (!this.#options.wanted(topic)) continue
      if (!ends.has(keyOf({ topic, partition: 0 }))) {
        if (!this.#absent.has(topic)) lacking.push(topic)
        continue
      }
      this.#absent.delete(topic)
      whole &&= this.#hasAll(front, topic, count, ends)
    }
    this.#lacking = lacking
    return whole && lacking.length === 0
  }

  #hasAll(front: Ended, topic: string, count: number, ends: ReadonlyMap<string, PartitionRange>): boolean {
    const parts: ScannedPartition[] = []
    for (let partition = 0; ends.has(keyOf({ topic, partition })); partition++) {
      const key = keyOf({ topic, partition })
      const part = this.#parts.get(key)
      if (part !== undefined) parts.push(part)
      // Another member's: what it has is not known here, and the watermark is not for us to say.
      else if (this.#owned?.has(key) !== true) return true
      else return false
    }
    if (!front.resumed && (this.#got.get(topic) ?? 0) >= count) return true
    // Of one without END it is not known that it is a later one: its own may be lost. Beyond a full queue it is one.
    const full = this.#queue.length >= MAX_QUEUED
    return parts.every((p) => p.head !== null && (full || this.#queued.has(p.head.id ?? '')))
  }

  /** A transaction in front of one whose END was read had its own END before: it is lost, and nobody knows how much belongs to it. */
  #skipsLost(): boolean {
    let skipped = false
    for (const p of this.#parts.values()) {
      const id = p.head?.id ?? null
      if (id === null || this.#queued.has(id) || !p.someBehind(this.#queued, this.#tops.has(p) ? this.#queue[0]!.id : null)) continue
      this.#doubtAll(`the end of transaction ${id} is not in ${this.topic}: its changes come in with those of the next`)
      this.#done.add(id)
      skipped = true
    }
    return skipped
  }

  /**
   * Transactions whose END should have been there before what follows them: their connector writes its ENDs elsewhere, or wrote none any more. They
   * come in all the same, and are no state until their partition has one again that is told.
   */
  #endOverdue(p: ScannedPartition): void {
    const id = p.head?.id ?? null
    if (id === null || this.#queued.has(id) || !p.hasEnded) {
      p.waits = 0
      return
    }
    if (++p.waits < (p.untold ? OVERDUE_AGAIN_POLLS : OVERDUE_POLLS)) return
    p.waits = 0
    for (const lost of p.ended(this.#queued)) this.#done.add(lost)
    this.#doubtAll(`the end of transaction ${id} is not in ${this.topic}: changes of ${p.topic} come in without a common position`)
    p.untold = true
  }

  #finish(front: Ended): void {
    this.#queue.shift()
    this.#queued.delete(front.id)
    this.#done.add(front.id)
    this.#got = new Map()
    this.#tops = new Map()
    const { id, tsMs, offset } = front.mark
    this.#at = { commit: commitOfTransaction(id), commitUs: BigInt(tsMs) * 1000n, next: offset + 1 }
    if ([...front.counts.keys()].some(this.#options.wanted)) this.#given = false
    this.#lacking = []
    for (const p of this.#parts.values()) {
      p.inside = false
      p.safe = p.taken
    }
  }

  #giveUp(front: Ended): void {
    this.#stuck = 0
    const missing: string[] = []
    for (const [topic, count] of front.counts) {
      if (this.#lacking.includes(topic)) this.#absent.add(topic)
      const got = this.#got.get(topic) ?? 0
      if (!this.#options.wanted(topic) || (got >= count && !front.resumed)) continue
      missing.push(`${got} of ${count} of ${topic}`)
      for (const p of this.#parts.values()) if (p.topic === topic) p.doubt = this.#polls
    }
    this.#warn(`transaction ${front.mark.id} is not whole (${missing.join(', ')}): the tables go on without a common position for now`)
    this.#finish(front)
  }

  #doubtAll(why: string): void {
    for (const p of this.#parts.values()) p.doubt = this.#polls
    this.#warn(why)
  }

  /** Once for each kind of trouble: what is in the text beside numbers and names in this run. */
  #warn(text: string): void {
    const kind = text.replace(/\(.*\)|transaction \S+/g, '')
    if (this.#warned.has(kind)) return
    this.#warned.add(kind)
    this.#options.onWarning(text)
  }

  #give(): Cut[] {
    let records = 0
    let sure = this.#at !== null && this.#never === null && this.#polls - this.#nullsAt >= SETTLED_POLLS
    for (const p of this.#parts.values()) {
      records += Math.max(0, p.safe - p.given)
      // Later transactions are behind it, or nothing came for long.
      if (p.doubt > 0 && (this.#queued.has(p.head?.id ?? '') || this.#polls - p.doubt >= DOUBT_POLLS)) p.doubt = 0
      sure &&= isSure(p)
    }
    if (records === 0 && (this.#given || !sure)) return []
    const { source } = this.#options
    const ends = new Map<string, Map<number, number>>()
    for (const p of this.#parts.values()) {
      p.given = Math.max(p.given, p.safe)
      const own = ends.get(p.topic) ?? new Map<number, number>()
      ends.set(p.topic, own.set(p.partition, p.safe))
    }
    this.#given = sure
    const { commit, commitUs, next } = this.#at ?? { commit: null, commitUs: null, next: 0 }
    const cursor = { source, at: '', boundary: true, commit, commitUs, snapshotDone: [], consistent: true }
    const info = { id: ++this.#id, cursor, records: Math.max(1, records), bytes: 0 }
    return [{ info, ends, exact: sure, ...(sure ? { place: this.#place(ends, next) } : {}) }]
  }

  #place(ends: ReadonlyMap<string, ReadonlyMap<number, number>>, next: number): CutPlace {
    const own = (offsets: ReadonlyMap<number, number>): number[] =>
      Array.from({ length: Math.max(...offsets.keys()) + 1 }, (_, p) => offsets.get(p) ?? -1)
    return { topic: this.topic, next, ends: Object.fromEntries([...ends].map(([topic, offsets]) => [topic, own(offsets)])) }
  }
}

/** Of `schema.table`, or of the longer names of other databases. */
function topicOf(prefix: string, collection: string): string {
  const at = collection.lastIndexOf('.')
  return topicName(prefix, collection.slice(0, Math.max(0, at)), collection.slice(at + 1))
}

/** What cuts say of it is all that there is of the transactions before, and the table is not beyond. */
function isSure(p: ScannedPartition): boolean {
  return p.doubt === 0 && !p.untold && p.safe + MARKER >= p.reached
}

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic} ${partition}`
