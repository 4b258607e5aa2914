import type { ChangeBatch, ChangeStream, Position, TableId, TransactionRun } from '../../contract/change.ts'
import type { Clock } from '../../contract/clock.ts'
import { assert, isFailure } from '../../failure/failure.ts'
import type { SourceEvent } from '../source-event.ts'
import type { ChunkDatabase } from './chunk.ts'
import { editBatch, type Insertion } from './edit-batch.ts'
import { type Progress, type Task, withProgress } from './progress.ts'
import { parseSignal, pattern, type SnapshotRequest } from './signal.ts'
import type { SignalOptions } from './signal-options.ts'
import { Identities } from './tuples.ts'
import { Window } from './window.ts'

const OP_CREATE = 99
const OP_DELETE = 100
/** First and longest wait before a chunk that failed is read again. */
const RETRY_MS = 500
const RETRY_MOST_MS = 10_000

export interface IncrementalDeps {
  readonly clock: Clock
  readonly observe: (event: SourceEvent) => void
  readonly database: () => ChunkDatabase
  readonly compare: (a: Position, b: Position) => number
}

/**
 * Signals and incremental snapshots beside a stream (spec debezium §3.6, §3.7). Each chunk is read in a window: from before the select until its
 * rows take their place in the stream, keys with changes are left out of it. Where the window ends is told by a row of the signal table, or
 * (read only) by a position of the source that is asked for behind the select.
 *
 * Invariant S1: the rows of a chunk, and the progress behind them, are in one batch: after a crash the chunk is either there or read again.
 * Invariant S2: at their place in the stream the rows are what the table's changes before it make of the table.
 */
export class Incremental {
  readonly #stream: ChangeStream
  readonly #options: SignalOptions
  readonly #deps: IncrementalDeps
  readonly #identities = new Identities()
  readonly #stop = new AbortController()
  #tasks: Task[]
  #paused: boolean
  #window: Window | null = null
  #database: ChunkDatabase | null = null
  /** The work beside the stream that is going on. */
  #working: Promise<void> = Promise.resolve()
  #streamed: Position | null = null
  /** The table that is being read. */
  #found: Found | null = null
  #failures = 0
  /** A defect in the work beside the stream: told with the next batch. */
  #broken: unknown = null

  /** @param from where the stream begins; null: with a snapshot */
  constructor(stream: ChangeStream, from: Position | null, progress: Progress, options: SignalOptions, deps: IncrementalDeps) {
    this.#stream = stream
    this.#options = options
    this.#deps = deps
    this.#tasks = [...progress.tasks]
    this.#paused = progress.paused
    this.#streamed = from
    this.#begin()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    // Ends what is going on there, too.
    await this.#database?.close()
    await this.#working
    await this.#database?.close()
  }

