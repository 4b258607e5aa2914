/** One row of the model. */
export interface ModelRow {
  readonly note: string
  /** The partition column: by the id, or the other one when the row has been moved. */
  readonly region: string
  /** The column that the table may get has a value. */
  readonly wide: boolean
  /** An int, and a long beyond it once the column has been widened. */
  readonly n: string
}

export type ModelRows = ReadonlyMap<number, ModelRow>

/** What the table must hold, and what is allowed to be forgotten. */
export interface Expected {
  /** Content as of each write that is still part of the history, by its instant, oldest first. */
  readonly states: ReadonlyMap<string, ModelRows>
  /** States from here on must be readable. */
  readonly from: string
  /** Number of flushes asked for: what the next checkpoint says. */
  readonly writes: number
  /** Ordering value of the next change. */
  readonly lsn: number
  /** The table has the column `wide`; its column `n` is a long. */
  readonly wide: boolean
  readonly big: boolean
}

export const NOTHING: Expected = { states: new Map(), from: '', writes: 0, lsn: 0, wide: false, big: false }

/** The newest state. */
export function rowsNow(exp: Expected): ModelRows {
  return [...exp.states.values()].at(-1) ?? new Map()
}

/** One state more. */
export function grown(was: Expected, instant: string, rows: ModelRows): Expected {
  return { ...was, states: new Map([...was.states, [instant, rows] as const].sort(([a], [b]) => (a < b ? -1 : 1))) }
}

/** As it was at an instant: what came later has been taken back. */
export function upTo(was: Expected, instant: string): Expected {
  const states = new Map([...was.states].filter(([time]) => time <= instant))
  return { ...was, states, from: was.from > instant ? instant : was.from }
}

/** By default the partition of a row is that of its id. */
export function regionOf(id: number, moved = false): string {
  return (id % 2 === 0) !== moved ? 'even' : 'odd'
}

/** The rows of a state as text, sorted. */
export function textOf(rows: ModelRows): string[] {
  return [...rows].map(([id, r]) => rowText({ id, ...r, wide: r.wide ? 'w' : null })).sort()
}

/** One row of our reader, or of the model, as text. */
export function rowText(r: Readonly<Record<string, unknown>>): string {
  return `${r['id']} ${r['note']} ${r['region']} ${r['wide'] ?? '-'} ${r['n']}`
}
