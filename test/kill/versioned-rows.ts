import type { Client } from 'pg'

/** What happened to a row: its version behind the change; of a delete the version that was deleted. */
export interface RowEvent {
  readonly op: 'c' | 'u' | 'd'
  readonly version: number
}

const KEYS = 400

/** Creates table k.row and fills it; every change of a row counts its version up, over deletes too. */
export async function createVersionedRows(db: Client, rows: number): Promise<void> {
  await db.query(`
    CREATE SCHEMA k;
    CREATE TABLE k.row (id int PRIMARY KEY, version bigint NOT NULL, filler text);
    ALTER TABLE k.row REPLICA IDENTITY FULL;
    CREATE TABLE k.note (n bigserial PRIMARY KEY, id int, version bigint);
    INSERT INTO k.row SELECT i, 1, repeat(md5(i::text), 8) FROM generate_series(1, ${rows}) i;
  `)
}

/** Random transactions on k.row; `history` is what was committed, per row in order. Every change also writes a row of k.note. */
export class VersionedRows {
  transactions = 0
  readonly history = new Map<number, RowEvent[]>()
  private readonly db: Client
  private readonly random: () => number
  private stop = false
  private running: Promise<void> | null = null

  constructor(db: Client, random: () => number, rows: number) {
    this.db = db
    this.random = random
    for (let id = 1; id <= rows; id++) this.history.set(id, [{ op: 'c', version: 1 }])
  }

  start(): void {
    this.stop = false
    this.running = this.loop()
  }

  async pause(): Promise<void> {
    this.stop = true
    await this.running
    this.running = null
  }

  private async loop(): Promise<void> {
    while (!this.stop) {
      await this.transaction()
      this.transactions++
      await new Promise((resolve) => setTimeout(resolve, this.random() * 8))
    }
  }

  private async transaction(): Promise<void> {
    const size = this.random() < 0.03 ? 400 : 1 + Math.floor(this.random() * 6)
    const events: (readonly [number, RowEvent])[] = []
    const last = new Map<number, RowEvent>()
    const statements: string[] = []
    for (let i = 0; i < size; i++) {
      const id = 1 + Math.floor(this.random() * KEYS)
      const before = last.get(id) ?? this.history.get(id)?.at(-1)
      const event = this.next(before)
      const { version } = event
      if (event.op === 'd') statements.push(`DELETE FROM k.row WHERE id = ${id}`)
      else if (event.op === 'u') statements.push(`UPDATE k.row SET version = ${version} WHERE id = ${id}`)
      else statements.push(`INSERT INTO k.row VALUES (${id}, ${version}, 'again')`)
      statements.push(`INSERT INTO k.note (id, version) VALUES (${id}, ${version})`)
      events.push([id, event])
      last.set(id, event)
    }
    const commits = this.random() > 0.05
    await this.db.query(`BEGIN; ${statements.join('; ')}; ${commits ? 'COMMIT' : 'ROLLBACK'}`)
    if (!commits) return
    for (const [id, event] of events) this.history.set(id, [...(this.history.get(id) ?? []), event])
  }

  private next(before: RowEvent | undefined): RowEvent {
    if (before === undefined) return { op: 'c', version: 1 }
    if (before.op === 'd') return { op: 'c', version: before.version + 1 }
    return this.random() < 0.1 ? { op: 'd', version: before.version } : { op: 'u', version: before.version + 1 }
  }
}

/** An event of k.row as a consumer sees it; r: a snapshot's row, t: the tombstone behind a delete. */
export interface SeenEvent {
  readonly op: 'c' | 'u' | 'd' | 'r' | 't'
  readonly version: number
}

/**
 * What a consumer saw of each row must be its history, once and in order; a snapshot's row stands for what came before it. A snapshot that
 * was interrupted (`continued`) is read at two points: the rows of the table it was in may be newer than the changes that follow them,
 * which still come once and in order. Gives up to five sentences.
 */
export function historyProblems(
  history: ReadonlyMap<number, readonly RowEvent[]>,
  seen: ReadonlyMap<number, readonly SeenEvent[]>,
  continued: boolean,
): string[] {
  const problems: string[] = []
  for (const id of new Set([...history.keys(), ...seen.keys()])) {
    const problem = rowProblem(history.get(id) ?? [], seen.get(id) ?? [], continued)
    if (problem !== null) problems.push(`row ${id}: ${problem}`)
    if (problems.length === 5) break
  }
  return problems
}

const textOf = (events: readonly { op: string; version: number }[]): string => events.map((e) => `${e.op}${e.version}`).join(' ')

function rowProblem(history: readonly RowEvent[], seen: readonly SeenEvent[], continued: boolean): string | null {
  const reads = seen.filter((e) => e.op === 'r')
  const changes = seen.filter((e) => e.op !== 'r')
  if (textOf(seen) !== textOf([...reads, ...changes])) return `a snapshot's row among changes: ${textOf(seen)}`
  if (reads.length > (continued ? 2 : 1)) return `${reads.length} rows of a snapshot`
  const states = reads.map((r) => history.findIndex((e) => e.op !== 'd' && e.version === r.version))
  if (states.includes(-1)) return `${textOf(reads)} was never a state of it`
  const first = changes[0]
  const from = first === undefined ? history.length : history.findIndex((e) => e.op === first.op && e.version === first.version)
  const expected = history.slice(from).flatMap((e): SeenEvent[] => (e.op === 'd' ? [e, { op: 't', version: 0 }] : [e]))
  if (from < 0 || textOf(changes) !== textOf(expected)) return `${textOf(history)} happened, ${textOf(seen)} was seen`
  // What came before the changes: the row as the snapshot read it, or nothing of a row that was not there.
  const gap = states.length === 0 ? from > 0 && history[from - 1]!.op !== 'd' : Math.max(...states) < from - 1
  const early = !continued && states.length > 0 && states[0] !== from - 1
  return gap || early ? `${textOf(history)} happened, ${textOf(seen)} was seen` : null
}
