import { effectiveTime, type Instant } from '../../../timeline/timeline.ts'
import { completedWrites } from '../../../timeline/view.ts'
import type { Clock } from '../../contract/clock.ts'
import type { LakeColumn } from '../../contract/columns.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { FileSlice, MergeRules, RowChunk } from '../../contract/slice.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { archivedInstants } from '../archived-timeline.ts'
import { parseBaseFileName, parseLogFileName } from '../layout/file-name.ts'
import { join } from '../layout/paths.ts'
import { checkHistory, checkReadable, specOf, storedColumns } from '../layout/table-properties.ts'
import type { WriteStat } from '../metadata/commit-metadata.ts'
import { columnsAt } from '../open-table.ts'
import { TimelineStore } from '../timeline-store.ts'
import { type ChangeChunk, diffSlices } from './cdc-diff.ts'
import { loggedChanges } from './cdc-log.ts'
import { type DeltaLimit, type DeltaRequest, mergedRows } from './delta.ts'
import type { CommitRange } from './incremental.ts'
import { mergeRulesOf } from './merge-rules.ts'
import { blockVisibility, type DataFiles, listDataFiles, slicesOf } from './slices.ts'
import { writeAt } from './whole-state.ts'

/** Changes of rows, one kind of change and one commit per batch. */
export interface ChangeBatch extends ChangeChunk {
  /** The commit that made them. */
  readonly commit: string
}

export interface ChangeScan {
  /** Columns of the images of rows, without meta columns. */
  readonly columns: readonly LakeColumn[]
  /** In the order in which the commits took effect; of one commit all deletes first, then updates before inserts per file group. */
  batches(): AsyncGenerator<ChangeBatch>
}

/** Services rewrite rows and change none. */
const CHANGES_NOTHING: ReadonlySet<string> = new Set(['compaction', 'logcompaction', 'clustering'])

/**
 * The changes of rows that the commits of a range made: after `from`, up to and including `to`, by the time at which they took effect. Where a
 * commit kept a log of both images of its rows (`hoodie.table.cdc.enabled`) that is read; elsewhere the slices of before and after are compared.
 * TRB-LAKE-067 when the range reaches behind the active timeline, TRB-LAKE-068 when a state that has to be compared has been cleaned away.
 */
export async function scanChanges(
  store: ObjectStore,
  table: string,
  clock: Clock,
  range: CommitRange,
  limit?: DeltaLimit,
): Promise<ChangeScan> {
  const ts = new TimelineStore(store, table, clock)
  const properties = await ts.properties()
  checkReadable(properties, table)
  checkHistory(properties, table)
  await ts.refresh()
  const writes = completedWrites(ts.timeline, null)
  await refuseArchived(ts, range, writes)
  const commits = writes
    .filter((i) => effectiveTime(i) > range.from && (range.to === null || effectiveTime(i) <= range.to))
    .sort((a, b) => (effectiveTime(a) < effectiveTime(b) ? -1 : 1))
  const spec = specOf(properties, table, await columnsAt(ts, commits.at(-1)?.time ?? null))
  const columns = storedColumns(spec)
  const files = await listDataFiles(store, table)
  const rules = files.logs.length > 0 ? mergeRulesOf(properties, table) : NO_RULES
  const bounded = limit === undefined ? undefined : { ...limit, name: clock.uuid() }
  const reader = new CommitChanges({ ts, files, columns, rules, limit: bounded })
  return {
    columns,
    async *batches() {
      for (const i of commits) if (!CHANGES_NOTHING.has(i.action)) yield* reader.of(i, writes)
    },
  }
}

const NO_RULES: MergeRules = { mode: 'commit-time', ordering: [], deleteMarker: null, unavailable: null }

