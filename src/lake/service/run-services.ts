import type { ArchivePolicy } from '../../../timeline/archival.ts'
import { instantToMs } from '../../../timeline/instant.ts'
import { type CleanPolicy, retainedFrom } from '../../../timeline/retention.ts'
import { completedWrites } from '../../../timeline/view.ts'
import { Failure } from '../../failure/failure.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { archiveDue, archiveOf } from './archive.ts'
import type { Archive } from './archive-log.ts'
import { cleanDue } from './clean.ts'

/** What is taken away from a table on the way; null: never. */
export interface ServicePolicy {
  readonly clean: CleanPolicy | null
  readonly archive: ArchivePolicy | null
}

/** Every state of the last 24 hours stays readable; the active timeline holds 20 to 30 commits. Savepoints are never touched. */
export const DEFAULT_SERVICES: ServicePolicy = { clean: { kind: 'hours', retain: 24 }, archive: { min: 20, max: 30 } }

export interface ServicesDone {
  readonly filesCleaned: number
  readonly instantsArchived: number
}

/** A clean lists the whole table, so it waits until this share of what it keeps is new. */
const SHARE = 24
/** A clean by count or versions comes after so many commits; so does another try of an archival that was held up. */
const COMMITS = 10

/**
 * Clean and archival of one table, called after each commit of its writer, between commits. Most calls do nothing and cost nothing: what is due is
 * told by the timeline in memory. An archival costs reading what it archives, once in `max − min` commits; a clean by hours one listing in an hour.
 */
export class TableServices {
  readonly #policy: ServicePolicy
  #archive: Archive | null = null
  /** Something (a replacecommit whose files are still there) held the last archival up: the number of writes at which to try again. */
  #archiveFrom = 0
  /** How far the last clean of this process went; null: there was none. */
  #cleaned: { readonly from: string | null; readonly newest: string } | null = null

  /** TRB-LAKE-075 when the two policies do not go together. */
  constructor(policy: ServicePolicy) {
    checkPolicy(policy)
    this.#policy = policy
  }

  /** `ts`: the timeline as the table's writer knows it just after a commit. */
  async run(ts: TimelineStore): Promise<ServicesDone> {
    const { clean, archive } = this.#policy
    let filesCleaned = 0
    let instantsArchived = 0
    if (clean !== null && this.#isCleanDue(ts, clean)) {
      const from = retainedFrom(ts.timeline, clean, ts.clock.now())
      for (const c of await cleanDue(ts, clean)) filesCleaned += c.files
      this.#cleaned = { from, newest: completedWrites(ts.timeline, null).at(-1)?.time ?? '' }
    }
    if (archive !== null && completedWrites(ts.timeline, null).length > Math.max(archive.max, this.#archiveFrom)) {
      this.#archive ??= await archiveOf(ts)
      instantsArchived = (await archiveDue(ts, archive, this.#archive)).instants.length
      this.#archiveFrom = instantsArchived > 0 ? 0 : completedWrites(ts.timeline, null).length + COMMITS
    }
    return { filesCleaned, instantsArchived }
  }

  #isCleanDue(ts: TimelineStore, policy: CleanPolicy): boolean {
    const last = this.#cleaned
    // What a dead process left of a clean is carried through by the first one.
    if (last === null) return true
    if (policy.kind !== 'hours') return completedWrites(ts.timeline, null).filter((i) => i.time > last.newest).length >= COMMITS
    const from = retainedFrom(ts.timeline, policy, ts.clock.now())
    const [now, then] = [from, last.from].map((t) => (t === null ? null : instantToMs(t)))
    return now === null || then === null || now - then >= (policy.retain * 3_600_000) / SHARE
  }
}

/** Refuses (TRB-LAKE-075) to archive commits that a clean by count still has to count. */
export function checkPolicy({ clean, archive }: ServicePolicy): void {
  if (clean?.kind === 'commits' && archive !== null && archive.min <= clean.retain) {
    throw new Failure('TRB-LAKE-075', { min: archive.min, retain: clean.retain, wanted: clean.retain + 1 })
  }
}
