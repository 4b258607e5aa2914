import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/cli/clock.ts'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { TableSpec } from '../../../src/contract/table.ts'
import { archivedInstants } from '../../../src/lake/archived-timeline.ts'
import { archive } from '../../../src/lake/service/archive.ts'
import { clean } from '../../../src/lake/service/clean.ts'
import { restore } from '../../../src/lake/service/restore.ts'
import { rollBackInstant } from '../../../src/lake/service/rollback.ts'
import { createSavepoint, deleteSavepoint, listSavepoints } from '../../../src/lake/service/savepoint.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { verifyTable } from '../../../src/lake/verify/verify-table.ts'
import { openTableWriter } from '../../../src/lake/write/open-table.ts'
import { DiskStore } from '../../../src/storage/disk/disk-store.ts'
import { completedWrites } from '../../../timeline/view.ts'
import { readWith } from '../../interop/readers.ts'
import { type Row, type Spark, startSpark } from '../../interop/spark.ts'
import { checkpointOf } from '../trivial-writer.ts'
import { changesOf } from '../write/model.ts'

const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'long' } },
  { name: 'note', type: { kind: 'string' } },
  { name: 'region', type: { kind: 'string' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
/** What Spark's own clean and archival do after each of its commits. */
const SPARK_SERVICES = {
  ...{ 'hoodie.clean.automatic': 'true', 'hoodie.cleaner.policy': 'KEEP_LATEST_COMMITS', 'hoodie.cleaner.commits.retained': '1' },
  ...{ 'hoodie.archive.automatic': 'true', 'hoodie.keep.min.commits': '2', 'hoodie.keep.max.commits': '3' },
}

const KINDS = [
  ['COPY_ON_WRITE', 6, '0.15'],
  ['MERGE_ON_READ', 6, '0.15'],
  ['COPY_ON_WRITE', 9, '1.2'],
  ['MERGE_ON_READ', 9, '1.2'],
] as const

const home = mkdtempSync(join(tmpdir(), 'trib-taking-away-'))
const store = new DiskStore(join(home, 'lake'), systemClock)
const engines = new Map<string, Spark>()
afterAll(async () => {
  for (const spark of engines.values()) await spark.close()
  rmSync(home, { recursive: true, force: true })
})

const region = (id: number): string => (id % 2 === 0 ? 'eu' : 'us')

/** A table, what it must hold (id → note), and the engine beside us. */
class Both {
  readonly path: string
  readonly spark: Spark
  readonly rows = new Map<number, string>()
  readonly #spec: TableSpec
  #lsn = 0

  constructor(path: string, tableType: TableSpec['tableType'], tableVersion: 6 | 9, spark: Spark) {
    this.path = path
    this.spark = spark
    const partition = { column: 'region', truncate: 'none' } as const
    const shape = { key: ['id'], orderingField: '_event_lsn', partition, buckets: 1, tableType, tableVersion }
    this.#spec = { name: path, database: 'default', path, columns: COLUMNS, ...shape }
  }

  ts(): TimelineStore {
    return new TimelineStore(store, this.path, systemClock)
  }

  async write(changes: readonly (readonly [id: number, note: string])[]): Promise<string> {
    const writer = await openTableWriter(store, this.#spec, { clock: systemClock, scratchDir: join(home, 'scratch') })
    const rows = changes.map(([id, note]) => ({ op: 'u' as const, row: [BigInt(id), note, region(id), BigInt(++this.#lsn)], gone: [] }))
    const staged = await writer.stage([changesOf(COLUMNS, rows, false)])
    expect(await writer.commit(staged, checkpointOf(this.#lsn))).toBe('committed')
    for (const [id, note] of changes) this.rows.set(id, note)
    return staged.instant
  }

  async sparkWrite(
    changes: readonly (readonly [id: number, note: string])[],
    options: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const rows = changes.map(([id, note]) => ({ id, note, region: region(id), _event_lsn: ++this.#lsn }))
    await this.spark.upsert(join(store.root, this.path), rows, options)
    for (const [id, note] of changes) this.rows.set(id, note)
  }

  /** The model goes back to what it was. */
  reset(rows: ReadonlyMap<number, string>): void {
    this.rows.clear()
    for (const [id, note] of rows) this.rows.set(id, note)
  }

  /** All engines see the rows of the model, and the table is sound. */
  async agree(where: string): Promise<void> {
    const lines = (rows: readonly Row[]): string[] => rows.map((r) => `${r['id']} ${r['note']} ${r['region']}`).sort()
    const want = [...this.rows].map(([id, note]) => `${id} ${note} ${region(id)}`).sort()
    const uri = join(store.root, this.path)
    expect(lines(await this.spark.read(uri)), `${where}: Spark`).toEqual(want)
    expect(lines(await readWith('hudi-rs', [uri])), `${where}: hudi-rs`).toEqual(want)
    const { violations } = await verifyTable(this.ts(), true)
    expect(violations, `${where}: verify`).toEqual([])
  }

  /** Which table a procedure of Spark is about. Putting it into Spark's catalog would make 0.15 write hoodie.properties anew, without our own keys. */
  async named(): Promise<string> {
    await this.spark.sql('set hoodie.metadata.enable=false')
    // 0.15 asks for it of tables with a bucket index, and takes it from the catalog alone.
    await this.spark.sql('set hoodie.datasource.write.recordkey.field=id')
    return `path => '${join(store.root, this.path)}'`
  }

  /** A copy of the table in Spark's catalog, for procedures that take no path. */
  async catalogued(): Promise<string> {
    const copy = join(home, 'copies', this.path)
    cpSync(join(store.root, this.path), copy, { recursive: true })
    await this.spark.sql(`create table if not exists ${this.path} using hudi location '${copy}'`)
    return `table => '${this.path}'`
  }

  async commits(): Promise<string[]> {
    const ts = this.ts()
    await ts.refresh()
    return completedWrites(ts.timeline, null).map((i) => i.time)
  }
}

describe.each(KINDS)('%s, version %i, beside Hudi %s', (tableType, version, engine) => {
  let t: Both
  beforeAll(async () => {
    const spark = engines.get(engine) ?? (await startSpark(engine))
    engines.set(engine, spark)
    t = new Both(`${tableType === 'COPY_ON_WRITE' ? 'cow' : 'mor'}${version}`, tableType, version, spark)
  })

  test('after a clean and an archival of ours others read the table, write it, and run their own', async () => {
    for (let n = 0; n < 6; n++)
      await t.write([
        [n % 3, `n${n}`],
        [5, `five ${n}`],
      ])
    await clean(t.ts(), { kind: 'commits', retain: 2 })
    await t.agree('clean')
    expect((await archive(t.ts(), { min: 3, max: 4 })).instants.length).toBeGreaterThanOrEqual(3)
    await t.agree('archive')
    for (let n = 0; n < 2; n++) {
      await t.sparkWrite([[n, `spark ${n}`]], SPARK_SERVICES)
      await t.agree(`Spark's write ${n} with its services`)
    }
    await t.write([[1, 'ours again']])
    await clean(t.ts(), { kind: 'commits', retain: 1 })
    await archive(t.ts(), { min: 1, max: 1 })
    await t.agree('our services after theirs')
  })

  test('a rollback of a completed commit leaves the state before it, for everybody', async () => {
    await t.write([[6, 'six']])
    const before = new Map(t.rows)
    const instant = await t.write([
      [1, 'gone soon'],
      [77, 'gone soon'],
    ])
    await rollBackInstant(t.ts(), instant)
    t.reset(before)
    await t.agree('rollback')
    await t.sparkWrite([[2, 'after the rollback']])
    await t.agree('a write after the rollback')
  })

  test('a savepoint of ours is one to Spark, which restores to it; one of Spark is one to us', async () => {
    const table = await t.named()
    const at = (await t.commits()).at(-1)!
    await createSavepoint(t.ts(), null, 'test', 'why')
    expect((await t.spark.sql(`call show_savepoints(${table})`)).map((r) => Object.values(r)[0])).toEqual([at])
    const kept = new Map(t.rows)
    await t.write([
      [1, 'later'],
      [88, 'later'],
    ])
    await t.sparkWrite([[2, 'later still']])
    await t.spark.sql(`call rollback_to_savepoint(${table}, instant_time => '${at}')`)
    t.reset(kept)
    await t.agree('a restore by Spark to our savepoint')
    await deleteSavepoint(t.ts(), at)
    const theirs = await t.write([[4, 'four']])
    await t.spark.sql(`call create_savepoint(${table}, commit_time => '${theirs}')`)
    expect((await listSavepoints(t.ts())).map((s) => [s.time, s.complete])).toEqual([[theirs, true]])
    const state = new Map(t.rows)
    await t.sparkWrite([
      [4, 'later'],
      [99, 'later'],
    ])
    await t.write([[1, 'later']])
    expect((await restore(t.ts(), theirs)).instants).toHaveLength(2)
    t.reset(state)
    await t.agree('our restore to a savepoint of Spark')
    await deleteSavepoint(t.ts(), theirs)
    await t.sparkWrite([[3, 'on we go']])
    await t.agree('a write after it')
  })

  test('Spark reads the archive', async () => {
    const table = await t.catalogued()
    const all =
      version === 6 ? "start_ts => '20200101000000000', end_ts => '20990101000000000', limit => 200" : 'showArchived => true, limit => 200'
    const found = await t.spark.sql(`call ${version === 6 ? 'show_archived_commits' : 'show_timeline'}(${table}, ${all})`)
    const times = found.map((r) => String(r['commit_time'] ?? r['instant_time'] ?? Object.values(r)[0]))
    const ts = t.ts()
    await ts.refresh()
    const ours: string[] = []
    for await (const i of archivedInstants(ts)) if (i.metadata !== null) ours.push(i.time)
    expect(ours.length).toBeGreaterThan(5)
    for (const time of ours) expect(times, `archived ${time}`).toContain(time)
  })
})
