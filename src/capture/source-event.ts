import type { Failure } from '../failure/failure.ts'

/** What the source has to say besides changes. Progress and warnings are for people; the order of events is part of the contract. */
export type SourceEvent =
  | { readonly kind: 'created'; readonly object: 'slot' | 'publication'; readonly name: string; readonly sql: string }
  | { readonly kind: 'warning'; readonly text: string }
  /** What was asked for, or is done. */
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'retry'; readonly failure: Failure; readonly delayMs: number }
  | SnapshotEvent
  /** The stream is open and everything before it was handed over. */
  | { readonly kind: 'streaming'; readonly from: string }

export interface SnapshotEvent {
  readonly kind: 'snapshot'
  /** `schema.table` being read; null at the end of the whole snapshot. */
  readonly table: string | null
  readonly tablesDone: number
  readonly tables: number
  readonly rows: number
  /** Rows of this table as the server estimates them, −1 unknown. */
  readonly estimate: number
  readonly rowsPerSecond: number
  /** Seconds left for this table by the estimate; −1 unknown. */
  readonly etaSeconds: number
  readonly tableDone: boolean
}
