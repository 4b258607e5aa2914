import type { AppendInfo } from '../contract/log.ts'
import type { Watermark } from '../contract/table.ts'

/** A table of the first snapshot. */
export interface SnapshotTable {
  readonly table: string
  readonly rows: number
  /** −1: unknown. */
  readonly estimate: number
  readonly rowsPerSecond: number
  /** −1: unknown. */
  readonly etaSeconds: number
  readonly done: boolean
  readonly startedMs: number
  readonly tookMs: number
}

/** A commit of one lake table, as the run reports it. */
export interface LakeCommit {
  readonly path: string
  readonly instant: string
  readonly records: number
  readonly tookMs: number
}

/** What a run has done so far: counters that its halves raise, read by whoever shows them. All times are milliseconds of one clock. */
export class RunProgress {
  readonly tables = new Map<string, SnapshotTable>()
  snapshotTables = 0
  snapshotRows = 0
  streaming = false
  records = 0
  bytes = 0
  appends = 0
  /** Changes that the lake has. */
  lakeRecords = 0
  lakeCommits = 0
  lastCommit: LakeCommit | null = null
  watermark: Watermark | null = null
  /** Values that records or the lake show as null because they have no form there. */
  nulled = 0
  /** Newest commit position in the log, and when the source committed it. */
  commit: string | null = null
  commitUs: bigint | null = null
  /** When the log got it. */
  appendedMs: number | null = null
  private rateFrom: { readonly ms: number; readonly records: number }
  private rate = 0

  constructor(nowMs: number) {
    this.rateFrom = { ms: nowMs, records: 0 }
  }

  snapshot(
    event: { table: string; rows: number; estimate: number; rowsPerSecond: number; etaSeconds: number; tableDone: boolean },
    nowMs: number,
  ): void {
    const startedMs = this.tables.get(event.table)?.startedMs ?? nowMs
    const { table, rows, estimate, rowsPerSecond, etaSeconds } = event
    this.tables.set(table, {
      table,
      rows,
      estimate,
      rowsPerSecond,
      etaSeconds,
      done: event.tableDone,
      startedMs,
      tookMs: nowMs - startedMs,
    })
  }

  appended(append: AppendInfo, nowMs: number): void {
    this.appends++
    this.records += append.records
    this.bytes += append.bytes
    // An append that brings nothing but a new position has nothing that could be late.
    if (append.cursor.commit !== this.commit) this.appendedMs = nowMs
    this.commit = append.cursor.commit
    this.commitUs = append.cursor.commitUs
  }

  committed(commit: LakeCommit): void {
    this.lakeCommits++
    this.lakeRecords += commit.records
    this.lastCommit = commit
  }

  /** Changes per second into the log since the call before. */
  changesPerSecond(nowMs: number): number {
    const seconds = (nowMs - this.rateFrom.ms) / 1000
    if (seconds >= 0.5) {
      this.rate = (this.records - this.rateFrom.records) / seconds
      this.rateFrom = { ms: nowMs, records: this.records }
    }
    return this.rate
  }

  /** From the source's commit to the log, for the newest transaction. Null: none yet. Clocks of two machines: may be a little below 0. */
  lagMs(): number | null {
    if (this.commitUs === null || this.appendedMs === null) return null
    return this.appendedMs - Number(this.commitUs / 1000n)
  }
}
