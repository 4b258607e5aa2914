/** A row of a signal table: its first three columns, whatever their names. */
export interface SignalRow {
  readonly id: string
  readonly type: string
  readonly data: string
}
