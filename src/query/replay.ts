import type { Log, RecordRun, StoredBatch } from '../contract/log.ts'
import type { Watermark } from '../contract/table.ts'
import { Failure } from '../failure/failure.ts'
import { formatMicros } from './as-of.ts'
import { commitOrder, compareGtid, isPart } from './commit-order.ts'
import { describeState, type Target } from './resolve.ts'

/** What planning needs of a log; the log is only read. */
export type ReplayLog = Pick<Log, 'lastBoundary' | 'range' | 'read' | 'topics'>

/** Records of one topic that lie between the state of the lake and the target: offsets [from, to). */
export interface TopicReplay {
  readonly topic: string
  readonly from: number
  readonly to: number
  /** Append to read up to. */
  readonly upTo: number
  /** Distinct pairs of schema ids of these records, in order of first use. */
  readonly schemas: readonly SchemaPair[]
}

export interface SchemaPair {
  readonly keySchema: number
  readonly valueSchema: number
}

export interface Reached {
  /** By topic; topics without records in between are absent. */
  readonly topics: ReadonlyMap<string, TopicReplay>
  /** Topics with records up to the target that the base knows nothing of: tables that came after it. */
  readonly unknown: readonly string[]
  /** The last transaction included; null: none after the watermark. */
  readonly last: { readonly commit: string; readonly commitUs: bigint } | null
  /** Null: the state is exactly that of the target. Else why that is not certain. */
  readonly doubt: string | null
}

/**
 * Finds what to apply on top of `base` to stand just after the last transaction at or before `target`. `wanted`: topics whose records
 * are needed (the others still count for where a time cuts). Everything up to the newest consistent boundary of the log is known; a
 * target beyond it is answered with all of it and a doubt. A time cuts at the first transaction committed after it, in log order
 * (commit times of concurrent transactions may be microseconds out of order). Returns a text when the log cannot help: why.
 */
export function planReplay(log: ReplayLog, base: Watermark, target: Target, wanted: ReadonlySet<string>): Reached | string {
  const end = log.lastBoundary()
  if (end === null || end.cursor.commit === null || end.cursor.commitUs === null) return 'the log holds no consistent state yet'
  if (end.cursor.source !== base.source) return `the log is that of the source "${end.cursor.source}", the lake is fed by "${base.source}"`
  if (end.id < base.appendId) return 'the log ends before the state of the lake: it is not the log that fed it'
  const doubt = beyond(target, end.cursor.commit, end.cursor.commitUs)
  const from = new Map(base.tables.map((t) => [t.topic, t.nextOffset]))
  const topics = log.topics()
  for (const topic of topics) {
    const { start, end: next } = log.range(topic, 0)
    const first = from.get(topic) ?? 0
    if (start > first && next > first) return `its records of ${topic} before offset ${start} have been removed (retention)`
  }
  const inTime =
    target.kind === 'time'
      ? commitsBefore(firstLater(log, topics, from, end.id, target.us))
      : commitsUpTo(newestWhole(log, topics, from, end.id, base.commit, target))
  const found = new Map<string, TopicReplay>()
  const unknown: string[] = []
  let last: RecordRun | null = null
  for (const topic of topics) {
    const first = from.get(topic) ?? 0
    const cut = cutTopic(log.read(topic, 0, first, end.id), first, inTime)
    if (cut.to > first && wanted.has(topic)) {
      found.set(topic, { topic, from: first, to: cut.to, upTo: end.id, schemas: cut.schemas })
    }
    if (cut.to > first && !from.has(topic)) unknown.push(topic)
    if (cut.last !== null && (last === null || lsn(cut.last.commit) > lsn(last.commit))) last = cut.last
  }
  return { topics: found, unknown, last, doubt }
}

/** The records of a topic within [from, to): batches cut at `to`. */
export function* replayBatches(log: Pick<Log, 'read'>, r: TopicReplay): Generator<StoredBatch> {
  for (const batch of log.read(r.topic, 0, r.from, r.upTo)) {
    if (batch.baseOffset >= r.to) return
    yield batch.baseOffset + batch.count <= r.to ? batch : headOf(batch, r.to - batch.baseOffset)
  }
}

