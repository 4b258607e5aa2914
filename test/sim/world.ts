import { parquetReadObjects } from 'hyparquet'
import type { LakeColumn } from '../../src/contract/columns.ts'
import type { Checkpoint, TableSpec } from '../../src/contract/table.ts'
import { isFailure } from '../../src/failure/failure.ts'
import { rowLines } from '../../src/format/json/row-lines.ts'
import type { ConcurrencySettings } from '../../src/lake/lock/table-concurrency.ts'
import { mergedRows } from '../../src/lake/read/delta.ts'
import { META } from '../../src/lake/read/log-columns.ts'
import { mergeRulesOf } from '../../src/lake/read/merge-rules.ts'
import { LakeTableReader } from '../../src/lake/read/table-reader.ts'
import { archive } from '../../src/lake/service/archive.ts'
import { clean } from '../../src/lake/service/clean.ts'
import { cluster, DEFAULT_CLUSTERING, resumeClusterings } from '../../src/lake/service/clustering.ts'
import { type CompactionDeps, compactAll, compactable, resumeCompactions } from '../../src/lake/service/compaction.ts'
import { compactLogs, resumeLogCompactions } from '../../src/lake/service/log-compaction.ts'
import { finishRestore, restore } from '../../src/lake/service/restore.ts'
import { rollBackFailed, rollBackInstant } from '../../src/lake/service/rollback.ts'
import { createSavepoint, deleteSavepoint, listSavepoints } from '../../src/lake/service/savepoint.ts'
import { TimelineStore } from '../../src/lake/timeline-store.ts'
import { openTableWriter } from '../../src/lake/write/open-table.ts'
import { deletePartitions, overwrite } from '../../src/lake/write/operations.ts'
import type { LakeTableWriter } from '../../src/lake/write/table-writer.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { completedWrites } from '../../timeline/view.ts'
import { changesOf, type TestChange } from '../lake/write/model.ts'
import { type Expected, grown, type ModelRows, regionOf, rowsNow, rowText, upTo } from './expected.ts'
import type { SimStore } from './faulty-store.ts'
import { type SimClock, simClock } from './sim-clock.ts'

/** What a table is like; chosen per run. */
export interface Shape {
  readonly tableType: 'COPY_ON_WRITE' | 'MERGE_ON_READ'
  readonly tableVersion: 6 | 9
  readonly buckets: number
  readonly partitioned: boolean
  /** What its logs of changes hold (hoodie.table.cdc.enabled); null or absent: it has none. */
  readonly cdc?: 'OP_KEY_ONLY' | 'DATA_BEFORE' | 'DATA_BEFORE_AFTER' | null
}

/** Id, note (null deletes), and whether the row is in the other partition than that of its id. */
export type RowChange = readonly [id: number, note: string | null, moved?: boolean]

export type Op =
  /** `wide`: rows have a value in one more column, which the table has from then on. `big`: a column gets a wider type. */
  | { readonly do: 'write'; readonly rows: readonly RowChange[]; readonly wide: boolean; readonly big?: boolean }
  /** Two processes write at the same time: both have written their files before the first one commits. */
  | { readonly do: 'both'; readonly rows: readonly RowChange[]; readonly others: readonly RowChange[] }
  /** insert_overwrite, or insert_overwrite_table. */
  | { readonly do: 'overwrite'; readonly rows: readonly RowChange[]; readonly table: boolean }
  | { readonly do: 'drop'; readonly region: string }
  | { readonly do: 'clean'; readonly policy: 'commits' | 'hours' | 'versions'; readonly retain: number }
  | { readonly do: 'archive'; readonly min: number; readonly spare: number }
  | { readonly do: 'savepoint'; readonly back: number }
  | { readonly do: 'unsavepoint' }
  | { readonly do: 'restore' }
  | { readonly do: 'rollback' }
  | { readonly do: 'wait'; readonly hours: number }
  /** Of a merge-on-read table; nothing in others. */
  | { readonly do: 'compact' }
  | { readonly do: 'compactLogs' }
  /** Rows sorted, file groups replaced; `buckets`: and spread over so many. */
  | { readonly do: 'cluster'; readonly buckets?: number | null }

/** Codes by which a service refuses what makes no sense in the present state: the table must then be as it was. */
const REFUSALS = ['TRB-LAKE-066', 'TRB-LAKE-070', 'TRB-LAKE-071', 'TRB-LAKE-072', 'TRB-LAKE-073'] as const

