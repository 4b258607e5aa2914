import type { Instant } from '../../../timeline/timeline.ts'
import { Failure } from '../../failure/failure.ts'
import { join } from '../layout/paths.ts'
import { type ArchivedFile, printArchive, readArchive } from '../metadata/archived-entry.ts'
import type { TimelineStore } from '../timeline-store.ts'

/** All files of an instant that leaves the active timeline. */
export interface LeavingInstant {
  readonly instant: Instant
  /** In order of their states. */
  readonly files: readonly ArchivedFile[]
}

/** Where archived instants of a table go, in batches, oldest first. */
export interface Archive {
  /** `time.action` of the instants that the newest batches hold: those that a crash may have left on the active timeline. */
  newest(): Promise<ReadonlySet<string>>
  /** Durable as a whole when it resolves. Returns the key of the new object. */
  append(batch: readonly LeavingInstant[]): Promise<string>
}

const NAME = /^\.commits_\.archive\.(\d+)(?:_\d+-\d+-\d+)?$/

/** The archive of layout 1: `.hoodie/archived/.commits_.archive.N_1-0-1`, a new N for each batch. */
export class LogArchive implements Archive {
  readonly #ts: TimelineStore
  readonly #dir: string
  /** The newest archive file; null: none; undefined: not looked for yet. */
  #last: { readonly n: number; readonly key: string; readonly bytes: number } | null | undefined

  /** `folder`: hoodie.archivelog.folder. */
  constructor(ts: TimelineStore, folder: string) {
    this.#ts = ts
    this.#dir = join(ts.table, `.hoodie/${folder}`)
  }

  async newest(): Promise<ReadonlySet<string>> {
    if (this.#last !== undefined && this.#last !== null) this.#last = await this.#since(this.#last)
    else this.#last = undefined
    const last = await this.#newestFile()
    const out = new Set<string>()
    if (last === null) return out
    for await (const e of readArchive(this.#ts.store, last.key, last.bytes)) {
      if (e.state === 'completed') out.add(`${e.time}.${e.action}`)
    }
    return out
  }

  async append(batch: readonly LeavingInstant[]): Promise<string> {
    const n = ((await this.#newestFile())?.n ?? 0) + 1
    const key = `${this.#dir}/.commits_.archive.${n}_1-0-1`
    const files = batch.flatMap((b) => b.files)
    const body = printArchive(files, (f) => `${f.time}.${f.action}`)
    if ((await this.#ts.store.putIfAbsent(key, body)) === 'exists') {
      throw new Failure('TRB-LAKE-011', { table: this.#ts.table, refusal: `${key} was written by somebody else` })
    }
    this.#last = { n, key, bytes: body.length }
    return key
  }

  /**
   * The newest file when `known` was it: numbers follow one another, so that a table with a long history need not be listed for every batch. Undefined: it is
   * gone (Hudi puts small ones together into one), and only a listing tells.
   */
  async #since(known: { readonly n: number; readonly key: string; readonly bytes: number }): Promise<typeof known | undefined> {
    const { store } = this.#ts
    let last: typeof known | undefined = (await store.head(known.key)) === null ? undefined : known
    for (let n = known.n + 1; ; n++) {
      const key = `${this.#dir}/.commits_.archive.${n}_1-0-1`
      const found = await store.head(key)
      if (found === null) return last
      last = { n, key, bytes: found.size }
    }
  }

  async #newestFile(): Promise<{ readonly n: number; readonly key: string; readonly bytes: number } | null> {
    if (this.#last !== undefined) return this.#last
    let last: { n: number; key: string; bytes: number } | null = null
    const dir = `${this.#dir}/`
    for await (const o of this.#ts.store.list(`${dir}.commits_.archive.`)) {
      const n = Number(NAME.exec(o.key.slice(dir.length))?.[1] ?? 0)
      if (n > (last?.n ?? 0)) last = { n, key: o.key, bytes: o.size }
    }
    this.#last = last
    return last
  }
}
