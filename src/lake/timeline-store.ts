import { type Action, completedAction, type InstantFile, parseName } from '../../timeline/name.ts'
import { EMPTY, type Facts, foldTimeline, type Instant, type StepEvent, step, type Timeline } from '../../timeline/timeline.ts'
import type { Clock } from '../contract/clock.ts'
import type { ObjectStore } from '../contract/object-store.ts'
import { Failure, isFailure } from '../failure/failure.ts'
import type { BaseFileObject } from './layout/file-name.ts'
import { hoodieKey, type MarkerKind, markedPath, markerKey, markerPrefix } from './layout/paths.ts'
import { PROPERTIES_BACKUP, PROPERTIES_FILE, parseTableProperties, printTableProperties } from './layout/table-properties.ts'
import { readContainer } from './metadata/avro-container.ts'
import { type CommitMetadata, parseCommitMetadata } from './metadata/commit-metadata.ts'
import { parseRollbackPlan } from './metadata/rollback-files.ts'

/** A data file that an instant announced by a marker before writing it; path relative to the table. */
export interface Marker {
  readonly key: string
  /** Null: a marker file of a form that isn't ours. */
  readonly path: string | null
}

/**
 * The directory `.hoodie/` of one table: reads it into a timeline, and performs what the timeline's `step` says.
 * The only writer under `.hoodie/`; a completed instant appears only by putIfAbsent.
 */
export class TimelineStore {
  readonly store: ObjectStore
  /** Store path of the table. */
  readonly table: string
  readonly clock: Clock
  /** Newest base files of all file groups as of now (read/slices.ts), while nobody else has changed the table; null: not known. */
  latest: readonly BaseFileObject[] | null = null
  #clustering = new Set<string>()
  #timeline: Timeline = EMPTY

  constructor(store: ObjectStore, table: string, clock: Clock) {
    this.store = store
    this.table = table
    this.clock = clock
  }

  /** As of the last refresh, and of the steps performed since. */
  get timeline(): Timeline {
    return this.#timeline
  }

  /** Pending replacecommits that are clusterings, by time. */
  get clustering(): ReadonlySet<string> {
    return this.#clustering
  }

  /** Reads the whole timeline again. */
  async refresh(): Promise<void> {
    this.latest = null
    this.#clustering = new Set()
    this.#timeline = { instants: await this.#instantsFrom('') }
  }

  /**
   * Reads the instants from `from` on again; older ones are taken as known. False: it is not what was known, so somebody else has changed
   * the table (every change of older instants, by restore, archive or clean, comes with an instant at the end), and `refresh` is due.
   */
  async refreshTail(from: string): Promise<boolean> {
    const known = this.#timeline.instants
    const older = known.filter((i) => i.time < from)
    this.#timeline = { instants: [...older, ...(await this.#instantsFrom(from))] }
    const now = this.#timeline.instants
    return (
      now.length === known.length &&
      now.every((i, n) => i.time === known[n].time && i.action === known[n].action && i.state === known[n].state)
    )
  }

  /** Performs one event. 'exists': somebody else had created the file. A step that the timeline refuses fails with TRB-LAKE-011. */
  async perform(event: StepEvent, body: Uint8Array = EMPTY_BODY): Promise<'done' | 'exists'> {
    const next = step(this.#timeline, event)
    if ('refusal' in next) throw new Failure('TRB-LAKE-011', { table: this.table, refusal: next.refusal })
    for (const write of next.writes) {
      const key = hoodieKey(this.table, write.name)
      if (write.do === 'delete') await this.store.delete([key])
      else if ((await this.store.putIfAbsent(key, body)) === 'exists') return 'exists'
    }
    this.#timeline = next.timeline
    return 'done'
  }

  /** Metadata of a completed commit, deltacommit, replacecommit (or compaction). */
  async commit(time: string, action: Action): Promise<CommitMetadata> {
    const key = hoodieKey(this.table, `${time}.${completedAction(action)}`)
    return parseCommitMetadata(await this.store.get(key), key)
  }

  /** Bytes of an instant's file, by its name in `.hoodie/`. */
  async read(name: string): Promise<Buffer> {
    return this.store.get(hoodieKey(this.table, name))
  }

  /** Announces a data file of a pending instant; to be called before the file is written. */
  async mark(time: string, path: string, kind: MarkerKind): Promise<void> {
    await this.store.putIfAbsent(markerKey(this.table, time, path, kind), EMPTY_BODY)
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

  /** Age in ms of the heartbeat that a writer with lazy rollback keeps for its instant; null: none. */
  async heartbeatAge(time: string): Promise<number | null> {
    const beat = await this.store.head(hoodieKey(this.table, `.heartbeat/${time}`))
    return beat === null ? null : this.clock.now() - beat.modifiedMs
  }

  /** The table's configuration; its backup when an update was interrupted. TRB-LAKE-001 when there is none. */
  async properties(): Promise<Map<string, string>> {
    for (const name of [PROPERTIES_FILE, PROPERTIES_BACKUP]) {
      const body = await this.#getOrNull(hoodieKey(this.table, name))
      const parsed = body === null ? null : parseTableProperties(body)
      if (parsed !== null) return parsed
    }
    throw new Failure('TRB-LAKE-001', { table: this.table, root: this.store.root })
  }

  /** Creates the table by its configuration. 'exists': there is one already. */
  async createTable(properties: ReadonlyMap<string, string>): Promise<'created' | 'exists'> {
    const body = printTableProperties(properties, 'Properties saved on', this.clock.now())
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
    const whole = current === null ? null : parseTableProperties(await this.store.get(key))
    if (whole === null && parseTableProperties(saved) !== null) {
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

  /** Instants with a time ≥ from, as the directory and the plans of pending ones tell them. */
  async #instantsFrom(from: string): Promise<readonly Instant[]> {
    const files: InstantFile[] = []
    const dir = hoodieKey(this.table, '')
    // Instants begin with a digit; '/' sorts just before '0'.
    for await (const object of this.store.list(dir, dir + (from === '' ? '/' : from))) {
      const name = object.key.slice(dir.length)
      if (name > ':') break
      if (name.includes('/')) continue
      const parsed = parseName(name)
      if (parsed.kind === 'unknown') throw new Failure('TRB-LAKE-004', { file: object.key })
      if (parsed.kind === 'instant') files.push(parsed.file)
    }
    const facts = new Map<string, Facts>()
    for (const i of foldTimeline(files).instants) {
      if (i.state === 'completed') continue
      if (i.action === 'rollback') facts.set(`${i.time}.rollback`, { target: await this.#rollbackTarget(i.time) })
      if (i.action === 'replacecommit' && (await this.#isClustering(i.time))) this.#clustering.add(i.time)
    }
    return foldTimeline(files, facts).instants
  }

  async #rollbackTarget(time: string): Promise<string | null> {
    const name = `${time}.rollback.requested`
    try {
      return parseRollbackPlan(await this.read(name), name).target.time
    } catch (e) {
      if (isFailure(e, 'TRB-LAKE-004') || isFailure(e, 'TRB-STORE-001')) return null
      throw e
    }
  }

  async #isClustering(time: string): Promise<boolean> {
    const body = await this.#getOrNull(hoodieKey(this.table, `${time}.replacecommit.requested`))
    if (body === null || body.length === 0) return false
    const plan = readContainer(body, `${time}.replacecommit.requested`) as { operationType?: string | null; clusteringPlan?: unknown }
    return plan.operationType === 'CLUSTER' || (plan.clusteringPlan !== null && plan.clusteringPlan !== undefined)
  }
}

const EMPTY_BODY = new Uint8Array(0)