const [ID, NOTE, REGION, LSN]: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'int' } },
  { name: 'note', type: { kind: 'string' } },
  { name: 'region', type: { kind: 'string' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
const WIDE: LakeColumn = { name: 'wide', type: { kind: 'string' } }
const SHARED: ConcurrencySettings = { mode: 'optimistic_concurrency_control', lock: 'storage', times: { waitMs: 3_600_000 } }

function columnsOf(wide: boolean, big: boolean): LakeColumn[] {
  return [ID!, NOTE!, ...(wide ? [WIDE] : []), REGION!, { name: 'n', type: { kind: big ? 'long' : 'int' } }, LSN!]
}

/** One table in a store, and the process that works on it. `reopened` gives the same store to a new process. */
export class World<S extends SimStore = MemoryStore> {
  readonly store: S
  readonly clock: SimClock
  readonly shape: Shape
  readonly #scratch: string

  constructor(shape: Shape, scratch: string, clock: SimClock, store: S) {
    this.shape = shape
    this.clock = clock
    this.store = store
    this.#scratch = scratch
  }

  /** A table in memory. */
  static inMemory(shape: Shape, scratch: string): World {
    const clock = simClock(Date.UTC(2026, 10, 21))
    return new World(shape, scratch, clock, new MemoryStore(clock))
  }

  /** A copy of everything stored, with a clock of its own that goes on from now. */
  static copyOf(of: World): World {
    const clock = simClock(of.clock.now(), of.clock.ids)
    return new World(of.shape, of.#scratch, clock, of.store.copy(clock))
  }

  reopened(): World<S> {
    return new World(this.shape, this.#scratch, this.clock, this.store.reopen() as S)
  }

  /** A new process that knows nothing: what it must do before it may work. Whoever was at work before is long dead. */
  async recover(): Promise<void> {
    this.clock.advance(600_000)
    const ts = this.timeline()
    await finishRestore(ts)
    await resumeClusterings(await fresh(ts), this.#deps())
    if (this.shape.tableType === 'MERGE_ON_READ') await resumeLogCompactions(ts, this.#deps())
    await rollBackFailed(ts)
  }

  #deps(): CompactionDeps {
    return { scratchDir: this.#scratch, memoryBudget: 1 << 20, rowGroupBytes: 1 << 16, sole: true }
  }

  timeline(): TimelineStore {
    return new TimelineStore(this.store, 't', this.clock)
  }

  /** The timeline, read. */
  async fresh(): Promise<TimelineStore> {
    return fresh(this.timeline())
  }

  async create(): Promise<void> {
    await this.writer()
    const { cdc } = this.shape
    if (cdc === undefined || cdc === null) return
    await this.timeline().updateProperties((p) => {
      p.set('hoodie.table.cdc.enabled', 'true')
      p.set('hoodie.table.cdc.supplemental.logging.mode', cdc)
    })
  }

  /** Performs an operation and says what must hold afterwards. */
  async perform(op: Op, was: Expected): Promise<Expected> {
    try {
      return await this.#perform(op, was)
    } catch (e) {
      if (REFUSALS.some((code) => isFailure(e, code))) return was
      throw e
    }
  }

  async #perform(op: Op, was: Expected): Promise<Expected> {
    const ts = this.timeline()
    switch (op.do) {
      case 'write':
        return this.write(op, was, await this.writer())
      case 'both':
        return this.#both(op, was)
      case 'overwrite':
        return this.#overwrite(op, was)
      case 'drop': {
        if (!this.shape.partitioned || was.states.size === 0) return was
        const { instant } = await deletePartitions(this.store, (await this.writer()).spec, [op.region], this.#writerDeps())
        return this.#committed(was, instant!, this.#afterDrop(op, was))
      }
      case 'clean': {
        const done = await clean(ts, { kind: op.policy, retain: op.retain })
        const from =
          done
            .map((d) => d.from ?? '')
            .sort()
            .at(-1) ?? ''
        // A policy of versions promises nothing about earlier states; of savepoints the content is checked all the same.
        const newest = [...was.states.keys()].at(-1) ?? ''
        const reach = op.policy === 'versions' ? newest : from
        return { ...was, from: [reach, was.from].sort()[1]! }
      }
      case 'archive':
        await archive(ts, { min: op.min, max: op.min + op.spare })
        return was
      case 'savepoint': {
        await ts.refresh()
        const at = completedWrites(ts.timeline, null).at(-1 - op.back)?.time ?? null
        await createSavepoint(ts, at, 'sim', '')
        return was
      }
      case 'unsavepoint': {
        const last = (await listSavepoints(ts)).at(-1)
        if (last !== undefined) await deleteSavepoint(ts, last.time)
        return was
      }
      case 'restore': {
        const last = (await listSavepoints(ts)).at(-1)
        if (last === undefined) return was
        await restore(ts, last.time)
        return upTo(was, last.time)
      }
      case 'rollback': {
        await ts.refresh()
        const newest = completedWrites(ts.timeline, null).at(-1)
        if (newest === undefined) return was
        await rollBackInstant(ts, newest.time)
        return upTo(was, completedWrites(ts.timeline, null).at(-1)?.time ?? '')
      }
      case 'compact':
        if (this.shape.tableType === 'MERGE_ON_READ') await compactAll(ts, this.#deps())
        return this.#serviced(was)
      case 'compactLogs': {
        if (this.shape.tableType !== 'MERGE_ON_READ' || was.states.size === 0) return was
        await fresh(ts)
        await resumeLogCompactions(ts, this.#deps())
        await compactLogs(ts, await compactable(ts), this.#deps())
        return this.#serviced(was)
      }
      case 'cluster': {
        // A table that was never written has no columns to sort by.
        if (was.states.size === 0) return was
        const policy = { ...DEFAULT_CLUSTERING, sort: ['note'], buckets: op.buckets ?? null }
        await fresh(ts)
        // Buckets cannot be counted anew beside a plan.
        if (policy.buckets !== null && this.shape.tableType === 'MERGE_ON_READ') await resumeCompactions(ts, this.#deps())
        await cluster(ts, policy, this.#deps())
        return this.#serviced(was)
      }
      case 'wait':
        this.clock.advance(op.hours * 3_600_000)
        return was
    }
  }

  async write(op: Extract<Op, { do: 'write' }>, was: Expected, writer: LakeTableWriter): Promise<Expected> {
    const exp = { ...was, wide: was.wide || op.wide, big: was.big || op.big === true }
    const columns = columnsOf(op.wide, exp.big)
    await writer.evolve(columns)
    const staged = await writer.stage([changesOf(columns, changesFor(op.rows, op.wide, exp), false)])
    if ((await writer.commit(staged, checkpointOf(was.writes + 1))) !== 'committed') throw new Error('a lone writer met a conflict')
    return this.#afterWrite(op, was, staged.instant)
  }

  /** The expectation after a write that has happened, whoever made it. */
  async #afterWrite(op: Extract<Op, { do: 'write' }>, was: Expected, instant: string): Promise<Expected> {
    const exp = { ...was, wide: was.wide || op.wide, big: was.big || op.big === true, writes: was.writes + 1, lsn: was.lsn + 100 }
    return this.#committed(exp, instant, applied(rowsNow(was), op.rows, op.wide, exp.big))
  }

  /** Both writers have staged before the first one commits: the second one commits, too, or meets a conflict and does it again. */
  async #both(given: Extract<Op, { do: 'both' }>, was: Expected): Promise<Expected> {
    const op = this.#apart(given, was)
    const columns = columnsOf(false, was.big)
    const [a, b] = [await this.writer(SHARED), await this.writer(SHARED)]
    for (const w of [a, b]) await w.evolve(columns)
    const mine = await a.stage([changesOf(columns, changesFor(op.rows, false, was), false)])
    const second = { ...was, lsn: was.lsn + 100 }
    let theirs = await b.stage([changesOf(columns, changesFor(op.others, false, second), false)])
    if ((await a.commit(mine, checkpointOf(was.writes + 1))) !== 'committed') throw new Error('the first one to commit met a conflict')
    while ((await b.commit(theirs, checkpointOf(was.writes + 2))) !== 'committed') {
      await b.abandon(theirs)
      theirs = await b.stage([changesOf(columns, changesFor(op.others, false, second), false)])
    }
    return this.#afterBoth(op, was, [mine.instant, theirs.instant])
  }

  /**
   * The changes of two writers whose order can be told: who deletes a key that is not there touches nothing, so that it may as well have been
   * before an insert of the other. Where nothing is left of one, a row of its own is.
   */
  #apart({ rows, others }: Extract<Op, { do: 'both' }>, was: Expected): Extract<Op, { do: 'both' }> {
    const known = rowsNow(was)
    const real = (list: readonly RowChange[], spare: number): readonly RowChange[] => {
      const left = list.filter(([id, note]) => note !== null || known.has(id))
      return left.length > 0 ? left : [[spare, 'spare']]
    }
    return { do: 'both', rows: real(rows, 4), others: real(others, 5) }
  }

  async #afterBoth(op: Extract<Op, { do: 'both' }>, was: Expected, [a, b]: readonly [string, string]): Promise<Expected> {
    const first = await this.#afterWrite({ do: 'write', rows: op.rows, wide: false }, was, a)
    return this.#afterWrite({ do: 'write', rows: op.others, wide: false }, first, b)
  }

  async #overwrite(op: Extract<Op, { do: 'overwrite' }>, was: Expected): Promise<Expected> {
    const rows = this.#overwriting(op, was)
    if (rows.length === 0) return was
    const columns = columnsOf(was.wide, was.big)
    const writer = await this.writer()
    await writer.evolve(columns)
    const chunks = async function* (): AsyncGenerator<ReturnType<typeof changesOf>> {
      yield changesOf(columns, changesFor(rows, was.wide, was), false)
    }
    const operation = op.table ? 'INSERT_OVERWRITE_TABLE' : 'INSERT_OVERWRITE'
    const { instant } = await overwrite(this.store, writer.spec, chunks(), operation, this.#writerDeps())
    return this.#committed({ ...was, lsn: was.lsn + 100 }, instant!, this.#afterOverwrite(op, was))
  }

  /** The rows of an overwrite that may be written: none has a key that stays in another partition. */
  #overwriting(op: Extract<Op, { do: 'overwrite' }>, was: Expected): readonly RowChange[] {
    const newest = new Map(op.rows.map((r) => [r[0], r]))
    let rows = [...newest.values()].filter(([, note]) => note !== null)
    if (op.table || !this.shape.partitioned) return rows
    for (;;) {
      const touched = new Set(rows.map(([id, , moved]) => regionOf(id, moved)))
      const kept = rows.filter(([id]) => touched.has(rowsNow(was).get(id)?.region ?? [...touched][0]!))
      if (kept.length === rows.length) return rows
      rows = kept
    }
  }

  #afterOverwrite(op: Extract<Op, { do: 'overwrite' }>, was: Expected): ModelRows {
    const rows = this.#overwriting(op, was)
    const touched = new Set(rows.map(([id, , moved]) => regionOf(id, moved)))
    const stays = op.table || !this.shape.partitioned ? [] : [...rowsNow(was)].filter(([, r]) => !touched.has(r.region))
    return applied(new Map(stays), rows, was.wide, was.big)
  }

  #afterDrop({ region }: Extract<Op, { do: 'drop' }>, was: Expected): ModelRows {
    return new Map([...rowsNow(was)].filter(([, r]) => r.region !== region))
  }

  /** What a service has completed shows the rows as they were. One that had been planned before later writes has a state of its own time. */
  async #serviced(was: Expected): Promise<Expected> {
    const ts = await fresh(this.timeline())
    const newest = [...was.states.keys()].at(-1) ?? ''
    let exp = was
    for (const { time } of completedWrites(ts.timeline, null)) if (time > newest) exp = grown(exp, time, rowsNow(was))
    return exp
  }

  /** A write at `instant`; what has been compacted before it on the way shows the rows before. */
  async #committed(was: Expected, instant: string, rows: ModelRows): Promise<Expected> {
    const ts = await fresh(this.timeline())
    const newest = [...was.states.keys()].at(-1) ?? ''
    let exp = was
    for (const { time } of completedWrites(ts.timeline, null)) if (time > newest && time < instant) exp = grown(exp, time, rowsNow(was))
    return grown(exp, instant, rows)
  }

  /**
   * What must hold after an operation that a fault may have ended at any point, and a new process has recovered; it is done again where it had
   * not taken effect.
   */
  async performAgain(op: Op, was: Expected): Promise<Expected> {
    if (op.do === 'unsavepoint') return was
    const ts = await fresh(this.timeline())
    const times = completedWrites(ts.timeline, null).map((i) => i.time)
    const newest = times.at(-1) ?? ''
    if (op.do === 'write' && (await this.#written()) > was.writes) return this.#afterWrite(op, was, newest)
    if (op.do === 'both') {
      const { rows, others } = this.#apart(op, was)
      const done = (await this.#written()) - was.writes
      if (done === 2) return this.#afterBoth({ do: 'both', rows, others }, was, [times.at(-2)!, newest])
      if (done === 1) {
        const first = await this.#afterWrite({ do: 'write', rows, wide: false }, was, newest)
        return this.perform({ do: 'write', rows: others, wide: false }, first)
      }
    }
    if (op.do === 'rollback' && newest !== [...was.states.keys()].at(-1)) return upTo(was, newest)
    if (op.do === 'overwrite' || op.do === 'drop') {
      const last = ts.timeline.instants.findLast((i) => i.time === newest && i.action === 'replacecommit')
      if (last !== undefined && !was.states.has(newest)) {
        const exp = op.do === 'drop' ? was : { ...was, lsn: was.lsn + 100 }
        return this.#committed(exp, newest, op.do === 'drop' ? this.#afterDrop(op, was) : this.#afterOverwrite(op, was))
      }
    }
    return this.perform(op, was)
  }

  /** nextOffset of the newest commit that has one; 0: none. */
  async #written(): Promise<number> {
    return (await (await this.writer()).checkpoint())?.nextOffset ?? 0
  }

  /** The rows of a state as text, by our reader. */
  async rows(asOf: string | null): Promise<string[]> {
    const plan = await new LakeTableReader(this.store, 't', this.clock).plan(
      asOf === null ? { kind: 'latest' } : { kind: 'asOf', instant: asOf },
      'snapshot',
    )
    const rules = mergeRulesOf(await this.timeline().properties(), 't')
    const toText = rowLines([...META, ...plan.columns])
    const out: string[] = []
    for (const slice of plan.slices) {
      const request = { store: this.store, table: 't', slice, schema: plan.columns, rules, visible: plan.counts }
      for await (const chunk of mergedRows(request)) {
        for (const line of toText(chunk.vectors, chunk.count).split('\n')) if (line !== '') out.push(rowText(JSON.parse(line)))
      }
    }
    return out.sort()
  }

  /** The same of a copy-on-write table by the planner and a Parquet reader that is not ours. */
  async rowsOfFiles(): Promise<string[]> {
    const plan = await new LakeTableReader(this.store, 't', this.clock).plan({ kind: 'latest' })
    const out: string[] = []
    for (const f of plan.files) {
      const body = await this.store.get(f.key)
      out.push(...(await parquetReadObjects({ file: new Uint8Array(body).buffer })).map(rowText))
    }
    return out.sort()
  }

  async writer(concurrency?: ConcurrencySettings): Promise<LakeTableWriter> {
    const { tableType, tableVersion, buckets, partitioned } = this.shape
    const partition = partitioned ? ({ column: 'region', truncate: 'none' } as const) : null
    const spec: TableSpec = {
      ...{ name: 't', database: 'd', path: 't', columns: columnsOf(false, false), key: ['id'], orderingField: '_event_lsn' },
      ...{ partition, buckets, tableType, tableVersion },
    }
    const deps = this.#writerDeps()
    return openTableWriter(this.store, spec, concurrency === undefined ? deps : { ...deps, concurrency })
  }

  #writerDeps(): { readonly clock: SimClock; readonly scratchDir: string } {
    return { clock: this.clock, scratchDir: this.#scratch }
  }
}

function checkpointOf(writes: number): Checkpoint {
  return { source: 's', commit: null, commitUs: null, topic: 't', nextOffset: writes }
}

function changesFor(rows: readonly RowChange[], wide: boolean, { lsn, big }: Pick<Expected, 'lsn' | 'big'>): TestChange[] {
  return rows.map(([id, note, moved], i) => {
    const n = big ? BigInt(amountOf(id, big)) : id
    const row = [id, note, ...(wide ? ['w'] : []), regionOf(id, moved), n, BigInt(lsn + i)]
    return { op: note === null ? 'd' : 'u', row, gone: [] }
  })
}

function amountOf(id: number, big: boolean): string {
  return String(big ? 2 ** 40 + id : id)
}

function applied(before: ModelRows, rows: readonly RowChange[], wide: boolean, big: boolean): ModelRows {
  const out = new Map(before)
  for (const [id, note, moved] of rows) {
    if (note === null) out.delete(id)
    else out.set(id, { note, region: regionOf(id, moved), wide, n: amountOf(id, big) })
  }
  return out
}

async function fresh(ts: TimelineStore): Promise<TimelineStore> {
  await ts.refresh()
  return ts
}