async function refuseArchived(ts: TimelineStore, range: CommitRange, writes: readonly Instant[]): Promise<void> {
  const first = writes.map(effectiveTime).reduce<string | null>((a, b) => (a === null || b < a ? b : a), null)
  if (first !== null && range.from >= first) return
  for await (const i of archivedInstants(ts)) {
    if (i.metadata === null) continue
    if ((i.completion ?? i.time) <= range.from) return
    throw new Failure('TRB-LAKE-067', { table: ts.table || ts.store.root, from: range.from, first: i.completion ?? i.time })
  }
}

interface ChangeSource {
  readonly ts: TimelineStore
  readonly files: DataFiles
  readonly columns: readonly LakeColumn[]
  readonly rules: MergeRules
  readonly limit: DeltaRequest['limit']
}

/** The changes of single commits. */
class CommitChanges {
  readonly #source: ChangeSource

  constructor(source: ChangeSource) {
    this.#source = source
  }

  /**
   * A key that has moved between partitions is deleted in one file group and inserted in another: all deletes come first, so that rows can be
   * applied as they come. Only a commit that wrote to several partitions is read twice for it.
   */
  async *of(commit: Instant, writes: readonly Instant[]): AsyncGenerator<ChangeBatch> {
    const { ts, files } = this.#source
    const metadata = await ts.commit(commit.time, commit.action)
    if (metadata.operation === 'CLUSTER' || metadata.operation === 'COMPACT') return
    const earlier = writes.filter((i) => i.time < commit.time).at(-1)?.time ?? ''
    const before = earlier === '' ? [] : await slicesOf(ts, files, earlier)
    const after = await slicesOf(ts, files, commit.time)
    for (const [partition, ids] of metadata.replaced ?? []) {
      for (const fileId of ids) {
        const old = find(before, partition, fileId)
        // What was replaced was there: it has been cleaned, or only an older version is left (a savepoint keeps it).
        if (old === null || !(await isWhole(ts, earlier)) || (await this.#superseded(old, commit, writes))) throw cleaned(ts, commit)
        yield* this.#diff(commit, old, earlier, null)
      }
    }
    const groups = [...writtenGroups(metadata.stats)]
    const changes = (g: WrittenGroup): AsyncGenerator<ChangeBatch> => this.#ofGroup(commit, earlier, g, before, after)
    const several = new Set(groups.map((g) => g.partition)).size > 1
    if (several) for (const g of groups) for await (const batch of changes(g)) if (batch.op === 'd') yield batch
    for (const g of groups) for await (const batch of changes(g)) if (!several || batch.op !== 'd') yield batch
  }

  async *#ofGroup(
    commit: Instant,
    earlier: string,
    { partition, fileId, stats }: WrittenGroup,
    before: readonly FileSlice[],
    after: readonly FileSlice[],
  ): AsyncGenerator<ChangeBatch> {
    const { ts } = this.#source
    const logged = await this.#logged(commit, stats)
    if (logged !== null) {
      for (const chunk of logged) yield { ...chunk, commit: commit.time }
      return
    }
    const old = find(before, partition, fileId)
    const now = find(after, partition, fileId)
    // A commit that found an earlier file of the group, and that one is not left to compare with, or what the commit wrote is not: cleaned.
    const lost = (s: WriteStat): boolean => {
      // A log is on top of a base file that its own slice has; a pending compaction counts as one, and has none yet.
      const from = old === null ? '' : isLogFile(s.path!) ? s.prevCommit : old.baseInstant
      return (s.prevCommit < commit.time && s.prevCommit > from) || !isIn(now, join(ts.table, s.path!))
    }
    if (stats.some(lost)) throw cleaned(ts, commit)
    yield* this.#diff(commit, old, earlier, now)
  }

  /** A write before `commit` gave the group a newer base file than that of `old`, or a log that is not in it. */
  async #superseded(old: FileSlice, commit: Instant, writes: readonly Instant[]): Promise<boolean> {
    const { ts } = this.#source
    for (const w of writes) {
      if (w.time >= commit.time) continue
      for (const path of await ts.pathsOf(w.time, w.action)) {
        const slash = path.lastIndexOf('/')
        const name = path.slice(slash + 1)
        const base = parseBaseFileName(name)
        const log = base === null ? parseLogFileName(name) : null
        if ((base ?? log)?.fileId !== old.fileId || path.slice(0, Math.max(0, slash)) !== old.partition) continue
        if (base !== null && base.instant > old.baseInstant) return true
        if (log === null || log.cdc || isIn(old, join(ts.table, path))) continue
        if ((ts.layout === 1 ? log.baseInstant : effectiveTime(w)) >= old.baseInstant) return true
      }
    }
    return false
  }

