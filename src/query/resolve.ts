import type { Watermark } from '../contract/table.ts'
import { Failure } from '../failure/failure.ts'
import { type AsOf, formatMicros } from './as-of.ts'
import { commitOrder, compareGtid, epochOf } from './commit-order.ts'

/** A position of the source to reach, once the watermark below it is known. */
export type Target = Extract<AsOf, { kind: 'time' | 'lsn' | 'gtid' }>

/** The state of the lake that a query starts from. */
export interface Base {
  /** Null: the lake has no watermark yet (its snapshot has not finished, or others wrote it); every table's newest instant is taken. */
  readonly watermark: Watermark | null
  /** Set when the base is older than what was asked for: records between the two may be replayed on top. */
  readonly target: Target | null
  /** Set for an instant: each table is read as of it, without a common source position. */
  readonly instant: string | null
}

/**
 * The newest watermark at or before what was asked for. Failures: TRB-QUERY-003 before the first one, TRB-QUERY-005 fewer states than
 * `commit:-n` asks for.
 */
export async function resolveBase(asOf: AsOf, newestFirst: AsyncIterable<Watermark>): Promise<Base> {
  switch (asOf.kind) {
    case 'latest': {
      for await (const watermark of newestFirst) return { watermark, target: null, instant: null }
      return { watermark: null, target: null, instant: null }
    }
    case 'instant':
      return { watermark: null, target: null, instant: asOf.instant }
    case 'commit':
      return { watermark: await countBack(asOf, newestFirst), target: null, instant: null }
    default:
      return await atOrBefore(asOf, newestFirst)
  }
}

async function countBack(asOf: Extract<AsOf, { kind: 'commit' }>, newestFirst: AsyncIterable<Watermark>): Promise<Watermark> {
  let count = 0
  for await (const w of newestFirst) {
    if (count === asOf.back) return w
    count++
  }
  if (count === 0) throw noStates(asOf.text)
  throw new Failure('TRB-QUERY-005', { text: asOf.text, count, oldest: count === 1 ? 0 : 1 - count })
}

async function atOrBefore(target: Target, newestFirst: AsyncIterable<Watermark>): Promise<Base> {
  let oldest: Watermark | null = null
  for await (const w of newestFirst) {
    const order = compareWith(w, target)
    if (order <= 0) return { watermark: w, target: order === 0 ? null : target, instant: null }
    oldest = w
  }
  if (oldest === null) throw noStates(target.text)
  const firstForm = target.kind === 'time' ? formatMicros(oldest.commitUs) : positionForm(oldest.commit)
  throw new Failure('TRB-QUERY-003', { text: target.text, first: describeState(oldest), firstForm })
}

/** Below 0: the watermark is before the target; 0: at it (an equal time may still be followed by a transaction of the same µs). */
function compareWith(w: Watermark, target: Target): number {
  if (target.kind === 'time') return w.commitUs <= target.us ? -1 : 1
  if (target.kind === 'gtid') {
    const order = compareGtid(w.commit, target.gtid)
    if (order === null) throw new Failure('TRB-QUERY-002', { text: target.text, kind: 'gtid' })
    return order
  }
  const at = commitOrder(w.commit)
  // A file of which server, once there were several?
  const unclear = epochOf(w.commit) > 0 && !target.text.includes('~')
  if (at === null || unclear || w.commit.includes(':') !== target.text.startsWith('binlog:')) {
    throw new Failure('TRB-QUERY-002', { text: target.text, kind: target.text.slice(0, target.text.indexOf(':')) })
  }
  return at < target.lsn ? -1 : at === target.lsn ? 0 : 1
}

/** `lsn:16/B374D848`, `binlog:bin.000003:1234`; `gtid:…` where no file is known. */
function positionForm(commit: string): string {
  if (commit.startsWith('/')) return `gtid:${commit.slice(1)}`
  const binlog = /^([^:/]+:\d+)/.exec(commit)
  return binlog === null ? `lsn:${commit}` : `binlog:${binlog[1]}`
}

/** `commit 16/B374D848 of 2026-11-21T10:00:00.000000Z`. */
export function describeState(at: { readonly commit: string; readonly commitUs: bigint }): string {
  return `commit ${at.commit} of ${formatMicros(at.commitUs)}`
}

function noStates(text: string): Failure {
  return new Failure('TRB-QUERY-003', {
    text,
    first: 'none yet: the lake becomes one state of the source when its first snapshot is complete',
    firstForm: '<an instant of `lake timeline TABLE`>, or leave it out',
  })
}
