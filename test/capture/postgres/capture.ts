import { openPostgresSource } from '../../../src/capture/postgres/adapter.ts'
import type { PostgresOptions } from '../../../src/capture/postgres/options.ts'
import { tableName } from '../../../src/capture/postgres/table-shapes.ts'
import { DEFAULT_TYPE_OPTIONS } from '../../../src/capture/postgres/types/options.ts'
import type { SourceEvent } from '../../../src/capture/source-event.ts'
import { systemClock } from '../../../src/cli/clock.ts'
import type { ChangeBatch, ChangeStream, Position } from '../../../src/contract/change.ts'

/** Options for a test database; slot and publication are named after it, so that dropping it drops them. */
export function optionsFor(url: string, extra: Partial<PostgresOptions> = {}): PostgresOptions {
  const u = new URL(url)
  const database = u.pathname.slice(1)
  return {
    host: u.searchParams.get('host') ?? u.hostname,
    port: Number(u.port || 5432),
    user: decodeURIComponent(u.username) || 'postgres',
    password: u.password === '' ? null : decodeURIComponent(u.password),
    database,
    ssl: false,
    slot: database.slice(0, 60),
    publication: database,
    publicationMode: 'filtered',
    createSlot: true,
    tables: { kind: 'patterns', patterns: '*' },
    snapshot: 'initial',
    types: DEFAULT_TYPE_OPTIONS,
    unsupported: 'omit',
    retryForMs: 5000,
    busySlotForMs: 5000,
    ...extra,
  }
}

export type Cell = string | null | undefined

/** One change as plain values: text cells, null, undefined for "not in the log". */
export interface Change {
  readonly table: string
  readonly op: string
  readonly mark: number
  readonly before: readonly Cell[] | null
  readonly beforeKind: number
  readonly after: readonly Cell[] | null
  readonly commit: string
  readonly index: number
  readonly columns: readonly string[]
  readonly key: readonly number[]
}

/** Reads a batch by the grammar of the contract, independently of the code that made it. */
export function changesOf(batch: ChangeBatch): Change[] {
  const changes: Change[] = []
  for (const run of batch.transactions) {
    for (let i = run.from; i < run.to; i++) {
      const schema = batch.table[i] < 0 ? null : batch.tables[batch.table[i]]
      changes.push({
        table: schema === null ? '' : tableName(schema.id),
        op: String.fromCharCode(batch.op[i]),
        mark: batch.mark[i],
        before: batch.before[i] < 0 ? null : tupleAt(batch.arena, batch.before[i]),
        beforeKind: batch.beforeKind[i],
        after: batch.after[i] < 0 || schema === null ? null : tupleAt(batch.arena, batch.after[i]),
        commit: run.commit,
        index: run.firstIndex + i - run.from,
        columns: schema?.columns.map((c) => c.name) ?? [],
        key: schema?.key ?? [],
      })
    }
  }
  return changes
}

function tupleAt(arena: Buffer, offset: number): Cell[] {
  const cells: Cell[] = []
  let p = offset + 2
  for (let i = 0; i < arena.readUInt16BE(offset); i++) {
    const kind = String.fromCharCode(arena[p++])
    if (kind === 'n') cells.push(null)
    else if (kind === 'u') cells.push(undefined)
    else {
      const length = arena.readInt32BE(p)
      cells.push(arena.toString('utf8', p + 4, p + 4 + length))
      p += 4 + length
    }
  }
  return cells
}

export interface Capture {
  readonly stream: ChangeStream
  readonly batches: ChangeBatch[]
  readonly events: SourceEvent[]
  /** Pulls until `done` says so after a batch (or the stream ends). */
  until(done: (batch: ChangeBatch) => boolean): Promise<void>
  /** Pulls until everything that committed before the call has arrived. */
  untilNow(): Promise<void>
  changes(): Change[]
  position(): Position
  close(): Promise<void>
}

export async function startCapture(options: PostgresOptions, from: Position | null = null): Promise<Capture> {
  const events: SourceEvent[] = []
  const source = openPostgresSource(options, { clock: systemClock, observe: (e) => events.push(e) })
  const stream = await source.open(from, new AbortController().signal)
  const iterator = stream.batches[Symbol.asyncIterator]()
  const batches: ChangeBatch[] = []
  const pull = async (done: (batch: ChangeBatch) => boolean): Promise<void> => {
    for (;;) {
      const next = await iterator.next()
      if (next.done) return
      batches.push(next.value)
      if (done(next.value)) return
    }
  }
  return {
    stream,
    batches,
    events,
    until: pull,
    untilNow: async () => {
      const head = await stream.head()
      const last = batches.at(-1) ?? (from === null ? null : { upTo: from, boundary: true })
      const reached = (b = last): boolean => b?.boundary === true && source.compare(b.upTo, head) >= 0
      if (!reached()) await pull(reached)
    },
    changes: () => batches.flatMap(changesOf),
    position: () => batches.at(-1)!.upTo,
    close: () => source.close(),
  }
}

/** Rows of the tables as changes build them: keyed by key, unkeyed as a bag. What a lake would hold. */
export class Model {
  readonly tables = new Map<string, Map<string, readonly Cell[]>>()
  #ordinal = 0

  apply(c: Change): void {
    const rows = this.tables.get(c.table) ?? new Map<string, readonly Cell[]>()
    this.tables.set(c.table, rows)
    if (c.op === 't') rows.clear()
    else if (c.key.length === 0) this.#bag(rows, c)
    else this.#keyed(rows, c)
  }

  #keyed(rows: Map<string, readonly Cell[]>, c: Change): void {
    const key = (cells: readonly Cell[]): string => JSON.stringify(c.key.map((i) => cells[i]))
    const old = c.before === null ? null : rows.get(key(c.before))
    if (c.before !== null) rows.delete(key(c.before))
    if (c.after === null) return
    const stored = rows.get(key(c.after)) ?? old
    rows.set(
      key(c.after),
      c.after.map((v, i) => (v === undefined ? stored?.[i] : v)),
    )
  }

  #bag(rows: Map<string, readonly Cell[]>, c: Change): void {
    if (c.before !== null) {
      const content = JSON.stringify(c.before)
      const victim = [...rows].find(([, v]) => JSON.stringify(v) === content)
      if (victim === undefined) throw new Error(`no row ${content} in ${c.table}`)
      rows.delete(victim[0])
    }
    if (c.after !== null) rows.set(`#${this.#ordinal++}`, c.after)
  }

  /** Sorted rows of a table. */
  rows(table: string): string[] {
    return [...(this.tables.get(table)?.values() ?? [])].map((r) => JSON.stringify(r)).sort()
  }
}
