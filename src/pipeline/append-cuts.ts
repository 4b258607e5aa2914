import type { AppendInfo } from '../contract/log.ts'
import type { AppendRecord, PartitionedLog, PartitionRange } from '../contract/partitioned-log.ts'
import type { Cut, Cuts } from './ingest-cuts.ts'

/** A transaction ends with a marker, which is no record. */
const MARKER = 1
/** Polls after which an append that reached a partition has reached the topic of appends, too. */
const SETTLED_POLLS = 3

/**
 * Cuts at the transactions of the source, as our own producer tells them with every append (`PartitionedLog.appends`).
 *
 * The topic of appends is compacted: older ones may be missing, and with them how far they took partitions that no newer one has touched.
 * Such a partition's end is learned from the ends that the brokers tell, which may include one append more than has been read (its marker
 * reaches the partitions one after the other): it counts once that append has been read, too, and did not touch the partition. Until then
 * cuts are made where the records end, and are no state of the source.
 *
 * What nobody tells of is brought in in the same way: topics of other producers, a topic that was found after its append, a topic of appends
 * that holds none of ours. It is told by an end of a partition that stays beyond every cut for some polls.
 */
export class AppendCuts implements Cuts {
  readonly #log: PartitionedLog
  readonly #topic: string
  readonly #abort: AbortSignal
  /** Next offset in the topic of appends; null: not looked at yet. */
  #next: number | null
  #append: number | null = null
  #source: string | null = null
  /** Several sources tell in one topic: what is a state of one is none of the others. */
  #mixed = false
  /** End of each partition as of the newest append that was read. */
  readonly #ends = new Map<string, Map<number, number>>()
  /** Where the tables are; of cuts behind which nothing is known, where they will be. */
  readonly #reached = new Map<string, Map<number, number>>()
  /** How far cuts were given out for the partitions of `#reached`. */
  readonly #given = new Map<string, Map<number, number>>()
  /** Partitions that an append has told of. */
  readonly #told = new Set<string>()
  /** Ends of some polls ago, and how many. */
  #seen: readonly PartitionRange[] = []
  #polls = 0
  /** The newest append ends inside a transaction of the source. */
  #inside = false
  /** Partitions whose end at the newest append is not known, with what the brokers said; null: nothing yet. */
  readonly #unknown = new Map<string, { topic: string; partition: number; end: number | null }>()
  /** The ends of `#unknown` hold once this append has been read. */
  #settles: number | null = null
  #records = 0

  /** `after`: offset + 1 of the append that the lake's newest watermark stands for, 0: none. */
  constructor(log: PartitionedLog, topic: string, after: number, abort: AbortSignal) {
    this.#log = log
    this.#topic = topic
    this.#abort = abort
    this.#next = after === 0 ? null : after
  }

  get topic(): string {
    return this.#topic
  }

