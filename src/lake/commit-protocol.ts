import { type Claims, latestTime } from '../../timeline/timeline.ts'
import { completedWrites, newestWrite } from '../../timeline/view.ts'
import type { Clock } from '../contract/clock.ts'
import type { ObjectStore } from '../contract/object-store.ts'
import type { FileSlice } from '../contract/slice.ts'
import type { Checkpoint } from '../contract/table.ts'
import { assert, Failure } from '../failure/failure.ts'
import { countingConfiguration, settleBucketChanges } from './bucket-change.ts'
import { type BaseFileObject, parseBaseFileName, parseLogFileName } from './layout/file-name.ts'
import { join, type MarkerKind } from './layout/paths.ts'
import { hasBuckets } from './layout/table-properties.ts'
import { cameSince, crosses, lostGround, overlap, type Seen, seenNow, touchedBy } from './lock/conflicts.ts'
import { guarded, type TableConcurrency } from './lock/table-concurrency.ts'
import type { HeldLock } from './lock/table-lock.ts'
import { readCheckpoint } from './metadata/checkpoint.ts'
import { printClusteringPlan, REBUCKETED } from './metadata/clustering-plan.ts'
import type { CommitMetadata, Operation } from './metadata/commit-metadata.ts'
import { openForWriting, sweepMetadataTable } from './open-for-writing.ts'
import { writesBefore } from './recorded-writes.ts'
import { type RolledBack, recover, rollBack } from './rollback.ts'
import { TimelineStore } from './timeline-store.ts'

/** Actions that write rows. */
export type WriteAction = 'commit' | 'deltacommit' | 'replacecommit'

interface Open {
  readonly time: string
  readonly action: WriteAction
  /** Newest time on the timeline when it began: whatever completed later is somebody else's. */
  readonly after: string | null
  /** What was there when it began; of writers that share the table only. */
  readonly seen: Seen | null
  /** What `complete` wrote, or tried to write: in layout 2 the bytes are not the same twice. */
  tried: { readonly metadata: CommitMetadata; readonly body: Buffer } | null
  /** Files that were announced, by path: nobody else announces files of this instant. */
  readonly marks: Map<string, MarkerKind>
}

/**
 * How a writer takes part in a table: begin → (mark, write files)* → complete, or abandon. One instant at a time.
 * A new process rolls back what an earlier one left before its first instant (`begin` does it). With `sharing` several writers may have an
 * instant open at the same time: each begins and completes under the table's lock, and of two that wrote the same file groups the one that
 * completes later is in conflict.
 */
export class CommitProtocol {
  readonly timeline: TimelineStore
  readonly #store: ObjectStore
  readonly #sharing: TableConcurrency | null
  #open: Open | null = null
  #swept = false
  #configuration: ReadonlyMap<string, string> | null = null
  /** What this writer knows of the timeline is what it left: only the end needs to be looked at. */
  #known = false

  constructor(store: ObjectStore, table: string, clock: Clock, sharing: TableConcurrency | null = null) {
    this.#store = store
    this.#sharing = sharing
    this.timeline = new TimelineStore(store, table, clock)
    this.timeline.optimistic = sharing !== null
  }

  /** The table's configuration, as `begin` or `recover` has read it last. */
  get configuration(): ReadonlyMap<string, string> {
    assert(this.#configuration !== null, 'the configuration has been read')
    return this.#configuration
  }

  /** Rolls back what dead writers left; called by begin. Returns what was rolled back. */
  async recover(next: WriteAction | null = null): Promise<readonly RolledBack[]> {
    return await this.#alone(() => this.#recover(next))
  }

  async #recover(next: WriteAction | null): Promise<readonly RolledBack[]> {
    const ts = this.timeline
    this.#configuration = await openForWriting(ts)
    const last = ts.timeline.instants.at(-1)?.time
    const same = this.#known && last !== undefined && (await ts.refreshTail(last))
    this.#known = false
    if (!same) await ts.refresh()
    const done = await recover(ts, next)
    await settleBucketChanges(ts)
    this.#configuration = await countingConfiguration(ts)
    if (!this.#swept) {
      await ts.sweepMarkers()
      await sweepMetadataTable(ts)
    }
    this.#swept = true
    this.#open = null
    return done
  }

  /**
   * The next instant, requested and inflight. Configuration and timeline are read again: another engine may have changed them.
   * `claims`: file groups (`partition/fileId`) that it is going to write; none: conflicts are found when it completes.
   */
  async begin(action: WriteAction, operation: Operation, claims: Claims = 'all'): Promise<string> {
    return await this.#alone((held) => this.#begin(action, operation, held === null ? claims : [], held))
  }

