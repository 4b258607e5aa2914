import type { ChangeBatch, Position, TableId, TableSchema } from '../../contract/change.ts'
import type { Chunk } from './chunk.ts'
import type { Task } from './progress.ts'
import type { Identities } from './tuples.ts'

/** Keys that are remembered while the rows are being read; with more the rows are read again. */
const MOST_KEYS = 200_000

const OP_TRUNCATE = 116

/**
 * The time from before the rows of a chunk are read until they take their place in the stream. A key that the stream has a change of in that
 * time is left out of the chunk: the change is newer, or the row is not known to be.
 */
export class Window {
  readonly id: string
  /** Reading has begun for this table; null: not yet known which it is. */
  table: TableId | null = null
  task: Task | null = null
  chunk: Chunk | null = null
  /** Rows of the chunk that are left, by identity. */
  #rows: Map<string, number> | null = null
  #changed = new Set<string>()
  #names: readonly string[] = []
  /** Ordinals of `#names` in the last schema that was asked about. */
  #schema: TableSchema | null = null
  #columns: readonly number[] | null = null
  /** It cannot be told which rows have changed: none is handed on, and they are read again. */
  spoiled = false
  /** The rows are not wanted any more. */
  cancelled = false
  /** Without rows in a signal table: the window ends when the stream has come here; null: not known yet. */
  end: Position | null = null
  readonly #identities: Identities

  constructor(id: string, identities: Identities) {
    this.id = id
    this.#identities = identities
  }

  /** From here on changes of this table count. @param identity names of the columns that tell its rows apart */
  watch(task: Task, table: TableId, identity: readonly string[]): void {
    this.task = task
    this.table = table
    this.chunk = null
    this.spoiled = false
    this.#names = identity
    this.#schema = null
    this.#rows = null
    this.#changed = new Set()
  }

  /** The rows are there: what has changed meanwhile is left out. */
  fill(chunk: Chunk): void {
    this.chunk = chunk
    const columns = this.#identityIn(chunk.schema)
    const rows = new Map<string, number>()
    for (const at of chunk.offsets) {
      const key = columns === null ? null : this.#identities.of(chunk.schema, columns, chunk.arena, at, true)
      if (key !== null && !this.#changed.has(key)) rows.set(key, at)
    }
    this.#rows = rows
    this.#changed = new Set()
  }

  /** Tuples of the rows that are left, in order. */
  rows(): readonly number[] {
    return this.#rows === null || this.spoiled || this.cancelled ? [] : [...this.#rows.values()]
  }

  /** Takes notice of change `i` of the window's table. */
  see(batch: ChangeBatch, i: number, schema: TableSchema): void {
    if (this.spoiled) return
    if (batch.op[i] === OP_TRUNCATE || !this.#sameColumns(schema)) {
      this.spoiled = true
      return
    }
    const columns = this.#identityIn(schema)
    if (columns === null) {
      this.spoiled = true
      return
    }
    const before = batch.before[i]
    const after = batch.after[i]
    if (before >= 0) this.#saw(schema, columns, batch.arena, before, -1)
    if (after >= 0) this.#saw(schema, columns, batch.arena, after, before)
  }

  #saw(schema: TableSchema, columns: readonly number[], arena: Buffer, at: number, old: number): void {
    const key = this.#identities.of(schema, columns, arena, at, false)
    // A key value that is not in the new row is that of the old one.
    if (key === null) {
      if (old < 0) this.spoiled = true
      return
    }
    if (this.#rows !== null) this.#rows.delete(key)
    else if (this.#changed.size < MOST_KEYS) this.#changed.add(key)
    else this.spoiled = true
  }

  /** The rows were read with these columns; a table that has others meanwhile is read again. */
  #sameColumns(schema: TableSchema): boolean {
    const ours = this.chunk?.schema.columns
    if (ours === undefined) return true
    return ours.length === schema.columns.length && ours.every((c, i) => c.name === schema.columns[i].name)
  }

  #identityIn(schema: TableSchema): readonly number[] | null {
    if (schema === this.#schema) return this.#columns
    const columns = this.#names.map((name) => schema.columns.findIndex((c) => c.name === name))
    this.#schema = schema
    this.#columns = columns.includes(-1) ? null : columns
    return this.#columns
  }
}