/** The first `count` records of a batch. The bytes behind them stay: `count` says where the records end. */
function headOf(batch: StoredBatch, count: number): StoredBatch {
  const runs: RecordRun[] = []
  let have = 0
  for (const run of batch.runs) {
    if (have >= count) break
    runs.push({ ...run, count: Math.min(run.count, count - have) })
    have += run.count
  }
  return { ...batch, count, runs }
}

function beyond(target: Target, commit: string, commitUs: bigint): string | null {
  const past =
    target.kind === 'time'
      ? target.us > commitUs
      : target.kind === 'lsn'
        ? target.lsn > lsn(commit)
        : (compareGtid(commit, target.gtid) ?? 1) < 0
  if (!past) return null
  return `the log has reached ${describeState({ commit, commitUs })}; what the source committed after that is not known here`
}

/** Commit position of the first transaction after the base that was committed later than `us`; null: none. */
function firstLater(log: ReplayLog, topics: readonly string[], from: ReadonlyMap<string, number>, upTo: number, us: bigint): bigint | null {
  let first: bigint | null = null
  for (const topic of topics) {
    const start = from.get(topic) ?? 0
    search: for (const batch of log.read(topic, 0, start, upTo)) {
      let offset = batch.baseOffset
      for (const run of batch.runs) {
        offset += run.count
        if (offset <= start || run.commitUs <= us) continue
        const at = lsn(run.commit)
        if (first === null || at < first) first = at
        break search
      }
    }
  }
  return first
}

/**
 * The last transaction at or before the target that is there as a whole, as its commitOrder. A position inside a transaction that was written
 * in parts would show some of them.
 */
function newestWhole(
  log: ReplayLog,
  topics: readonly string[],
  from: ReadonlyMap<string, number>,
  upTo: number,
  base: string,
  target: Exclude<Target, { kind: 'time' }>,
): bigint {
  if (target.kind === 'lsn' && !base.includes(':')) return target.lsn
  let newest = lsn(base)
  for (const topic of topics) {
    for (const batch of log.read(topic, 0, from.get(topic) ?? 0, upTo)) {
      for (const { commit } of batch.runs) {
        if (isPart(commit)) continue
        const at = lsn(commit)
        const within = target.kind === 'lsn' ? at <= target.lsn : (compareGtid(commit, target.gtid) ?? 1) <= 0
        if (within && at > newest) newest = at
      }
    }
  }
  return newest
}

function commitsUpTo(limit: bigint): (commit: bigint) => boolean {
  return (commit) => commit <= limit
}

function commitsBefore(limit: bigint | null): (commit: bigint) => boolean {
  return (commit) => limit === null || commit < limit
}

/** Offset behind the last record of the leading transactions that `within` admits. */
function cutTopic(
  batches: Iterable<StoredBatch>,
  from: number,
  within: (commit: bigint) => boolean,
): { readonly to: number; readonly last: RecordRun | null; readonly schemas: readonly SchemaPair[] } {
  const schemas = new Map<string, SchemaPair>()
  let to = from
  let last: RecordRun | null = null
  for (const batch of batches) {
    const { keySchema, valueSchema } = batch
    let offset = batch.baseOffset
    for (const run of batch.runs) {
      offset += run.count
      if (offset <= from) continue
      if (!within(lsn(run.commit))) return { to, last, schemas: [...schemas.values()] }
      schemas.set(`${keySchema} ${valueSchema}`, { keySchema, valueSchema })
      to = offset
      last = run
    }
  }
  return { to, last, schemas: [...schemas.values()] }
}

function lsn(commit: string): bigint {
  const n = commitOrder(commit)
  if (n === null) throw new Failure('TRB-QUERY-002', { text: commit, kind: 'lsn' })
  return n
}

/** How far a target lies from what was reached, for people. */
export function describeTarget(target: Target): string {
  return target.kind === 'time' ? formatMicros(target.us) : target.text
}
