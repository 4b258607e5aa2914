import { openMysqlSource } from '../../../src/capture/mysql/adapter.ts'
import type { MysqlBatch, MysqlRun } from '../../../src/capture/mysql/batch.ts'
import type { MysqlOptions } from '../../../src/capture/mysql/options.ts'
import { DEFAULT_MYSQL_TYPES } from '../../../src/capture/mysql/types/options.ts'
import type { SourceEvent } from '../../../src/capture/source-event.ts'
import { systemClock } from '../../../src/cli/clock.ts'
import type { ChangeBatch, ChangeSource, ChangeStream, Column, Position } from '../../../src/contract/change.ts'
import { GrowableSink } from '../../../src/format/bytes/growable-sink.ts'
import type { TestDatabase } from '../../support/mysql.ts'

let nextServerId = 700_000 + (process.pid % 10_000) * 10

/** Options for a test database; each call has a server id of its own. */
export function optionsFor(db: TestDatabase, extra: Partial<MysqlOptions> = {}): MysqlOptions {
  return {
    host: '127.0.0.1',
    port: db.port,
    user: 'root',
    password: null,
    ssl: false,
    flavor: db.flavor,
    serverId: nextServerId++,
    tables: { kind: 'patterns', patterns: `${db.name}.*` },
    snapshot: 'never',
    locking: 'minimal',
    types: DEFAULT_MYSQL_TYPES,
    unsupported: 'refuse',
    includeQuery: false,
    retryForMs: 20_000,
    ...extra,
  }
}

/** hex of the Avro value, null, undefined for "not in the row image". */
export type Cell = string | null | undefined

export interface Change {
  readonly table: string
  readonly op: string
  readonly before: readonly Cell[] | null
  readonly after: readonly Cell[] | null
  readonly commit: string
  /** Ordinal in the transaction. */
  readonly index: number
  readonly place: bigint
  readonly pos: number
  readonly row: number
  readonly query: string | null
  readonly gtid: string | null
  readonly gtidsBefore: string | null
  readonly file: string
  readonly beginPos: number
  /** Number of the event in its transaction. */
  readonly event: number
  readonly key: readonly number[]
}

const sink = new GrowableSink()

function cellsAt(batch: ChangeBatch, columns: readonly Column[], offset: number, snapshot: boolean): Cell[] | null {
  if (offset < 0) return null
  const { arena } = batch
  let p = offset + 2
  return columns.slice(0, arena.readUInt16BE(offset)).map((column) => {
    const kind = String.fromCharCode(arena[p++])
    if (kind === 'n') return null
    if (kind === 'u') return undefined
    const length = arena.readUInt32BE(p)
    p += 4 + length
    if (column.omitted === true) return null
    sink.pos = 0
    const encode = snapshot ? (column.encodeSnapshot ?? column.encode) : column.encode
    return encode(arena, p - length, length, sink) ? sink.copy().toString('hex') : null
  })
}

/** Reads a batch by the grammar of the contract, independently of the code that made it. */
export function changesOf(batch: ChangeBatch): Change[] {
  const changes: Change[] = []
  const { eventOf, rowOf, events } = batch as MysqlBatch
  for (const run of batch.transactions) {
    const info = (run as Partial<MysqlRun>).info
    for (let i = run.from; i < run.to; i++) {
      const { id, columns, key } = batch.tables[batch.table[i]]
      const event = eventOf?.[i] ?? -1
      changes.push({
        table: id.table,
        op: String.fromCharCode(batch.op[i]),
        before: cellsAt(batch, columns, batch.before[i], batch.mark[i] !== 0),
        after: cellsAt(batch, columns, batch.after[i], batch.mark[i] !== 0),
        commit: run.commit,
        index: run.firstIndex + i - run.from,
        place: (BigInt(batch.placeHi[i]) << 32n) | BigInt(batch.placeLo[i]),
        pos: event < 0 ? -1 : events.pos[event],
        row: event < 0 ? -1 : rowOf[i],
        query: event < 0 ? null : events.query[event],
        gtid: info?.gtid ?? null,
        gtidsBefore: info?.gtidsBefore ?? null,
        file: info?.file ?? '',
        beginPos: info?.beginPos ?? -1,
        event: event < 0 ? -1 : events.index[event],
        key,
      })
    }
  }
  return changes
}

