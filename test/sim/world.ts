import { parquetReadObjects } from 'hyparquet'
import type { LakeColumn } from '../../src/contract/columns.ts'
import type { Checkpoint, TableSpec } from '../../src/contract/table.ts'
import { isFailure } from '../../src/failure/failure.ts'
import { rowLines } from '../../src/format/json/row-lines.ts'
import { mergedRows } from '../../src/lake/read/delta.ts'
import { META } from '../../src/lake/read/log-columns.ts'
import { mergeRulesOf } from '../../src/lake/read/merge-rules.ts'
import { LakeTableReader } from '../../src/lake/read/table-reader.ts'
import { archive } from '../../src/lake/service/archive.ts'
import { clean } from '../../src/lake/service/clean.ts'
import { cluster, DEFAULT_CLUSTERING, resumeClusterings } from '../../src/lake/service/clustering.ts'
import { type CompactionDeps, compactAll } from '../../src/lake/service/compaction.ts'
import { finishRestore, restore } from '../../src/lake/service/restore.ts'
import { rollBackFailed, rollBackInstant } from '../../src/lake/service/rollback.ts'
import { createSavepoint, deleteSavepoint, listSavepoints } from '../../src/lake/service/savepoint.ts'
import { TimelineStore } from '../../src/lake/timeline-store.ts'
import { openTableWriter } from '../../src/lake/write/open-table.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { completedWrites } from '../../timeline/view.ts'
import { changesOf, type TestChange } from '../lake/write/model.ts'
import { fixedClock } from '../support/fixed-clock.ts'

/** What a table is like; chosen per run. */
export interface Shape {
  readonly tableType: 'COPY_ON_WRITE' | 'MERGE_ON_READ'
  readonly tableVersion: 6 | 9
  readonly buckets: number
  readonly partitioned: boolean
}

export type Op =
  /** Rows by id: note, region; null deletes. `wide`: the table has one more column from now on. */
  | { readonly do: 'write'; readonly rows: readonly (readonly [id: number, note: string | null])[]; readonly wide: boolean }
  | { readonly do: 'clean'; readonly policy: 'commits' | 'hours' | 'versions'; readonly retain: number }
  | { readonly do: 'archive'; readonly min: number; readonly spare: number }
  | { readonly do: 'savepoint'; readonly back: number }
  | { readonly do: 'unsavepoint' }
  | { readonly do: 'restore' }
  | { readonly do: 'rollback' }
  | { readonly do: 'wait'; readonly hours: number }
  /** Of a merge-on-read table; nothing in others. */
  | { readonly do: 'compact' }
  /** Rows sorted, file groups replaced. */
  | { readonly do: 'cluster' }

/** What the table must hold, and what is allowed to be forgotten. */
export interface Expected {
  /** Content as of each write that is still part of the history, by its instant, oldest first. */
  readonly states: ReadonlyMap<string, readonly string[]>
  /** States from here on must be readable. */
  readonly from: string
  /** Number of writes asked for: what the next checkpoint says. */
  readonly writes: number
  readonly wide: boolean
  readonly rows: ReadonlyMap<string, ReadonlyMap<number, { readonly note: string; readonly wide: boolean }>>
}

export const NOTHING: Expected = { states: new Map(), from: '', writes: 0, wide: false, rows: new Map() }

/** Codes by which a service refuses what makes no sense in the present state: the table must then be as it was. */
const REFUSALS = ['TRB-LAKE-070', 'TRB-LAKE-071', 'TRB-LAKE-072', 'TRB-LAKE-073'] as const

