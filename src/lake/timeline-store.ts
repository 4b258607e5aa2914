import { nextInstant } from '../../timeline/instant.ts'
import { type Action, completedAction, type InstantFile, type Layout, parseName, printName } from '../../timeline/name.ts'
import {
  ambiguous,
  EMPTY,
  type Facts,
  foldTimeline,
  type Instant,
  latestTime,
  type StepEvent,
  step,
  type Timeline,
} from '../../timeline/timeline.ts'
import { pendingInstants } from '../../timeline/view.ts'
import type { Clock } from '../contract/clock.ts'
import type { ObjectStore, WriteGuard } from '../contract/object-store.ts'
import type { FileSlice } from '../contract/slice.ts'
import { assert, Failure, isFailure } from '../failure/failure.ts'
import { type OwnerProbe, readOwner } from './lake-lock.ts'
import type { BaseFileObject } from './layout/file-name.ts'
import { hoodieKey, type MarkerKind, markedPath, markerKey, markerPrefix } from './layout/paths.ts'
import { layoutOf, PROPERTIES_BACKUP, PROPERTIES_FILE, parseTableProperties, printTableProperties } from './layout/table-properties.ts'
import { checkNotAhead } from './lock/future-instant.ts'
import { type ClusteringPlan, parseClusteringPlan, REBUCKETED, RETRACTABLE } from './metadata/clustering-plan.ts'
import { parseCommit, printCommitAvro } from './metadata/commit-avro.ts'
import { type CommitMetadata, printCommitMetadata } from './metadata/commit-metadata.ts'
import { type CompactionPlan, parseCompactionPlan } from './metadata/compaction-plan.ts'
import { parseRollbackPlan } from './metadata/rollback-files.ts'

/** A data file that an instant announced by a marker before writing it; path relative to the table. */
export interface Marker {
  readonly key: string
  /** Null: a marker file of a form that isn't ours. */
  readonly path: string | null
}

/**
 * The timeline of one table, of either layout: reads its directory (`.hoodie/`, or `.hoodie/timeline/`) into a timeline, and performs what the
 * timeline's `step` says. The only writer under `.hoodie/`; a completed instant appears only by putIfAbsent.
 */
export class TimelineStore {
  readonly store: ObjectStore
  /** Store path of the table. */
  readonly table: string
  readonly clock: Clock
  /** Told of what was changed besides what was asked for; null: nobody listens. */
  onNotice: ((text: string) => void) | null = null
  /** Newest base files of all file groups as of now (read/slices.ts), while nobody else has changed the table; null: not known. */
  latest: readonly BaseFileObject[] | null = null
  /** The same of file slices (read/slices.ts). */
  slices: readonly FileSlice[] | null = null
  /** Writers share the table: what a pending write of another one touches is found out when one of them completes. */
  optimistic = false
  /** While the table is locked: a step that comes late, or whose answer gets lost, is not made any more when the lock is somebody else's. */
  guard: WriteGuard | null = null
  /** Who this process is, so that the heartbeat of a process of this machine that has died says so at once; null: only its age tells. */
  owner: OwnerProbe | null = null
  /** Where the timeline is; null: the configuration has not been read. */
  #place: Place | null = null
  #configuration: ReadonlyMap<string, string> | null = null
  #timeline: Timeline = EMPTY
  /** What was read of completed writes, by key: it never changes. The last ones, up to COMMIT_BYTES of their files. */
  readonly #commits = new Map<string, { readonly metadata: CommitMetadata; readonly bytes: number }>()
  #commitBytes = 0
  /** Paths that completed writes of the active timeline recorded, by time. */
  readonly #paths = new Map<string, readonly string[]>()
  /** Plans by `time.action`: they never change. */
  readonly #compactions = new Map<string, CompactionPlan>()
  readonly #clusterings = new Map<string, ClusteringPlan | null>()

  constructor(store: ObjectStore, table: string, clock: Clock) {
    this.store = store
    this.table = table
    this.clock = clock
  }

  /** As of the last refresh, and of the steps performed since. */
  get timeline(): Timeline {
    return this.#timeline
  }

