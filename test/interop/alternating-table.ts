import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../src/cli/clock.ts'
import type { ObjectStore } from '../../src/contract/object-store.ts'
import { TimelineStore } from '../../src/lake/timeline-store.ts'
import { completedWrites } from '../../timeline/view.ts'
import { runInProcess } from '../cli/run-in-process.ts'
import type { Dice } from './dice.ts'
import { readWith } from './readers.ts'
import { parseExact, type Row, type Spark } from './spark.ts'

export interface TableKind {
  readonly type: 'cow' | 'mor'
  readonly version: 6 | 9
  /** Ours has a bucket index, Spark's has none. */
  readonly creator: 'us' | 'Spark'
}

/** Where a table is, and what each engine calls it. */
export interface TablePlace {
  readonly store: ObjectStore
  /** Its path in the store. */
  readonly path: string
  /** To `lake` and hudi-rs. */
  readonly uri: string
  readonly sparkUri: string
  readonly env: Readonly<Record<string, string>>
}

const PARTITIONS = ['eu', 'us', 'ap']
/**
 * The columns of a new table as Spark's DDL and as lake write's --types, and those that either side adds. The decimal has more than 18 digits: an
 * upsert of 0.15 after a clustering of its own multiplies shorter ones by 10^scale, in rows that it does not even touch. There is no time of
 * day: 1.2 refuses such tables.
 */
const COLUMNS = 'id bigint, region string, note string, amount decimal(20,2), at timestamp, ok boolean, ts bigint'
const TYPES = 'amount:decimal(20,2),at:timestamp'
const ADDED = {
  us: { name: 'our_column', ddl: 'double', value: (ts: number) => ts + 0.5 },
  Spark: { name: 'their_column', ddl: 'string', value: (ts: number) => `theirs ${ts}` },
}
const CLEAN = { 'hoodie.clean.automatic': 'true', 'hoodie.cleaner.policy': 'KEEP_LATEST_COMMITS', 'hoodie.cleaner.commits.retained': '2' }
const ARCHIVE = { 'hoodie.archive.automatic': 'true', 'hoodie.keep.min.commits': '4', 'hoodie.keep.max.commits': '6' }

interface State {
  readonly rows: ReadonlyMap<number, Row>
  readonly added: readonly ('us' | 'Spark')[]
}

/**
 * One table that two engines write by turns, and a model of what it must hold. Every method is one operation: a call of `lake`, or a write or
 * procedure of Spark. Ordering values only grow, and Spark, whose index looks into the row's own partition alone, leaves keys where they are.
 */
export class AlternatingTable {
  readonly kind: TableKind
  readonly #place: TablePlace
  readonly #home: string
  readonly #spark: Spark
  readonly #dice: Dice
  #rows = new Map<number, Row>()
  #added: ('us' | 'Spark')[] = []
  #clock = 0
  #nextId = 1000
  /** A compaction has been completed after writes that began later than it, since the savepoint. */
  #lateCompaction = false
  #savepoint: { readonly time: string; readonly state: State } | null = null

  /** home: a directory for what is handed to `lake`. */
  constructor(home: string, place: TablePlace, kind: TableKind, spark: Spark, dice: Dice) {
    this.#home = home
    this.#place = place
    this.kind = kind
    this.#spark = spark
    this.#dice = dice
  }

  async create(): Promise<void> {
    const rows = Array.from({ length: 24 }, (_, id) => this.#row(id, PARTITIONS[id % 3]!))
    this.#keep(rows)
    if (this.kind.creator === 'us') {
      const shape = ['--key', 'id', '--partition', 'region', '--ordering', 'ts', '--buckets', '2', '--types', TYPES]
      return this.#write(rows, ...shape, '--table-type', this.kind.type, '--table-version', String(this.kind.version))
    }
    const options = {
      'hoodie.table.name': 'theirs',
      'hoodie.datasource.write.table.type': this.kind.type === 'cow' ? 'COPY_ON_WRITE' : 'MERGE_ON_READ',
      'hoodie.datasource.write.recordkey.field': 'id',
      'hoodie.datasource.write.partitionpath.field': 'region',
      'hoodie.datasource.write.precombine.field': 'ts',
      'hoodie.write.table.version': String(this.kind.version),
    }
    await this.#spark.upsert(this.#place.sparkUri, rows, options, COLUMNS)
  }

  // What either side can do.

  async upsert(by: 'us' | 'Spark'): Promise<void> {
    const rows = this.#changes(by === 'us')
    await this.#upsert(by, rows)
  }

  async delete(by: 'us' | 'Spark'): Promise<void> {
    const gone = this.#dice.some([...this.#rows.values()], 2).map((r): Row => ({ ...r, ts: ++this.#clock }))
    if (by === 'us')
      await this.#write(
        gone.map((r) => ({ id: r['id'], ts: r['ts'] })),
        '--op',
        'delete',
      )
    else await this.#spark.delete(this.#place.sparkUri, gone)
    for (const r of gone) this.#rows.delete(r['id'] as number)
  }