  async #begin(action: WriteAction, operation: Operation, claims: Claims, held: HeldLock | null): Promise<string> {
    await this.#recover(action)
    const ts = this.timeline
    const after = latestTime(ts.timeline)
    const time = ts.nextTime()
    const seen = held === null ? null : seenNow(ts.timeline)
    await this.#sharing?.begin(time)
    await held?.check()
    const plan = action === 'replacecommit' ? printClusteringPlan(null, ts.layout === 1 ? 6 : 9, ts.sync()) : undefined
    const requested = await ts.perform({ event: 'request', action, time, claims }, plan)
    const profile = { stats: new Map(), compacted: false, extra: new Map(), operation, replaced: null }
    const started = requested === 'done' ? await ts.perform({ event: 'start', action, time }, ts.printCommit(profile)) : 'exists'
    if (started === 'exists') {
      await this.#sharing?.end(time)
      throw new Failure('TRB-LAKE-011', { table: ts.table, refusal: `${time}.${action} was taken by somebody else` })
    }
    this.#open = { time, action, after, seen, tried: null, marks: new Map() }
    return time
  }

  /** Announces a data file (path relative to the table) of the open instant, before it is written. */
  async mark(time: string, path: string, kind: MarkerKind): Promise<void> {
    assert(this.#open?.time === time, `instant ${time} is open`)
    this.#open.marks.set(path, kind)
    await this.timeline.mark(time, path, kind)
  }

  /**
   * The only visible effect. 'conflict': another writer completed an instant, or rolled this one back, since begin; call abandon, then stage again.
   * May be repeated after an error: a commit that had been made is recognised by its bytes.
   * `amend` makes the metadata from the newest checkpoint of the table while nobody else can commit; null from it: 'conflict'.
   */
  async complete(
    time: string,
    metadata: CommitMetadata,
    amend: ((newest: Checkpoint | null) => CommitMetadata | null) | null = null,
  ): Promise<'committed' | 'conflict'> {
    const done = await this.#alone((held) => this.#complete(time, metadata, amend, held))
    if (done === 'committed') await this.#sharing?.end(time)
    return done
  }

  async #complete(
    time: string,
    given: CommitMetadata,
    amend: ((newest: Checkpoint | null) => CommitMetadata | null) | null,
    held: HeldLock | null,
  ): Promise<'committed' | 'conflict'> {
    const open = this.#open
    assert(open?.time === time, `instant ${time} is open`)
    const ts = this.timeline
    this.#known = false
    if (open.seen === null) await ts.refreshTail(open.after ?? '')
    else await ts.refresh()
    const found = ts.timeline.instants.find((i) => i.time === time && i.action === open.action)
    // A commit that may have been made already is compared with what was tried, not with what would be tried now.
    const retried = amend === null || (found?.state === 'completed' && open.tried !== null)
    const metadata = retried ? (amend === null ? given : (open.tried?.metadata ?? given)) : amend(await checkpointAt(ts, null))
    if (metadata === null) return 'conflict'
    const body = open.tried?.metadata === metadata ? open.tried.body : ts.printCommit(metadata)
    open.tried = { metadata, body }
    if (found?.state !== 'completed') {
      if (found?.state !== 'inflight' || (await this.#hasRival(open, metadata))) return 'conflict'
      await this.#dropStrays(open, metadata)
      await held?.check()
      if ((await ts.perform({ event: 'complete', action: open.action, time }, body)) === 'exists') return 'conflict'
    } else if (!(await this.#store.get(ts.keyOf(found))).equals(body)) return 'conflict'
    this.#open = null
    ts.latest = replaceFiles(ts, metadata, time)
    ts.slices = nextSlices(ts, metadata)
    await ts.unmark(time, open.marks)
    this.#known = held === null
    return 'committed'
  }

  /** Whether somebody else has completed something since this instant began that its files do not know of. */
  async #hasRival(open: Open, metadata: CommitMetadata): Promise<boolean> {
    const ts = this.timeline
    const { seen, time } = open
    if (seen === null) return completedWrites(ts.timeline, null).some((i) => i.time !== time && i.time > (open.after ?? ''))
    if (lostGround(ts.timeline, seen)) return true
    const buckets = hasBuckets(this.configuration)
    const touched = touchedBy(metadata, buckets)
    const { completed, planned } = cameSince(ts.timeline, seen, time)
    if (planned.some((i) => crosses(i, touched, buckets))) return true
    for (const i of completed) {
      const theirs = await ts.commit(i.time, i.action)
      // After a change of the number of buckets our rows are where nobody looks for them.
      if (theirs.extra.has(REBUCKETED) || overlap(touched, touchedBy(theirs, buckets))) return true
    }
    return false
  }

  /** Under the table's lock when it is shared. */
  async #alone<R>(work: (held: HeldLock | null) => Promise<R>): Promise<R> {
    if (this.#sharing === null) return await work(null)
    return await this.#sharing.exclusively((held) => guarded(this.timeline, held, () => work(held)))
  }

  /** Takes the instant and its files away. No error when somebody else had rolled it back. */
  async abandon(time: string): Promise<void> {
    const ts = this.timeline
    this.#known = false
    this.#open = null
    try {
      await this.#alone(async () => {
        await ts.refresh()
        const found = ts.timeline.instants.find((i) => i.time === time && i.state !== 'completed' && i.action !== 'savepoint')
        if (found !== undefined) await rollBack(ts, time, found.action)
      })
    } finally {
      // Whatever is left of it is a dead instant: others may take it away.
      await this.#sharing?.end(time)
    }
  }

  /** Newest completed write; null: none. Reads the timeline when that has not been done. */
  async newest(): Promise<string | null> {
    if (this.timeline.timeline.instants.length === 0) await this.timeline.refresh()
    return newestWrite(this.timeline.timeline, null)?.time ?? null
  }

  /** Checkpoint of the newest completed write that has one; null: none. */
  async checkpoint(): Promise<Checkpoint | null> {
    await this.timeline.refresh()
    return checkpointAt(this.timeline, null)
  }

  /** Files that were announced but are not part of the commit (a try that was repeated) must not outlive it. */
  async #dropStrays(open: Open, metadata: CommitMetadata): Promise<void> {
    const stats = [...metadata.stats.values()].flat()
    const kept = new Set<string | null>(stats.flatMap((s) => [s.path, ...Object.keys(s.cdcStats ?? {})]))
    const strays = [...open.marks.keys()].filter((path) => !kept.has(path))
    if (strays.length > 0) await this.#store.delete(strays.map((path) => join(this.timeline.table, path)))
  }
}