  /** A batch of the stream on its way: signals in it are obeyed, and rows of a chunk that is due are put into it. */
  pass(batch: ChangeBatch): ChangeBatch {
    const hidden = this.#options.hidden ? this.#options.table : null
    if (this.#broken !== null) throw this.#broken
    const concerned = this.#concerns(batch)
    let insertion = concerned ? this.#scan(batch) : null
    if (batch.boundary) this.#streamed = batch.upTo
    insertion ??= this.#endByPosition(batch)
    const drops = hidden !== null && batch.tables.some((t) => same(t.id, hidden))
    const edited = insertion === null && !drops ? batch : editBatch(batch, insertion, hidden)
    const progress = { paused: this.#paused, tasks: this.#tasks }
    this.#begin()
    const upTo = withProgress(batch.upTo, progress)
    return upTo === edited.upTo ? edited : { ...edited, upTo }
  }

  /** Whether there is a table in it that is looked at. */
  #concerns(batch: ChangeBatch): boolean {
    const signals = this.#options.table
    const reading = this.#window?.table ?? null
    return batch.tables.some((t) => (signals !== null && same(t.id, signals)) || (reading !== null && same(t.id, reading)))
  }

  #scan(batch: ChangeBatch): Insertion | null {
    const signals = this.#options.table
    let found: Insertion | null = null
    for (const [n, run] of batch.transactions.entries()) {
      for (let i = run.from; i < run.to; i++) {
        if (batch.table[i] < 0 || batch.mark[i] !== 0) continue
        const schema = batch.tables[batch.table[i]]
        if (signals !== null && same(schema.id, signals)) {
          const id = this.#signal(batch, i)
          if (id !== null && id === this.#window?.id) found = this.#close({ batch, atRun: n, like: i, run }) ?? found
        } else if (this.#window !== null && this.#window.table !== null && same(schema.id, this.#window.table)) {
          this.#window.see(batch, i, schema)
        }
      }
    }
    return found
  }

  /** Obeys the signal that change `i` is. Answers the id of the window that it ends, null: none. */
  #signal(batch: ChangeBatch, i: number): string | null {
    const schema = batch.tables[batch.table[i]]
    const op = batch.op[i]
    const at = op === OP_DELETE ? batch.before[i] : batch.after[i]
    if ((op !== OP_CREATE && op !== OP_DELETE) || at < 0) return null
    // As Debezium: the first three columns, whatever their names.
    const text = (c: number): string | null => (c < schema.columns.length ? this.#identities.text(schema, c, batch.arena, at, false) : null)
    const id = text(0) ?? ''
    if (op === OP_DELETE) return this.#options.strategy === 'insert_delete' && id.endsWith('-open') ? id.slice(0, -'-open'.length) : null
    const type = text(1) ?? ''
    if (type === 'snapshot-window-close') return id.endsWith('-close') ? id.slice(0, -'-close'.length) : null
    this.#obey(id, type, text(2), batch.upTo)
    return null
  }

  #obey(id: string, type: string, data: string | null, at: Position): void {
    const signal = parseSignal(type, data)
    const say = (text: string): void => this.#deps.observe({ kind: 'note', text: `signal ${id}: ${text}` })
    switch (signal.kind) {
      case 'snapshot':
        this.#tasks.push(...tasksOf(signal.request))
        say(`incremental snapshot of ${signal.request.collections.join(', ')}`)
        return
      case 'stop':
        this.#stopTasks(signal.collections)
        say(`incremental snapshot stopped${signal.collections === null ? '' : ` for ${signal.collections.join(', ')}`}`)
        return
      case 'pause':
      case 'resume':
        this.#paused = signal.kind === 'pause'
        say(this.#paused ? 'incremental snapshots pause' : 'incremental snapshots go on')
        return
      case 'log':
        say(signal.message.replaceAll('{}', at))
        return
      case 'blocking':
        this.#deps.observe({
          kind: 'warning',
          text: `signal ${id} is not obeyed: blocking snapshots are not supported, ask for an incremental one`,
        })
        return
      case 'unusable':
        this.#deps.observe({ kind: 'warning', text: `signal ${id} is not obeyed: ${signal.reason}` })
        return
      default:
        return
    }
  }

  #stopTasks(collections: readonly string[] | null): void {
    const stopped = (t: Task): boolean =>
      collections === null || collections.some((c) => c === t.table || pattern(c)?.test(t.table) === true)
    this.#tasks = this.#tasks.filter((t) => !stopped(t))
    if (this.#window !== null && (this.#window.task === null || stopped(this.#window.task))) this.#window.cancelled = true
  }

  /** Read only: the window ends with the first boundary at or behind its end. */
  #endByPosition(batch: ChangeBatch): Insertion | null {
    const end = this.#window?.end ?? null
    if (end === null || !batch.boundary || this.#deps.compare(batch.upTo, end) < 0) return null
    const atRun = batch.transactions.length
    const last = batch.transactions.at(-1)
    const commitUs = last?.commitUs ?? BigInt(this.#deps.clock.now()) * 1000n
    const commit = this.#database?.commitOf(batch.upTo) ?? last?.commit ?? ''
    const run: TransactionRun = { from: 0, to: 0, firstIndex: 0, commit, commitUs, xid: null, begins: true, ends: true }
    return this.#close({ batch, atRun, like: -1, run })
  }

  /** The window is over: its rows, null when there are none. */
  #close(place: {
    readonly batch: ChangeBatch
    readonly atRun: number
    readonly like: number
    readonly run: TransactionRun
  }): Insertion | null {
    const window = this.#window
    assert(window !== null, 'a window that ends was open')
    this.#window = null
    const { chunk, task } = window
    if (chunk === null || task === null || window.spoiled || window.cancelled) {
      this.#found = null
      return null
    }
    this.#failures = 0
    const rows = window.rows()
    const n = this.#tasks.findIndex((t) => t.table === task.table && !t.pattern)
    if (n >= 0) this.#tasks[n] = { ...task, after: chunk.last }
    if (rows.length === 0) return null
    const { atRun, like, run } = place
    return { chunk: this.#options.exact ? { ...chunk, place: null } : chunk, rows, atRun, like, run }
  }

  /** Opens the next window if there is something to read. */
  #begin(): void {
    if (this.#window !== null || this.#paused || this.#tasks.length === 0 || this.#stop.signal.aborted) return
    const window = new Window(this.#deps.clock.uuid(), this.#identities)
    this.#window = window
    this.#working = this.#working.then(() => this.#work(window)).catch((e: unknown) => this.#failed(window, e))
  }

  async #work(window: Window): Promise<void> {
    const { signal } = this.#stop
    if (signal.aborted) return
    this.#database ??= this.#deps.database()
    const database = this.#database
    const { readOnly, strategy } = this.#options
    const opened = `"openWindowTimestamp": "${new Date(this.#deps.clock.now()).toISOString()}"`
    await this.#lookUp(database)
    // Only what is seen from here on tells the changes of the window.
    const first = await this.#table(database)
    if (first !== null) window.watch(first.task, first.id, await this.#identityOf(first, database))
    if (!readOnly) await database.insertSignal(`${window.id}-open`, 'snapshot-window-open', `{${opened}}`)
    await this.#read(window, database)
    if (signal.aborted) return
    if (readOnly) {
      window.end = await this.#stream.head()
      return
    }
    if (strategy === 'insert_delete') return await database.deleteSignal(`${window.id}-open`)
    const closed = `"closeWindowTimestamp": "${new Date(this.#deps.clock.now()).toISOString()}"`
    await database.insertSignal(`${window.id}-close`, 'snapshot-window-close', `{${opened}, ${closed}}`)
  }

  /** Reads the next rows there are; a table that has none left is done. */
  async #read(window: Window, database: ChunkDatabase): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const next = await this.#table(database)
      if (next === null) return
      const { task, id } = next
      if (window.task?.table !== task.table) window.watch(task, id, await this.#identityOf(next, database))
      const begun = task.max === null ? { ...task, max: await database.maximum(id, task) } : task
      window.task = begun
      if (begun.max !== null) {
        const chunk = await database.read(id, begun, this.#streamed, this.#stop.signal)
        if (chunk.offsets.length > 0) {
          window.fill(chunk)
          return
        }
      }
      this.#finish(task, `incremental snapshot of ${task.table} is done`)
    }
  }

  /** Asked once per table: what else there is to be said of it is looked at with every chunk. */
  async #identityOf(found: Found, database: ChunkDatabase): Promise<readonly string[]> {
    const identity = found.identity ?? (await database.identity(found.id, found.task))
    this.#found = { ...found, identity }
    return identity
  }

  /** The task that is next, with its table; tasks whose table is gone are left out. */
  async #table(database: ChunkDatabase): Promise<Found | null> {
    for (let task = this.#tasks.at(0); task !== undefined; task = this.#tasks.at(0)) {
      const { table } = task
      if (this.#found?.task.table === table && !task.pattern) return { ...this.#found, task }
      if (task.pattern) return await this.#lookUp(database).then(() => this.#table(database))
      const id = (await this.#tables(database)).find((t) => nameOf(t) === table)
      if (id !== undefined) return { task, id, identity: null }
      this.#finish(task, `table ${table} is not captured: there is no incremental snapshot of it`)
    }
    return null
  }

  /** Captured tables: a signal table that is not handed on is none, whatever expression matches it. */
  async #tables(database: ChunkDatabase): Promise<readonly TableId[]> {
    const hidden = this.#options.hidden ? this.#options.table : null
    return (await database.tables()).filter((t) => hidden === null || !same(t, hidden))
  }

  #finish(task: Task, text: string): void {
    this.#found = null
    const n = this.#tasks.findIndex((t) => t.table === task.table && t.pattern === task.pattern)
    if (n < 0) return
    this.#tasks.splice(n, 1)
    this.#deps.observe({ kind: 'note', text })
  }

  /** The expressions of a signal become the tables that they match now. */
  async #lookUp(database: ChunkDatabase): Promise<void> {
    if (!this.#tasks.some((t) => t.pattern)) return
    const names = (await this.#tables(database)).map(nameOf)
    const tasks: Task[] = []
    for (const task of this.#tasks) {
      const matching = task.pattern ? names.filter((name) => pattern(task.table)?.test(name) === true) : [task.table]
      if (matching.length === 0) this.#deps.observe({ kind: 'warning', text: `no captured table is matched by ${task.table}` })
      for (const table of matching) if (!tasks.some((t) => t.table === table)) tasks.push({ ...task, table, pattern: false })
    }
    this.#tasks = tasks
  }

  /** What may pass is tried again; a table that cannot be read is left out, and the stream goes on. */
  async #failed(window: Window, error: unknown): Promise<void> {
    this.#found = null
    if (this.#stop.signal.aborted) return
    if (!isFailure(error)) {
      this.#broken = error
      return
    }
    const task = this.#tasks.at(0) ?? null
    if (error.entry.retry !== 'timed') {
      const table = task?.table ?? 'its tables'
      this.#deps.observe({ kind: 'warning', text: `incremental snapshot of ${table} is given up: ${error.message}` })
      this.#tasks.shift()
    } else {
      const delayMs = Math.min(RETRY_MOST_MS, RETRY_MS * 2 ** this.#failures++)
      this.#deps.observe({ kind: 'retry', failure: error, delayMs })
      await Promise.allSettled([this.#deps.clock.sleep(delayMs, this.#stop.signal)])
    }
    if (this.#window === window) this.#window = null
    this.#begin()
  }
}

/** A task with its table, and what tells its rows apart; null: not looked at yet. */
interface Found {
  readonly task: Task
  readonly id: TableId
  readonly identity: readonly string[] | null
}

/** A condition of its own table comes first: it is the first that matches which counts. */
function tasksOf({ collections, conditions, surrogate }: SnapshotRequest): Task[] {
  const task = (table: string, filter: string | null): Task => ({ table, pattern: true, filter, surrogate, after: null, max: null })
  const filterOf = (c: string): string | null => conditions.find(([of]) => of === c)?.[1] ?? null
  const apart = conditions.filter(([of]) => !collections.includes(of))
  return [...apart.map(([of, filter]) => task(of, filter)), ...collections.map((c) => task(c, filterOf(c)))]
}

function nameOf(id: TableId): string {
  return `${id.schema}.${id.table}`
}

function same(a: TableId, b: TableId): boolean {
  return a.schema === b.schema && a.table === b.table
}