/** An open stream, and what came out of it. */
export class Reader {
  readonly source: ChangeSource
  readonly stream: ChangeStream
  readonly events: SourceEvent[]
  readonly #batches: AsyncIterator<ChangeBatch>
  readonly changes: Change[] = []
  /** Position after each batch, and how many changes there were until then. */
  readonly marks: { readonly at: Position; readonly changes: number; readonly boundary: boolean }[] = []
  readonly runs: MysqlRun[] = []
  #pull: Promise<IteratorResult<ChangeBatch>> | null = null

  private constructor(source: ChangeSource, stream: ChangeStream, events: SourceEvent[]) {
    this.source = source
    this.stream = stream
    this.events = events
    this.#batches = stream.batches[Symbol.asyncIterator]()
  }

  static async open(options: MysqlOptions, from: Position | null = null): Promise<Reader> {
    const events: SourceEvent[] = []
    const source = openMysqlSource(options, { clock: systemClock, observe: (e) => events.push(e) })
    return new Reader(source, await source.open(from, new AbortController().signal), events)
  }

  get at(): Position {
    return this.marks.at(-1)!.at
  }

  /** The next batch; null after `ms` without one. */
  async pull(ms = 20_000): Promise<ChangeBatch | null> {
    this.#pull ??= this.#batches.next()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<null>((done) => {
      timer = setTimeout(() => done(null), ms)
    })
    const result = await Promise.race([this.#pull, late])
    clearTimeout(timer)
    if (result === null) return null
    this.#pull = null
    if (result.done === true) return null
    this.changes.push(...changesOf(result.value))
    this.runs.push(...(result.value.transactions as MysqlRun[]))
    this.marks.push({ at: result.value.upTo, changes: this.changes.length, boundary: result.value.boundary })
    return result.value
  }

  /** Reads on until there are `count` changes in all, at a boundary. */
  async until(count: number): Promise<readonly Change[]> {
    while (this.changes.length < count || this.marks.at(-1)?.boundary === false) {
      if ((await this.pull()) === null) throw new Error(`only ${this.changes.length} of ${count} changes came`)
    }
    return this.changes
  }

  /** Reads until everything that is in the binlog now was read. */
  async toHead(): Promise<readonly Change[]> {
    const head = await this.stream.head()
    while (this.marks.length === 0 || this.source.compare(this.at, head) < 0 || this.marks.at(-1)?.boundary === false) {
      if ((await this.pull()) === null) throw new Error(`the stream stands at ${this.marks.at(-1)?.at}, not at ${head}`)
    }
    return this.changes
  }

  async close(): Promise<void> {
    await this.source.close()
    await this.#pull?.catch(() => undefined)
  }
}

/** Rows by table and key (of keyless tables: their whole content, counted), as the changes leave them. */
export function tablesAfter(changes: readonly Change[], tables = new Map<string, Map<string, string>>()): Map<string, Map<string, string>> {
  for (const c of changes) {
    const rows = tables.get(c.table) ?? new Map<string, string>()
    tables.set(c.table, rows)
    if (c.op === 't') rows.clear()
    const keyOf = (cells: readonly Cell[]): string => JSON.stringify(c.key.length === 0 ? cells : c.key.map((k) => cells[k]))
    if (c.before !== null) rows.delete(keyOf(c.before))
    if (c.after !== null) rows.set(keyOf(c.after), JSON.stringify(c.after))
  }
  return tables
}

/** The tables as a snapshot of the database shows them: another way through the server, and through the type encoders. */
export async function tablesNow(db: TestDatabase, extra: Partial<MysqlOptions> = {}): Promise<Map<string, Map<string, string>>> {
  const reader = await Reader.open(optionsFor(db, { ...extra, snapshot: 'initial_only' }))
  try {
    while ((await reader.pull()) !== null);
    return tablesAfter(reader.changes)
  } finally {
    await reader.close()
  }
}