  async overwrite(by: 'us' | 'Spark'): Promise<void> {
    const region = this.#dice.one(PARTITIONS)
    const rows = [0, 1, 2].map(() => this.#row(this.#nextId++, region))
    if (by === 'us') await this.#write(rows, '--op', 'insert_overwrite')
    else await this.#spark.upsert(this.#place.sparkUri, rows, { 'hoodie.datasource.write.operation': 'insert_overwrite' })
    for (const r of [...this.#rows.values()]) if (r['region'] === region) this.#rows.delete(r['id'] as number)
    this.#keep(rows)
  }

  /** A column that the table does not have, with values in some rows; when it is there already, an upsert. */
  async addColumn(by: 'us' | 'Spark'): Promise<void> {
    if (!this.#added.includes(by)) this.#added = [...this.#added, by]
    const rows = this.#changes(by === 'us').map((r) => ({ ...r, [ADDED[by].name]: ADDED[by].value(r['ts'] as number) }))
    await this.#upsert(by, rows)
  }

  async cluster(by: 'us' | 'Spark'): Promise<void> {
    if (by === 'us') return void (await this.#lake('cluster', '--sort', 'amount,id'))
    await this.#spark.sql(`call run_clustering(path => '${this.#place.sparkUri}', order => 'amount')`)
  }

  async clean(by: 'us' | 'Spark'): Promise<void> {
    if (by === 'us') return void (await this.#lake('clean', '--keep-commits', '2'))
    await this.#upsert('Spark', this.#changes(false), CLEAN)
  }

  async archive(by: 'us' | 'Spark'): Promise<void> {
    if (by === 'us') return void (await this.#lake('archive', '--keep-min', '4', '--keep-max', '6'))
    await this.#upsert('Spark', this.#changes(false), { ...CLEAN, ...ARCHIVE })
  }

  /** Plans a compaction, or carries out the one that is planned: often not by the same side. */
  async compact(by: 'us' | 'Spark'): Promise<void> {
    const pending = await this.pendingCompaction()
    if (pending) this.#lateCompaction = true
    if (by === 'us') return void (await this.#lake('compact', ...(pending ? ['--pending'] : this.#dice.flip() ? ['--schedule'] : [])))
    if (!pending) await this.#spark.sql(`call run_compaction(op => 'schedule', path => '${this.#place.sparkUri}')`)
    if (pending || this.#dice.flip()) await this.#spark.sql(`call run_compaction(op => 'run', path => '${this.#place.sparkUri}')`)
  }

  /** Saves the state; when one is saved, goes back to it and gives it free. */
  async savepoint(side: 'us' | 'Spark'): Promise<void> {
    const saved = this.#savepoint
    // Spark 1.2 takes writes back by their completion, and stops at a compaction with "Found commits after time": that is left to us.
    const by = saved !== null && this.kind.version === 9 && this.#lateCompaction ? 'us' : side
    if (saved === null) {
      const time = (await this.#commits()).at(-1)!
      if (by === 'us') await this.#lake(['savepoint', 'create'], '--at', time)
      else await this.#spark.sql(`call create_savepoint(path => '${this.#place.sparkUri}', commit_time => '${time}')`)
      this.#lateCompaction = false
      this.#savepoint = { time, state: { rows: new Map(this.#rows), added: this.#added } }
      return
    }
    if (by === 'us') await this.#lake('restore', '--to', saved.time)
    else await this.#spark.sql(`call rollback_to_savepoint(path => '${this.#place.sparkUri}', instant_time => '${saved.time}')`)
    if (by === 'us') await this.#lake(['savepoint', 'delete'], '--at', saved.time)
    else await this.#spark.sql(`call delete_savepoint(path => '${this.#place.sparkUri}', instant_time => '${saved.time}')`)
    // A restore of 1.2 leaves the clusterings that it takes back, its own too, as pending ones whose files are gone; its writers then fail.
    for (const time of await this.#pending('clustering')) await this.#lake('rollback', '--instant', time)
    this.#rows = new Map(saved.state.rows)
    this.#added = [...saved.state.added]
    this.#savepoint = null
  }

  // What only we do here.

  async dropPartition(): Promise<void> {
    const region = this.#dice.one(PARTITIONS)
    const hive = (await this.#properties()).get('hoodie.datasource.write.hive_style_partitioning') === 'true'
    await this.#lake('write', '--op', 'delete_partition', '--partitions', hive ? `region=${region}` : region)
    for (const r of [...this.#rows.values()]) if (r['region'] === region) this.#rows.delete(r['id'] as number)
  }

  async logCompact(): Promise<void> {
    await this.#lake('compact', '--log-files')
  }

  /** A write, taken back. */
  async rollBack(): Promise<void> {
    const before = { rows: new Map(this.#rows), added: [...this.#added] }
    await this.upsert('us')
    await this.#lake('rollback', '--instant', (await this.#commits()).at(-1)!)
    this.#rows = before.rows
    this.#added = before.added
  }

  // What they must agree on.

  /** The rows that the table must hold, one line each. */
  wanted(): string[] {
    return this.lines([...this.#rows.values()])
  }

  lines(rows: readonly Row[]): string[] {
    const names = [...COLUMNS.matchAll(/(\w+) (?:bigint|string|decimal|timestamp|boolean)/g)].map((m) => m[1]!)
    const added = this.#added.map((by) => ADDED[by].name).sort()
    const plain = (v: unknown): unknown => (typeof v === 'string' ? v.replace(/(\d{2}:\d{2}:\d{2}\.\d{6})Z$/, '$1') : (v ?? null))
    return rows.map((r) => JSON.stringify([...names, ...added].map((n) => plain(r[n])))).sort()
  }

  async ours(): Promise<string[]> {
    return this.lines(rowsOf(await this.#lake('read')))
  }

  async theirs(): Promise<string[]> {
    return this.lines(await this.#spark.read(this.#place.sparkUri))
  }

  async hudiRs(): Promise<string[]> {
    return this.lines(await readWith('hudi-rs', [this.#place.uri], [], this.#place.env))
  }

  async verify(): Promise<void> {
    await this.#lake('verify')
  }

  async pendingCompaction(): Promise<boolean> {
    return (await this.#pending('compaction')).length > 0
  }

  async timeline(): Promise<string> {
    const ts = await this.#timeline()
    return ts.timeline.instants.map((i) => `${i.time} ${i.action} ${i.state}`).join('\n')
  }

  async #pending(action: 'clustering' | 'compaction'): Promise<string[]> {
    const { instants } = (await this.#timeline()).timeline
    return instants.filter((i) => i.action === action && i.state !== 'completed').map((i) => i.time)
  }

  async #commits(): Promise<string[]> {
    return completedWrites((await this.#timeline()).timeline, null).map((i) => i.time)
  }

  async #timeline(): Promise<TimelineStore> {
    const ts = this.#opened()
    await ts.properties()
    await ts.refresh()
    return ts
  }

  async #properties(): Promise<ReadonlyMap<string, string>> {
    return this.#opened().properties()
  }

  #opened(): TimelineStore {
    return new TimelineStore(this.#place.store, this.#place.path, systemClock)
  }

  #row(id: number, region: string): Row {
    const ts = ++this.#clock
    const at = `2025-01-${String((ts % 28) + 1).padStart(2, '0')}T00:00:00.00000${ts % 10}Z`
    return { id, region, note: `n${id} at ${ts}`, amount: `${this.#dice.below(1000)}.50`, at, ok: ts % 2 === 0, ts }
  }

  /** Rows that are there, changed; some that are not; when allowed, one that moves. */
  #changes(mayMove: boolean): Row[] {
    const stored = this.#dice.some([...this.#rows.values()], 3)
    const rows = stored.map((r) => ({ ...r, ...this.#row(r['id'] as number, r['region'] as string) }))
    if (mayMove && rows.length > 0 && this.#dice.flip()) rows[0]!['region'] = this.#dice.one(PARTITIONS)
    const back = this.#dice.below(24)
    if (!this.#rows.has(back)) rows.push(this.#row(back, PARTITIONS[back % 3]!))
    return [...rows, this.#row(this.#nextId++, this.#dice.one(PARTITIONS))]
  }

  async #upsert(by: 'us' | 'Spark', rows: readonly Row[], options: Readonly<Record<string, string>> = {}): Promise<void> {
    if (by === 'us') await this.#write(rows)
    else await this.#spark.upsert(this.#place.sparkUri, rows, options, this.#ddl())
    this.#keep(rows)
  }

  #ddl(): string {
    return [COLUMNS, ...this.#added.map((by) => `${ADDED[by].name} ${ADDED[by].ddl}`)].join(', ')
  }

  #keep(rows: readonly Row[]): void {
    for (const r of rows) this.#rows.set(r['id'] as number, r)
  }

  async #write(rows: readonly Row[], ...flags: string[]): Promise<void> {
    writeFileSync(join(this.#home, 'in.jsonl'), rows.map((r) => `${JSON.stringify(r)}\n`).join(''))
    await this.#lake('write', '--input', join(this.#home, 'in.jsonl'), ...flags)
  }

  async #lake(verb: string | readonly string[], ...flags: string[]): Promise<string> {
    const { uri, env } = this.#place
    const r = await runInProcess('lake', [...(typeof verb === 'string' ? [verb] : verb), uri, ...flags], { cwd: this.#home, env })
    if (r.code !== 0) throw new Error(`lake ${[verb, ...flags].flat().join(' ')} ended with ${r.code}:\n${r.stdout}\n${r.stderr}`)
    return r.stdout
  }
}

function rowsOf(stdout: string): Row[] {
  return stdout
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => parseExact(l) as Row)
}
