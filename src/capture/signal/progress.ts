import type { Position } from '../../contract/change.ts'
import { Failure } from '../../failure/failure.ts'

/** One table of an incremental snapshot, or tables that still have to be looked up. */
export interface Task {
  /** `schema.table`; with `pattern` a regular expression over such names. */
  readonly table: string
  readonly pattern: boolean
  /** SQL condition of the rows that are wanted; null: all of them. */
  readonly filter: string | null
  /** Column whose order the rows are read in; null: the key's. */
  readonly surrogate: string | null
  /** Order values of the last row that was handed on; null: none was. */
  readonly after: readonly string[] | null
  /** Order values of the last row there was at the beginning; null: not begun. */
  readonly max: readonly string[] | null
}

/** What is left of incremental snapshots, in order. */
export interface Progress {
  readonly paused: boolean
  readonly tasks: readonly Task[]
}

export const NOTHING: Progress = { paused: false, tasks: [] }

const MARK = ' incremental '

/**
 * A position of the source with what is left of incremental snapshots behind it:
 *   position => source's position (' incremental ' JSON)?
 * The JSON has no spaces (they are escaped), and begins with a quote, which a text in the JSON of the source's part could only hold escaped.
 */
export function withProgress(at: Position, progress: Progress): Position {
  if (progress.tasks.length === 0 && !progress.paused) return at
  return `${at}${MARK}${JSON.stringify(progress).replaceAll(' ', '\\u0020')}`
}

/** The source's own part of a position. */
export function withoutProgress(position: Position): Position {
  const m = /^(.*) incremental \{"paused":[^ ]*\}$/s.exec(position)
  return m === null ? position : m[1]
}

/** Fails with TRB-SIG-001 when it is not what `withProgress` wrote. */
export function progressOf(position: Position): Progress {
  const inner = withoutProgress(position)
  if (inner.length === position.length) return NOTHING
  const text = position.slice(inner.length + MARK.length)
  try {
    const p = JSON.parse(text) as Progress
    if (typeof p.paused !== 'boolean' || !Array.isArray(p.tasks) || !p.tasks.every(isTask)) throw new Error('a field is missing')
    return p
  } catch (e) {
    throw new Failure('TRB-SIG-001', { text, reason: e instanceof Error ? e.message : String(e) }, e)
  }
}

function isTask(t: Task): boolean {
  const texts = (v: unknown): boolean => v === null || (Array.isArray(v) && v.every((x) => typeof x === 'string'))
  const text = (v: unknown): boolean => v === null || typeof v === 'string'
  return (
    typeof t.table === 'string' && typeof t.pattern === 'boolean' && text(t.filter) && text(t.surrogate) && texts(t.after) && texts(t.max)
  )
}