const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'int' } },
  { name: 'note', type: { kind: 'string' } },
  { name: 'region', type: { kind: 'string' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
const WIDE: LakeColumn = { name: 'wide', type: { kind: 'string' } }

/** One table in a store, and the process that works on it. `reopened` gives the same store to a new process. */
export class World {
  readonly store: MemoryStore
  readonly clock: ReturnType<typeof fixedClock>
  readonly shape: Shape
  readonly #scratch: string

  constructor(shape: Shape, scratch: string, clock = fixedClock(Date.UTC(2026, 10, 21), 1), store = new MemoryStore(clock)) {
    this.shape = shape
    this.clock = clock
    this.store = store
    this.#scratch = scratch
  }

  /** A copy of everything stored, with a clock of its own that goes on from now. */
  async copy(): Promise<World> {
    const clock = fixedClock(this.clock.now(), 1)
    const store = new MemoryStore(clock)
    for (const [key, body] of this.store.snapshot()) await store.putIfAbsent(key, body)
    return new World(this.shape, this.#scratch, clock, store.reopen())
  }

  reopened(): World {
    return new World(this.shape, this.#scratch, this.clock, this.store.reopen())
  }

  /** A new process that knows nothing: what it must do before it may work. */
  async recover(): Promise<void> {
    const ts = this.timeline()
    await finishRestore(ts)
    await resumeClusterings(await fresh(ts), this.#deps())
    await rollBackFailed(ts)
  }

  #deps(): CompactionDeps {
    return { scratchDir: this.#scratch, memoryBudget: 1 << 20, rowGroupBytes: 1 << 16, sole: true }
  }

  timeline(): TimelineStore {
    return new TimelineStore(this.store, 't', this.clock)
  }

  async create(): Promise<void> {
    await this.writer()
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
        return { ...was, from: later(reach, was.from) }
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
      case 'compact': {
        let exp = was
        const rows = [...was.rows.values()].at(-1) ?? new Map()
        if (this.shape.tableType === 'MERGE_ON_READ')
          for (const c of await compactAll(ts, this.#deps())) exp = compacted(exp, c.instant, rows)
        return exp
      }
      case 'cluster': {
        // A table that was never written has no columns to sort by.
        if (was.states.size === 0) return was
        const done = await cluster(await fresh(ts), { ...DEFAULT_CLUSTERING, sort: ['note'] }, this.#deps())
        const rows = [...was.rows.values()].at(-1) ?? new Map()
        return done === null ? was : grown(was, done.instant, rows, was.wide, 0)
      }
      case 'wait':
        this.clock.advance(op.hours * 3_600_000)
        return was
    }
  }

  async write(op: Extract<Op, { do: 'write' }>, was: Expected, writer: Awaited<ReturnType<typeof openTableWriter>>): Promise<Expected> {
    const wide = was.wide || op.wide
    const columns = wide ? [...COLUMNS.slice(0, 3), WIDE, COLUMNS[3]] : COLUMNS
    await writer.evolve(columns)
    const rows = new Map([...was.rows.values()].at(-1) ?? [])
    const changes = op.rows.map(([id, note], i): TestChange => {
      const lsn = BigInt(was.writes * 1000 + i)
      const row = [id, note, regionOf(id), ...(wide ? ['w'] : []), lsn]
      if (note === null) rows.delete(id)
      else rows.set(id, { note, wide })
      return { op: note === null ? 'd' : 'u', row, gone: [] }
    })
    const staged = await writer.stage([changesOf(columns, changes, false)])
    const checkpoint: Checkpoint = { source: 's', commit: null, commitUs: null, topic: 't', nextOffset: was.writes + 1 }
    if ((await writer.commit(staged, checkpoint)) !== 'committed') throw new Error('a lone writer met a conflict')
    return grown(was, staged.instant, rows, wide)
  }

  /**
   * What must hold after an operation that a fault may have ended at any point, and a new process has recovered; it is done again where it had
   * not taken effect.
   */
  async performAgain(op: Op, was: Expected): Promise<Expected> {
    if (op.do === 'write' && (await this.written()) > was.writes) return this.#afterWrite(op, was)
    if (op.do === 'unsavepoint') return was
    if (op.do === 'rollback') {
      const ts = this.timeline()
      await ts.refresh()
      const newest = completedWrites(ts.timeline, null).at(-1)?.time ?? ''
      if (newest !== [...was.states.keys()].at(-1)) return upTo(was, newest)
    }
    return this.perform(op, was)
  }

  /** The expectation after a write that has happened, whoever made it. */
  async #afterWrite(op: Extract<Op, { do: 'write' }>, was: Expected): Promise<Expected> {
    const ts = this.timeline()
    await ts.refresh()
    const rows = new Map([...was.rows.values()].at(-1) ?? [])
    const wide = was.wide || op.wide
    for (const [id, note] of op.rows)
      if (note === null) rows.delete(id)
      else rows.set(id, { note, wide })
    return grown(was, completedWrites(ts.timeline, null).at(-1)!.time, rows, wide)
  }

  /** nextOffset of the newest commit that has one; 0: none. */
  async written(): Promise<number> {
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

  async writer(): ReturnType<typeof openTableWriter> {
    const { tableType, tableVersion, buckets, partitioned } = this.shape
    const partition = partitioned ? ({ column: 'region', truncate: 'none' } as const) : null
    const spec: TableSpec = {
      ...{ name: 't', database: 'd', path: 't', columns: COLUMNS, key: ['id'], orderingField: '_event_lsn' },
      ...{ partition, buckets, tableType, tableVersion },
    }
    return openTableWriter(this.store, spec, { clock: this.clock, scratchDir: this.#scratch })
  }
}

function grown(
  was: Expected,
  instant: string,
  rows: Expected['rows'] extends ReadonlyMap<string, infer R> ? R : never,
  wide: boolean,
  writes = 1,
): Expected {
  const states = new Map(was.states).set(instant, textOf(rows))
  return { ...was, states, rows: new Map(was.rows).set(instant, rows), writes: was.writes + writes, wide }
}

/** One that had been planned before later writes shows, at its own time, a state of which the model knows by the write before it. */
function compacted(was: Expected, instant: string, rows: Parameters<typeof grown>[2]): Expected {
  const newest = [...was.states.keys()].at(-1) ?? ''
  return instant < newest ? was : grown(was, instant, rows, was.wide, 0)
}

function upTo(was: Expected, instant: string): Expected {
  const kept = <V>(m: ReadonlyMap<string, V>): Map<string, V> => new Map([...m].filter(([time]) => time <= instant))
  return { ...was, states: kept(was.states), rows: kept(was.rows), from: was.from === later(was.from, instant) ? instant : was.from }
}

async function fresh(ts: TimelineStore): Promise<TimelineStore> {
  await ts.refresh()
  return ts
}

function later(a: string, b: string): string {
  return [a, b].sort()[1]
}

function regionOf(id: number): string {
  return id % 2 === 0 ? 'even' : 'odd'
}

function textOf(rows: ReadonlyMap<number, { readonly note: string; readonly wide: boolean }>): string[] {
  return [...rows].map(([id, r]) => `${id} ${r.note} ${regionOf(id)} ${r.wide ? 'w' : '-'}`).sort()
}

function rowText(r: Record<string, unknown>): string {
  return `${r.id} ${r.note} ${r.region} ${r.wide ?? '-'}`
}
