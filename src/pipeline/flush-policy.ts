import type { AppendInfo } from '../contract/log.ts'

export interface FlushPolicy {
  /** Longest time that a change waits in the log before its flush starts. */
  readonly intervalMs: number
  readonly records: number
  /** Uncompressed record bytes. */
  readonly bytes: number
}

/** The first flushes of a run come sooner, each twice as late as the one before, so that whoever has just started it sees his changes. */
const FIRST_INTERVAL_MS = 1000

/**
 * Decides where a flush is cut: only at an append that is a consistent boundary; as soon as records or bytes since the last flush reach
 * the policy's limit; else at the newest boundary once the oldest unflushed change has waited for the interval.
 * A transaction larger than the limits is one flush all the same: it has no boundary inside.
 */
export class FlushCutter {
  private readonly policy: FlushPolicy
  private cut: AppendInfo | null = null
  private atCut = { records: 0, bytes: 0 }
  private total = { records: 0, bytes: 0 }
  private sinceMs: number | null = null
  private sinceAfterCutMs: number | null = null
  private waitMs = FIRST_INTERVAL_MS

  constructor(policy: FlushPolicy) {
    this.policy = policy
  }

  /** The next append in log order. True: stop adding, a cut is due by size. */
  add(info: AppendInfo, nowMs: number): boolean {
    this.total.records += info.records
    this.total.bytes += info.bytes
    if (info.records > 0) {
      this.sinceMs ??= nowMs
      this.sinceAfterCutMs ??= nowMs
    }
    if (info.cursor.boundary && info.cursor.consistent) {
      this.cut = info
      this.atCut = { ...this.total }
      this.sinceAfterCutMs = null
    }
    return this.full
  }

  /** The newest boundary added since the last flush. */
  get boundary(): AppendInfo | null {
    return this.cut
  }

  /** Records up to the newest boundary. */
  get pending(): number {
    return this.atCut.records
  }

  private get full(): boolean {
    return this.cut !== null && (this.atCut.records >= this.policy.records || this.atCut.bytes >= this.policy.bytes)
  }

  /** Milliseconds until a flush at the newest boundary is due: 0 now, null nothing waits. */
  due(nowMs: number): number | null {
    if (this.cut === null || this.atCut.records === 0) return null
    if (this.full || this.sinceMs === null) return 0
    return Math.max(0, this.sinceMs + Math.min(this.policy.intervalMs, this.waitMs) - nowMs)
  }

  /** Everything up to the newest boundary has been flushed. */
  flushed(): void {
    this.cut = null
    this.total = { records: this.total.records - this.atCut.records, bytes: this.total.bytes - this.atCut.bytes }
    this.atCut = { records: 0, bytes: 0 }
    this.sinceMs = this.sinceAfterCutMs
    this.waitMs = Math.min(this.policy.intervalMs, this.waitMs * 2)
  }
}
