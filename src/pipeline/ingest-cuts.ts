import type { CutPlace } from '../contract/cut-place.ts'
import type { AppendInfo } from '../contract/log.ts'
import type { PartitionRange, TopicPartition } from '../contract/partitioned-log.ts'

/** Next offsets by topic and partition. */
export type TopicEnds = ReadonlyMap<string, ReadonlyMap<number, number>>

/** Where a flush may be cut: what of each partition lies before it. */
export interface Cut {
  readonly info: AppendInfo
  readonly ends: TopicEnds
  /** It is a state of the source: all tables together are what the source was at its commit position. */
  readonly exact: boolean
  /** Where to go on from this cut, kept with its watermark; absent: the offsets of the tables say it. */
  readonly place?: CutPlace
}

/** Finds the places at which flushes may be cut. */
export interface Cuts {
  /** Topic whose range `poll` wants beside those of the tables; null: none. */
  readonly topic: string | null
  /** The table has this partition up to `offset`; a cut that was given out and waits takes it to `coming`. */
  start(topic: string, partition: number, offset: number, coming?: number): void
  /** Every cut below these ends (by `topic partition`) was given out, though the last of them may lie before them. */
  isPast(ends: ReadonlyMap<string, number>): boolean
  /** The partitions that this process has now; `start` comes for those with a table. */
  assigned?(owned: readonly TopicPartition[]): void
  /** Topics of tables that transactions name and `ranges` did not have. */
  lacks?(): readonly string[]
  /** What was given out is loose only for a moment: a state of the source follows without another record. */
  settles?(): boolean
  /** The next cuts, in order. `ranges`: of all partitions, just asked for. */
  poll(ranges: readonly PartitionRange[]): Promise<readonly Cut[]>
}

/**
 * Cuts at whatever ended transactions there are: the topics say nothing of transactions of the source. A partition is taken further by at
 * most `limit` records per cut, so that a long way is made in several commits.
 */
export class PlainCuts implements Cuts {
  readonly topic = null
  readonly #source: string
  readonly #limit: number
  readonly #seen = new Map<string, number>()
  #id: number

  constructor(source: string, limit: number, after: number) {
    this.#source = source
    this.#limit = limit
    this.#id = after
  }

  start(topic: string, partition: number, offset: number): void {
    this.#seen.set(`${topic} ${partition}`, offset)
  }

  isPast(): boolean {
    return false
  }

  poll(ranges: readonly PartitionRange[]): Promise<readonly Cut[]> {
    const ends = new Map<string, Map<number, number>>()
    let records = 0
    for (const { topic, partition, start, end } of ranges) {
      const key = `${topic} ${partition}`
      const from = this.#seen.get(key) ?? start
      const to = Math.min(end, Math.max(from, start) + this.#limit)
      records += Math.max(0, to - from)
      this.#seen.set(key, Math.max(from, to))
      const own = ends.get(topic) ?? new Map<number, number>()
      ends.set(topic, own.set(partition, Math.max(from, to)))
    }
    if (records === 0) return Promise.resolve([])
    const place = { source: this.#source, at: '', boundary: true, commit: null, commitUs: null, snapshotDone: [], consistent: true }
    return Promise.resolve([{ info: { id: ++this.#id, cursor: place, records, bytes: 0 }, ends, exact: false }])
  }
}