  /** What the change logs of these files hold; null: there are none, or they hold less than both images. */
  async #logged(commit: Instant, stats: readonly WriteStat[]): Promise<readonly ChangeChunk[] | null> {
    const { ts, files, columns } = this.#source
    const out: ChangeChunk[] = []
    for (const s of stats) {
      const paths = Object.keys(s.cdcStats ?? {})
      if (paths.length === 0) return null
      for (const path of paths) {
        const key = ts.table === '' ? path : `${ts.table}/${path}`
        const log = files.cdc.find((f) => f.key === key)
        if (log === undefined) throw cleaned(ts, commit)
        const chunks = await loggedChanges(ts.store, log, columns)
        if (chunks === null) return null
        out.push(...chunks)
      }
    }
    return out
  }

  async *#diff(commit: Instant, before: FileSlice | null, earlier: string, after: FileSlice | null): AsyncGenerator<ChangeBatch> {
    const rows = (slice: FileSlice | null, asOf: string) => (): AsyncIterable<RowChunk> => this.#rows(slice, asOf)
    for await (const chunk of diffSlices(commit.time, rows(before, earlier), rows(after, commit.time), this.#source.columns)) {
      yield { ...chunk, commit: commit.time }
    }
  }

  async *#rows(slice: FileSlice | null, asOf: string): AsyncGenerator<RowChunk> {
    if (slice === null) return
    const { ts, columns, rules, limit } = this.#source
    yield* mergedRows({ store: ts.store, table: ts.table, slice, schema: columns, rules, visible: blockVisibility(ts, asOf), limit })
  }
}

/** A file group that a commit wrote to. */
interface WrittenGroup {
  readonly partition: string
  readonly fileId: string
  readonly stats: WriteStat[]
}

function writtenGroups(stats: ReadonlyMap<string, readonly WriteStat[]>): Iterable<WrittenGroup> {
  const groups = new Map<string, WrittenGroup>()
  for (const [partition, some] of stats) {
    for (const s of some) {
      if (s.path === null) continue
      const id = `${partition}/${s.fileId}`
      const group = groups.get(id)
      if (group === undefined) groups.set(id, { partition, fileId: s.fileId, stats: [s] })
      else group.stats.push(s)
    }
  }
  return groups.values()
}

function isLogFile(path: string): boolean {
  return parseLogFileName(path.slice(path.lastIndexOf('/') + 1)) !== null
}

function isIn(slice: FileSlice | null, key: string): boolean {
  return slice !== null && (slice.base?.key === key || slice.logs.some((l) => l.key === key))
}

async function isWhole(ts: TimelineStore, asOf: string): Promise<boolean> {
  try {
    return (await writeAt(ts, asOf)) !== null
  } catch (e) {
    if (isFailure(e, 'TRB-LAKE-018')) return false
    throw e
  }
}

/** `after`: what --from has to be given to leave the commit out. */
function cleaned(ts: TimelineStore, commit: Instant): Failure {
  return new Failure('TRB-LAKE-068', { table: ts.table || ts.store.root, instant: commit.time, after: effectiveTime(commit) })
}

function find(slices: readonly FileSlice[], partition: string, fileId: string): FileSlice | null {
  return slices.find((s) => s.partition === partition && s.fileId === fileId) ?? null
}
