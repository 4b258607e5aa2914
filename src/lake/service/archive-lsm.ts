import { completedAction } from '../../../timeline/name.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { join } from '../layout/paths.ts'
import {
  type HistoryFile,
  type HistoryInstant,
  historyFileName,
  parseHistoryFileName,
  parseManifest,
  printHistory,
  printManifest,
  readHistory,
} from '../metadata/history-file.ts'
import type { TimelineStore } from '../timeline-store.ts'
import type { Archive, LeavingInstant } from './archive-log.ts'

/** Files of one level that are merged into one of the next. */
const FAN_IN = 10
/** Manifests that stay readable, with the files they name. */
const VERSIONS_KEPT = 3
const PLANNED: ReadonlySet<string> = new Set(['clean', 'replacecommit', 'clustering', 'compaction', 'logcompaction'])

interface State {
  /** 0: nothing has been archived. */
  readonly version: number
  readonly files: readonly HistoryFile[]
}

/**
 * The archive of layout 2, a log-structured tree: each batch is a file of level 0, ten files of a level become one of the next. A change is visible
 * once `_version_` names the new manifest; what a crash leaves before that is overwritten or taken away by the next change.
 */
export class LsmArchive implements Archive {
  readonly #ts: TimelineStore
  readonly #dir: string

  /** `path` and `history`: hoodie.timeline.path, hoodie.timeline.history.path. */
  constructor(ts: TimelineStore, path: string, history: string) {
    this.#ts = ts
    this.#dir = join(ts.table, `.hoodie/${path}/${history}`)
  }

  async newest(): Promise<ReadonlySet<string>> {
    const first = this.#ts.timeline.instants.at(0)?.time
    const out = new Set<string>()
    if (first === undefined) return out
    for (const f of (await this.#state()).files) {
      if ((parseHistoryFileName(f.name)?.max ?? '') < first) continue
      for (const i of await readHistory(this.#ts.store, this.#key(f.name))) out.add(`${i.time}.${i.action}`)
    }
    return out
  }

  async append(batch: readonly LeavingInstant[]): Promise<string> {
    const instants = batch.map(historyInstant).sort((a, b) => (a.time < b.time ? -1 : 1))
    let state = await this.#state()
    const added = await this.#write(instants, 0)
    state = await this.#publish(state, [...state.files, added])
    await this.#compact(state)
    return this.#key(added.name)
  }

  /** Ten files of a level become one of the next, from the lowest level on. */
  async #compact(state: State): Promise<void> {
    let now = state
    for (let level = 0; ; level++) {
      const files = now.files.filter((f) => parseHistoryFileName(f.name)?.level === level)
      if (files.length < FAN_IN) return
      const merged = files.sort((a, b) => (a.name < b.name ? -1 : 1)).slice(0, FAN_IN)
      const instants: HistoryInstant[] = []
      for (const f of merged) instants.push(...(await readHistory(this.#ts.store, this.#key(f.name))))
      const file = await this.#write(
        instants.sort((a, b) => (a.time < b.time ? -1 : 1)),
        level + 1,
      )
      const others = now.files.filter((f) => !merged.includes(f))
      now = await this.#publish(now, [file, ...others])
    }
  }

  /** A data file that no manifest names yet; one of that name is what a crash left. */
  async #write(instants: readonly HistoryInstant[], level: number): Promise<HistoryFile> {
    const name = historyFileName(instants[0].time, instants[instants.length - 1].time, level)
    const body = printHistory(instants)
    if ((await this.#ts.store.putIfAbsent(this.#key(name), body)) === 'exists') {
      await this.#ts.store.delete([this.#key(name)])
      await this.#ts.store.put(this.#key(name), body)
    }
    return { name, bytes: body.length }
  }

  async #publish(from: State, files: readonly HistoryFile[]): Promise<State> {
    const version = from.version + 1
    const body = printManifest(files)
    const manifest = this.#key(`manifest_${version}`)
    if ((await this.#ts.store.putIfAbsent(manifest, body)) === 'exists') await this.#replace(manifest, body)
    await this.#replace(this.#key('_version_'), Buffer.from(String(version), 'utf8'))
    await this.#forget(version - VERSIONS_KEPT, files)
    return { version, files }
  }

  /** Takes a manifest away that nobody may be reading any more, and the files that only it and earlier ones name. */
  async #forget(version: number, now: readonly HistoryFile[]): Promise<void> {
    const old = version < 1 ? null : await this.#manifest(version)
    if (old === null) return
    const kept = new Set(now.map((f) => f.name))
    for (let v = version + 1; v < version + VERSIONS_KEPT; v++) for (const f of (await this.#manifest(v)) ?? []) kept.add(f.name)
    const gone = old.filter((f) => !kept.has(f.name)).map((f) => f.name)
    await this.#ts.store.delete([...gone, `manifest_${version}`].map((name) => this.#key(name)))
  }

  async #state(): Promise<State> {
    const key = this.#key('_version_')
    const body = await this.#getOrNull(key)
    if (body === null) return { version: 0, files: [] }
    const version = Number(body.toString('utf8').trim())
    const files = Number.isSafeInteger(version) && version > 0 ? await this.#manifest(version) : null
    if (files === null) throw new Failure('TRB-LAKE-004', { file: key })
    return { version, files }
  }

  async #manifest(version: number): Promise<readonly HistoryFile[] | null> {
    const key = this.#key(`manifest_${version}`)
    const body = await this.#getOrNull(key)
    return body === null ? null : parseManifest(body, key)
  }

  /** Writes an object that may be there already, unless somebody else writes it at the same time (TRB-LAKE-011). */
  async #replace(key: string, body: Buffer): Promise<void> {
    const at = await this.#ts.store.head(key)
    const answer = at === null ? await this.#ts.store.putIfAbsent(key, body) : await this.#ts.store.replaceIfTag(key, body, at.tag)
    if (answer === 'exists' || answer === 'stale') {
      throw new Failure('TRB-LAKE-011', { table: this.#ts.table, refusal: `${key} was written by somebody else` })
    }
  }

  async #getOrNull(key: string): Promise<Buffer | null> {
    try {
      return await this.#ts.store.get(key)
    } catch (e) {
      if (isFailure(e, 'TRB-STORE-001')) return null
      throw e
    }
  }

  #key(name: string): string {
    return `${this.#dir}/${name}`
  }
}

function historyInstant({ instant, files }: LeavingInstant): HistoryInstant {
  const body = (state: string): Buffer | null => files.find((f) => f.file.state === state && f.body.length > 0)?.body ?? null
  return {
    time: instant.time,
    completion: instant.completion ?? instant.time,
    action: completedAction(instant.action),
    metadata: body('completed'),
    plan: PLANNED.has(instant.action) ? body('requested') : null,
  }
}