/** The newest base files after a commit: those that it wrote, in place of those of the same file groups. Null: not known before. */
function replaceFiles(ts: TimelineStore, metadata: CommitMetadata, instant: string): readonly BaseFileObject[] | null {
  if (ts.latest === null || metadata.replaced !== null) return null
  const group = (partition: string, fileId: string): string => `${partition}/${fileId}`
  const files = new Map(ts.latest.map((f) => [group(f.partition, f.fileId), f]))
  for (const [partition, stats] of metadata.stats) {
    for (const { path, fileId, fileSizeInBytes: bytes } of stats) {
      if (path === null) continue
      const name = path.slice(path.lastIndexOf('/') + 1)
      files.set(group(partition, fileId), { partition, fileId, instant, key: join(ts.table, path), name, bytes })
    }
  }
  return [...files.values()]
}

/**
 * The newest slices after a commit: a base file that it wrote is a new slice, a log one more of its slice. Null: not known before, or more
 * has changed than that.
 */
function nextSlices(ts: TimelineStore, metadata: CommitMetadata): readonly FileSlice[] | null {
  if (ts.slices === null || metadata.replaced !== null || metadata.compacted) return null
  const slices = new Map(ts.slices.map((s) => [`${s.partition}/${s.fileId}`, s]))
  for (const [partition, stats] of metadata.stats) {
    for (const { path, fileId, fileSizeInBytes: bytes, numWrites: rows } of stats) {
      if (path === null) continue
      const group = `${partition}/${fileId}`
      const name = path.slice(path.lastIndexOf('/') + 1)
      const key = join(ts.table, path)
      const base = parseBaseFileName(name)
      const log = base === null ? parseLogFileName(name) : null
      const before = slices.get(group)
      if (base !== null) {
        const file = { partition, fileId, key, bytes, rows, instant: base.instant }
        slices.set(group, { partition, fileId, baseInstant: base.instant, base: file, logs: [] })
      } else if (log !== null && !log.cdc) {
        const { baseInstant: instant, version, token } = log
        const logs = [...(before?.logs ?? []), { key, name, bytes, instant, version, token: token ?? '' }]
        slices.set(group, { partition, fileId, baseInstant: before?.baseInstant ?? instant, base: before?.base ?? null, logs })
      }
    }
  }
  return [...slices.values()]
}

/** Checkpoint of the newest completed write ≤ asOf (null: all) that has one, archived or not. */
export async function checkpointAt(ts: TimelineStore, asOf: string | null): Promise<Checkpoint | null> {
  for await (const write of writesBefore(ts, asOf)) {
    const found = readCheckpoint(write, `${write.time}.${write.action} of ${ts.table}`)
    if (found !== null) return found
  }
  return null
}