  start(topic: string, partition: number, offset: number, coming = offset): void {
    put(this.#reached, topic, partition, offset)
    put(this.#given, topic, partition, Math.max(offset, coming))
    if (this.#ends.get(topic)?.get(partition) === undefined) put(this.#ends, topic, partition, offset)
  }

  isPast(ends: ReadonlyMap<string, number>): boolean {
    if (this.#unknown.size > 0 || this.#mixed || (this.#next ?? 0) < (ends.get(`${this.#topic} 0`) ?? 0)) return false
    for (const [topic, own] of this.#given) {
      for (const partition of own.keys()) if (this.#isBeyond(topic, partition, ends.get(`${topic} ${partition}`) ?? 0)) return false
    }
    return true
  }

  async poll(ranges: readonly PartitionRange[]): Promise<readonly Cut[]> {
    const own = ranges.find((r) => r.topic === this.#topic && r.partition === 0)
    if (own === undefined) return []
    const cuts: Cut[] = []
    const from = Math.max(own.start, this.#next ?? own.start)
    for await (const record of this.#log.appends(this.#topic, from, own.end, this.#abort)) {
      this.#fold(record, ranges)
      if (record.cursor.boundary && record.cursor.consistent && this.#isKnown()) cuts.push(this.#cut(record))
      else if (!record.cursor.consistent) cuts.push(this.#plain(record.offset + 1, ranges))
    }
    this.#next = own.end
    this.#learn(ranges)
    const left = this.#isLeft(ranges)
    if (this.#unknown.size > 0 || this.#mixed) cuts.push(this.#plain(own.end, ranges))
    else if (left) cuts.push(this.#rest(own.end, ranges))
    return cuts
  }

  /** How far cuts go, or will go with the end of the transaction of the source that is open. */
  #toCome(topic: string, partition: number): number {
    const given = this.#given.get(topic)?.get(partition) ?? 0
    return this.#inside ? Math.max(given, this.#ends.get(topic)?.get(partition) ?? 0) : given
  }

  /** Whether more than the marker behind an append lies between what cuts reach and `end`. */
  #isBeyond(topic: string, partition: number, end: number): boolean {
    return end > this.#toCome(topic, partition) + (this.#told.has(`${topic} ${partition}`) ? MARKER : 0)
  }

  /** A cut for what is left; the end of it is a state of the source only when more is known. */
  #rest(id: number, ranges: readonly PartitionRange[]): Cut {
    const held = (): PartitionRange[] => ranges.map((r) => this.#heldBack(r))
    if (this.#inside) return this.#plain(id, held())
    for (const { topic, partition, end } of ranges) {
      const told = this.#ends.get(topic)?.get(partition)
      if (told !== undefined && end > told + MARKER) this.#unknown.set(`${topic} ${partition}`, { topic, partition, end: null })
    }
    this.#settles = null
    return this.#plain(id, ranges)
  }

  /** What belongs to an open transaction of the source waits for its end. */
  #heldBack(r: PartitionRange): PartitionRange {
    const given = this.#given.get(r.topic)?.get(r.partition)
    return given !== undefined && this.#toCome(r.topic, r.partition) > given ? { ...r, end: given } : r
  }

  /** Something was there some polls ago that no cut reaches. */
  #isLeft(ranges: readonly PartitionRange[]): boolean {
    if (++this.#polls < SETTLED_POLLS) return false
    const before = this.#seen
    this.#polls = 0
    this.#seen = ranges
    const isOurs = (topic: string, partition: number): boolean => this.#given.get(topic)?.has(partition) === true
    return before.some(({ topic, partition: p, end }) => isOurs(topic, p) && this.#isBeyond(topic, p, end))
  }

  #fold(record: AppendRecord, ranges: readonly PartitionRange[]): void {
    this.#source ??= record.cursor.source
    if (record.cursor.source !== this.#source) this.#mixed = true
    if (this.#isGap(record)) {
      for (const { topic, partition } of ranges) {
        if (topic !== this.#topic) this.#unknown.set(`${topic} ${partition}`, { topic, partition, end: null })
      }
      this.#settles = null
    }
    this.#append = record.append
    this.#inside = !record.cursor.boundary
    for (const [topic, own] of record.ends) {
      for (const [partition, end] of own) {
        this.#records += Math.max(0, end - (this.#ends.get(topic)?.get(partition) ?? 0))
        put(this.#ends, topic, partition, end)
        this.#unknown.delete(`${topic} ${partition}`)
        this.#told.add(`${topic} ${partition}`)
      }
    }
  }

  /** Appends may be missing before this one. Between two in a row there is the marker of a transaction. */
  #isGap({ append, offset }: AppendRecord): boolean {
    if (this.#append !== null) return append !== this.#append + 1
    return this.#next === null ? append > 1 : offset > this.#next + 1
  }

  /** Takes the brokers' ends, or trusts the ones taken before. */
  #learn(ranges: readonly PartitionRange[]): void {
    if (this.#unknown.size === 0 || this.#append === null) return
    const taken = [...this.#unknown.values()].every((u) => u.end !== null)
    if (taken && this.#settles === null) this.#settles = this.#append + 1
    else if (taken && this.#settles !== null && this.#append >= this.#settles) {
      for (const { topic, partition, end } of this.#unknown.values()) put(this.#ends, topic, partition, end!)
      this.#unknown.clear()
    } else if (!taken) {
      for (const u of this.#unknown.values()) u.end = ranges.find((r) => r.topic === u.topic && r.partition === u.partition)?.end ?? null
    }
  }

  /** No table is beyond this point, and nothing of it is missing. */
  #isKnown(): boolean {
    if (this.#unknown.size > 0 || this.#mixed) return false
    for (const [topic, own] of this.#reached) {
      for (const [partition, offset] of own) if ((this.#ends.get(topic)?.get(partition) ?? 0) + MARKER < offset) return false
    }
    return true
  }

  #cut({ offset, cursor }: AppendRecord): Cut {
    const records = this.#records
    this.#records = 0
    for (const [topic, own] of this.#given) {
      for (const [partition, given] of own) own.set(partition, Math.max(given, this.#ends.get(topic)?.get(partition) ?? 0))
    }
    const info: AppendInfo = { id: offset + 1, cursor, records, bytes: 0 }
    return { info, ends: copy(this.#ends), exact: true }
  }

  /** As far as the records go. */
  #plain(id: number, ranges: readonly PartitionRange[]): Cut {
    const ends = new Map<string, Map<number, number>>()
    let records = 0
    for (const { topic, partition, end } of ranges) {
      if (topic === this.#topic) continue
      records += Math.max(0, end - (this.#given.get(topic)?.get(partition) ?? end))
      put(ends, topic, partition, end)
      if (this.#given.get(topic)?.has(partition) !== true) continue
      put(this.#given, topic, partition, end)
      put(this.#reached, topic, partition, Math.max(end, this.#reached.get(topic)?.get(partition) ?? 0))
    }
    const cursor = { source: '', at: '', boundary: true, commit: null, commitUs: null, snapshotDone: [], consistent: true }
    return { info: { id, cursor, records, bytes: 0 }, ends, exact: false }
  }
}

function put(map: Map<string, Map<number, number>>, topic: string, partition: number, offset: number): void {
  const own = map.get(topic) ?? new Map<number, number>()
  map.set(topic, own.set(partition, offset))
}

function copy(map: ReadonlyMap<string, ReadonlyMap<number, number>>): Map<string, Map<number, number>> {
  return new Map([...map].map(([topic, own]) => [topic, new Map(own)]))
}