  /** The table's configuration as it was read last, once it or the timeline has been read. */
  get configuration(): ReadonlyMap<string, string> {
    assert(this.#configuration !== null, 'the configuration has been read')
    return this.#configuration
  }

  /** Layout of the timeline, once it or the configuration has been read. */
  get layout(): Layout {
    return this.#placed().layout
  }

  /** Reads the whole timeline again. Where there is no table it is empty. */
  async refresh(): Promise<void> {
    this.latest = null
    this.slices = null
    const layout = await this.#ready()
    if (layout === null) {
      this.#timeline = EMPTY
      return
    }
    this.#timeline = { layout, instants: await this.#instantsFrom('') }
    const there = new Set(this.#timeline.instants.map((i) => i.time))
    for (const time of this.#paths.keys()) if (!there.has(time)) this.#paths.delete(time)
  }

  /**
   * Reads the instants from `from` on again; older ones are taken as known, unless they were pending. False: it is not what was known, so
   * somebody else has changed the table (every change of older instants, by restore, archive or clean, comes with an instant at the end),
   * and `refresh` is due.
   */
  async refreshTail(from: string): Promise<boolean> {
    const layout = await this.#ready()
    const known = this.#timeline.instants
    if (layout === null || this.#timeline.layout !== layout) return false
    const open = pendingInstants(this.#timeline).at(0)?.time ?? from
    const start = open < from ? open : from
    const older = known.filter((i) => i.time < start)
    this.#timeline = { layout, instants: [...older, ...(await this.#instantsFrom(start))] }
    const now = this.#timeline.instants
    const same = (a: Instant, b: Instant): boolean =>
      a.time === b.time && completedAction(a.action) === completedAction(b.action) && a.state === b.state && a.completion === b.completion
    return now.length === known.length && now.every((i, n) => same(i, known[n]))
  }

  /** Name of an instant's file in the directory of the timeline. Layout 2 needs the completion time of a completed one. */
  fileName(file: InstantFile): string {
    return printName(file, this.layout)
  }

  /** Store key of an instant's file in its present state. */
  keyOf(instant: Instant): string {
    return this.#key(printName(instant, this.layout))
  }

  /**
   * Performs one event. 'exists': somebody else had created the file. A step that the timeline refuses fails with TRB-LAKE-011.
   * In layout 2 a completion gets its time here, unless the event has one.
   */
  async perform(event: StepEvent, body: Uint8Array = EMPTY_BODY): Promise<'done' | 'exists'> {
    const timed = event.event === 'complete' && this.#timeline.layout === 2 && event.completion === undefined
    const next = step(this.#timeline, timed ? { ...event, completion: this.nextTime() } : event)
    if ('refusal' in next) throw new Failure('TRB-LAKE-011', { table: this.table, refusal: next.refusal })
    for (const write of next.writes) {
      await this.guard?.()
      const key = this.#key(write.name)
      if (write.do === 'delete') await this.store.delete([key])
      else if ((await this.store.putIfAbsent(key, body, this.guard ?? undefined)) === 'exists') return 'exists'
    }
    this.#timeline = next.timeline
    return 'done'
  }

  /**
   * Takes archived instants off the active timeline: their pending files first, then the completed ones, oldest first. So what a crash leaves of
   * them are completed instants, the newest ones.
   */
  async takeOff(instants: readonly Instant[]): Promise<void> {
    const pending = (['requested', 'inflight'] as const).flatMap((state) => instants.map((i) => this.keyOf({ ...i, state })))
    await this.store.delete([...new Set(pending)])
    for (const i of instants) await this.store.delete([this.keyOf(i)])
    const off = new Set(instants.map((i) => `${i.time}.${i.action}`))
    this.#timeline = { ...this.#timeline, instants: this.#timeline.instants.filter((i) => !off.has(`${i.time}.${i.action}`)) }
  }

  /** A time later than every one that the timeline knows, and not before now. TRB-LAKE-082 when the newest lies in the future. */
  nextTime(): string {
    const now = this.clock.now()
    const latest = latestTime(this.#timeline)
    checkNotAhead(this.table, latest, now, this.#place?.utc ?? true)
    return nextInstant(now, latest)
  }

  /** Metadata of a completed commit, deltacommit, replacecommit (or compaction, log compaction, clustering). */
  async commit(time: string, action: Action): Promise<CommitMetadata> {
    const name = completedAction(action)
    const at = this.#timeline.instants.find((i) => i.time === time && i.state === 'completed' && completedAction(i.action) === name)
    assert(at !== undefined || this.layout === 1, `${time}.${action} is on the timeline`)
    const key = at === undefined ? this.#key(printName({ time, action, state: 'completed' })) : this.keyOf(at)
    const known = this.#commits.get(key)
    if (known !== undefined) return known.metadata
    const body = await this.store.get(key)
    const metadata = parseCommit(body, key)
    this.#commits.set(key, { metadata, bytes: body.length })
    this.#commitBytes += body.length
    for (const [oldest, { bytes }] of this.#commits) {
      if (this.#commitBytes <= COMMIT_BYTES) break
      this.#commits.delete(oldest)
      this.#commitBytes -= bytes
    }
    return metadata
  }

  /** Paths of the data files that a completed write recorded; remembered while it is on the active timeline. */
  async pathsOf(time: string, action: Action): Promise<readonly string[]> {
    const known = this.#paths.get(time)
    if (known !== undefined) return known
    const paths = [...(await this.commit(time, action)).stats.values()].flatMap((list) => list.flatMap((s) => s.path ?? []))
    this.#paths.set(time, paths)
    return paths
  }

  /** Bytes of a completed write (or of the profile of an inflight one) as this table's version has them. */
  printCommit(m: CommitMetadata): Buffer {
    return this.layout === 1 ? printCommitMetadata(m) : printCommitAvro(m, this.sync())
  }

  /** 16 random bytes, which an Avro file needs. */
  sync(): Buffer {
    return Buffer.from(this.clock.uuid().replaceAll('-', ''), 'hex')
  }

  /** Plan of a compaction or log compaction. TRB-LAKE-004 when it cannot be read. */
  async compactionPlan(time: string, action: 'compaction' | 'logcompaction'): Promise<CompactionPlan> {
    const name = `${time}.${action}.requested`
    const known = this.#compactions.get(name)
    if (known !== undefined) return known
    const plan = parseCompactionPlan(await this.read(name), this.#key(name))
    this.#compactions.set(name, plan)
    return plan
  }

  /** Plan of a clustering; null: the instant is another replacecommit. TRB-LAKE-004 when it cannot be read. */
  async clusteringPlan(time: string): Promise<ClusteringPlan | null> {
    const known = this.#clusterings.get(time)
    if (known !== undefined) return known
    const name = `${time}.${this.layout === 1 ? 'replacecommit' : 'clustering'}.requested`
    const plan = parseClusteringPlan(await this.read(name), this.#key(name))
    this.#clusterings.set(time, plan)
    return plan
  }

  /** Bytes of an instant's file, by its name in the directory of the timeline. */
  async read(name: string): Promise<Buffer> {
    return this.store.get(this.#key(name))
  }

  /** Announces a data file of a pending instant; to be called before the file is written. */
  async mark(time: string, path: string, kind: MarkerKind): Promise<void> {
    await this.store.putIfAbsent(markerKey(this.table, time, path, kind), EMPTY_BODY)
  }

  /** Takes markers away that are known: no listing. */
  async unmark(time: string, marks: ReadonlyMap<string, MarkerKind>): Promise<void> {
    if (marks.size > 0) await this.store.delete([...marks].map(([path, kind]) => markerKey(this.table, time, path, kind)))
  }

  /** Markers of an instant. */
  async markers(time: string): Promise<Marker[]> {
    const out: Marker[] = []
    for await (const o of this.store.list(markerPrefix(this.table, time)))
      out.push({ key: o.key, path: markedPath(this.table, time, o.key) })
    return out
  }

  async clearMarkers(time: string): Promise<void> {
    await this.store.delete((await this.markers(time)).map((m) => m.key))
  }

  /** Takes away the markers of instants that are not pending: left when a writer died just after its commit. */
  async sweepMarkers(): Promise<void> {
    const pending = new Set(this.#timeline.instants.filter((i) => i.state !== 'completed').map((i) => i.time))
    const dir = hoodieKey(this.table, '.temp/')
    const stale: string[] = []
    for await (const o of this.store.list(dir)) {
      if (!pending.has(o.key.slice(dir.length).split('/')[0])) stale.push(o.key)
    }
    await this.store.delete(stale)
  }

  /**
   * Age in ms of the heartbeat that a writer with lazy rollback keeps for its instant; null: none. Infinite when it names a process of this
   * machine that has died (Hudi's own heartbeats are empty: they name nobody).
   */
  async heartbeatAge(time: string): Promise<number | null> {
    const key = hoodieKey(this.table, `.heartbeat/${time}`)
    const beat = await this.store.head(key)
    if (beat === null) return null
    const by = this.owner === null || beat.size === 0 ? null : readOwner((await this.#getOrNull(key)) ?? EMPTY_BODY)
    if (by !== null && this.owner?.isAlive(by) === false) return Number.POSITIVE_INFINITY
    return this.clock.now() - beat.modifiedMs
  }

  /** A sign of life for an instant, to be repeated while it is worked on. It names this process where that is known. */
  async beat(time: string): Promise<void> {
    const key = hoodieKey(this.table, `.heartbeat/${time}`)
    const body = this.owner === null ? EMPTY_BODY : Buffer.from(`${JSON.stringify(this.owner.self)}\n`, 'utf8')
    const at = await this.store.head(key)
    if (at === null) await this.store.putIfAbsent(key, body)
    else await this.store.replaceIfTag(key, body, at.tag)
  }

  /** Nobody works on the instant any more. */
  async endBeat(time: string): Promise<void> {
    await this.store.delete([hoodieKey(this.table, `.heartbeat/${time}`)])
  }

  async clearHeartbeat(time: string): Promise<void> {
    await this.store.delete([hoodieKey(this.table, `.heartbeat/${time}`)])
  }

  /**
   * The table's configuration; its backup when an update was interrupted. TRB-LAKE-001 when there is none, TRB-LAKE-025 when it is there but
   * damaged and no backup is whole.
   */
  async properties(): Promise<Map<string, string>> {
    let damaged: string | null = null
    for (const name of [PROPERTIES_FILE, PROPERTIES_BACKUP]) {
      const body = await this.#getOrNull(hoodieKey(this.table, name))
      const parsed = body === null ? null : parseTableProperties(body)
      if (parsed !== null && typeof parsed !== 'string') {
        this.#place = placeOf(parsed, this.table)
        this.#configuration = parsed
        return parsed
      }
      damaged ??= parsed
    }
    if (damaged === null) throw new Failure('TRB-LAKE-001', { table: this.table, root: this.store.root })
    throw new Failure('TRB-LAKE-025', { table: this.table, file: hoodieKey(this.table, PROPERTIES_FILE), detail: damaged })
  }

  /** Creates the table by its configuration. 'exists': there is one already. */
  async createTable(properties: ReadonlyMap<string, string>): Promise<'created' | 'exists'> {
    const body = printTableProperties(properties, 'Properties saved on', this.clock.now())
    this.#place = null
    return this.store.putIfAbsent(hoodieKey(this.table, PROPERTIES_FILE), body)
  }

  /**
   * Changes the configuration as Hudi does: a backup is written, then the file replaced, then the backup taken away, so that any reader
   * finds one of the two whole. Completes an update that was interrupted first. TRB-LAKE-011 when somebody else changed it meanwhile.
   */
  async updateProperties(change: (p: Map<string, string>) => void): Promise<void> {
    const key = hoodieKey(this.table, PROPERTIES_FILE)
    const backup = hoodieKey(this.table, PROPERTIES_BACKUP)
    await this.#repairProperties(key, backup)
    const at = await this.store.head(key)
    if (at === null) throw new Failure('TRB-LAKE-001', { table: this.table, root: this.store.root })
    const old = await this.store.get(key)
    const properties = await this.properties()
    change(properties)
    await this.store.putIfAbsent(backup, old)
    const body = printTableProperties(properties, 'Updated at', this.clock.now())
    // Hadoop's local file system keeps a checksum beside each file that it wrote, and refuses a file that does not fit it.
    await this.store.delete([PROPERTIES_FILE, PROPERTIES_BACKUP].map((name) => hoodieKey(this.table, `.${name}.crc`)))
    const answer = await this.store.replaceIfTag(key, body, at.tag)
    await this.store.delete([backup])
    if (answer === 'stale') throw new Failure('TRB-LAKE-011', { table: this.table, refusal: `${PROPERTIES_FILE} was changed meanwhile` })
  }

  /** Brings back hoodie.properties from its backup when it is missing or torn, and takes a left-over backup away. */
  async #repairProperties(key: string, backup: string): Promise<void> {
    const saved = await this.#getOrNull(backup)
    if (saved === null) return
    const current = await this.store.head(key)
    const whole = (text: Buffer): boolean => typeof parseTableProperties(text) !== 'string'
    if ((current === null || !whole(await this.store.get(key))) && whole(saved)) {
      if (current === null) await this.store.putIfAbsent(key, saved)
      else await this.store.replaceIfTag(key, saved, current.tag)
    }
    await this.store.delete([backup])
  }

  async #getOrNull(key: string): Promise<Buffer | null> {
    try {
      return await this.store.get(key)
    } catch (e) {
      if (isFailure(e, 'TRB-STORE-001')) return null
      throw e
    }
  }

  /** Layout of the timeline; null: there is no table. */
  async #ready(): Promise<Layout | null> {
    if (this.#place !== null) return this.layout
    try {
      await this.properties()
    } catch (e) {
      if (isFailure(e, 'TRB-LAKE-001')) return null
      throw e
    }
    return this.layout
  }

  #placed(): Place {
    assert(this.#place !== null, 'the configuration has been read')
    return this.#place
  }

  #key(name: string): string {
    return this.#placed().dir + name
  }

  /** Instants with a time ≥ from, as the directory and the plans of pending ones tell them. */
  async #instantsFrom(from: string): Promise<readonly Instant[]> {
    const files: InstantFile[] = []
    const { dir, layout } = this.#placed()
    // Instants begin with a digit; '/' sorts just before '0'.
    // What comes after one of this millennium begins as it does: the directories behind the instants, an archive of thousands of files, stay unread.
    const prefix = from.startsWith('2') ? `${dir}2` : dir
    for await (const object of this.store.list(prefix, dir + (from === '' ? '/' : from))) {
      const name = object.key.slice(dir.length)
      if (name > ':') break
      if (name.includes('/')) continue
      const parsed = parseName(name, layout)
      if (parsed.kind === 'unknown') throw new Failure('TRB-LAKE-004', { file: object.key })
      if (parsed.kind === 'instant') files.push(parsed.file)
    }
    const twice = ambiguous(files)
    if (twice !== null) {
      const [a, b] = twice.map((f) => this.#key(printName(f, layout)))
      throw new Failure('TRB-LAKE-026', { table: this.table, instant: twice[0].time, a, b })
    }
    const facts = new Map<string, Facts>()
    for (const i of foldTimeline(files, facts, layout).instants) {
      if (i.state !== 'completed') facts.set(`${i.time}.${i.action}`, await this.#factsOf(i))
    }
    return foldTimeline(files, facts, layout).instants
  }

  /** What the plan of a pending instant tells; nothing when it cannot be read: then it may concern the whole table. */
  async #factsOf(i: Instant): Promise<Facts> {
    try {
      switch (i.action) {
        case 'rollback': {
          const name = `${i.time}.rollback.requested`
          return { target: parseRollbackPlan(await this.read(name), name).target.time }
        }
        case 'compaction':
        case 'logcompaction': {
          const { operations } = await this.compactionPlan(i.time, i.action)
          return { claims: operations.map((o) => `${o.partition}/${o.fileId}`) }
        }
        case 'replacecommit':
        case 'clustering': {
          const plan = await this.clusteringPlan(i.time)
          if (plan === null) return this.optimistic ? { claims: [] } : {}
          const claims = plan.groups.flatMap((g) => g.slices.map((s) => `${s.partition}/${s.fileId}`))
          const whole = claims.length === 0 || REBUCKETED in plan.extra
          return { clustering: true, claims: whole ? 'all' : claims, retractable: RETRACTABLE in plan.extra }
        }
        case 'commit':
        case 'deltacommit':
          return this.optimistic ? { claims: [] } : {}
        default:
          return {}
      }
    } catch (e) {
      if (isFailure(e, 'TRB-LAKE-004') || isFailure(e, 'TRB-STORE-001')) return {}
      throw e
    }
  }
}

/** Where the timeline is, and whether its instants are in UTC. */
interface Place {
  readonly layout: Layout
  readonly dir: string
  readonly utc: boolean
}

function placeOf(p: ReadonlyMap<string, string>, table: string): Place {
  const layout = layoutOf(p)
  const utc = p.get('hoodie.table.timeline.timezone')?.toUpperCase() === 'UTC'
  return { layout, dir: hoodieKey(table, layout === 1 ? '' : `${p.get('hoodie.timeline.path') || 'timeline'}/`), utc }
}

const EMPTY_BODY = new Uint8Array(0)
/** A plan of a read looks at commits for their schema, their checkpoint and their files. */
const COMMIT_BYTES = 4 << 20
