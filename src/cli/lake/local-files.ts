import { createHash } from 'node:crypto'
import { link, mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../contract/clock.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import { Failure } from '../../failure/failure.ts'

/** Files of a lake as paths that DuckDB can open. */
export interface LocalFiles {
  /** Path of a data file. On S3 it is there only after `fetch`. */
  path(key: string): string
  /** Brings the files behind these paths (of `path`; others are left alone) onto this machine. */
  fetch(paths: readonly string[]): Promise<void>
  close(): Promise<void>
}

/** A lake on disk: its files are where they are. */
export function filesOnDisk(path: (key: string) => string): LocalFiles {
  return { path, fetch: async () => undefined, close: async () => undefined }
}

export interface CacheOptions {
  readonly directory: string
  /** Bytes of files kept for later queries; one query may not need more. */
  readonly limit: number
  readonly clock: Clock
}

/** Bytes asked for in one request, and requests at the same time. */
const CHUNK = 8 << 20
const IN_FLIGHT = 4
/** A directory in use for longer belongs to a query that was killed. */
const STALE_MS = 24 * 3600 * 1000

/**
 * Copies of a remote lake's data files. Their names are never used twice, so a copy is right for ever. The cache holds `limit` bytes and
 * drops what was used longest ago; a query works on hard links in a directory of its own, so no other process takes a file away from it.
 */
export class FileCache implements LocalFiles {
  readonly #store: ObjectStore
  readonly #options: CacheOptions
  readonly #inUse: string
  readonly #keys = new Map<string, string>()

  constructor(store: ObjectStore, options: CacheOptions) {
    this.#store = store
    this.#options = options
    this.#inUse = join(options.directory, 'in-use', options.clock.uuid())
  }

  path(key: string): string {
    const path = join(this.#inUse, this.#nameOf(key))
    this.#keys.set(path, key)
    return path
  }

  async fetch(paths: readonly string[]): Promise<void> {
    const wanted = [...new Set(paths)].flatMap((path) => {
      const key = this.#keys.get(path)
      return key === undefined ? [] : [{ path, key }]
    })
    if (wanted.length === 0) return
    await mkdir(this.#inUse, { recursive: true })
    await this.#sweep()
    const missing: { path: string; key: string; bytes: number }[] = []
    let need = 0
    for (const { path, key } of wanted) {
      const kept = await this.#linkKept(path, key)
      const bytes = kept ?? (await this.#sizeOf(key))
      need += bytes
      if (kept === null) missing.push({ path, key, bytes })
    }
    if (need > this.#options.limit) {
      throw new Failure('TRB-QUERY-016', { need, limit: this.#options.limit, files: wanted.length, root: this.#store.root })
    }
    await this.#makeRoom(missing.reduce((n, m) => n + m.bytes, 0))
    await inParallel(missing, IN_FLIGHT, (m) => this.#download(m.path, m.key, m.bytes))
  }

  async close(): Promise<void> {
    await rm(this.#inUse, { recursive: true, force: true })
  }

  get #kept(): string {
    return join(this.#options.directory, 'files')
  }

  #nameOf(key: string): string {
    return `${createHash('sha256').update(`${this.#store.root}\n${key}`).digest('hex').slice(0, 40)}.parquet`
  }

  async #sizeOf(key: string): Promise<number> {
    const info = await this.#store.head(key)
    if (info === null) throw new Failure('TRB-STORE-001', { key, root: this.#store.root })
    return info.size
  }

  /** Size of the kept copy, now linked to `path`; null: there is none. */
  async #linkKept(path: string, key: string): Promise<number | null> {
    const kept = join(this.#kept, this.#nameOf(key))
    const now = this.#options.clock.now() / 1000
    try {
      await link(kept, path).catch(allow('EEXIST'))
      await utimes(path, now, now)
      return (await stat(path)).size
    } catch (e) {
      allow('ENOENT')(e)
      return null
    }
  }

  /** Downloads into the query's own directory, then offers the file to later queries. */
  async #download(path: string, key: string, bytes: number): Promise<void> {
    const partial = `${path}.part`
    const file = await open(partial, 'w')
    try {
      for (let at = 0; at < bytes; ) {
        const chunk = await this.#store.range(key, at, Math.min(CHUNK, bytes - at))
        if (chunk.length === 0) throw new Failure('TRB-STORE-001', { key, root: this.#store.root })
        await file.writeFile(chunk)
        at += chunk.length
      }
    } finally {
      await file.close()
    }
    await rename(partial, path)
    await mkdir(this.#kept, { recursive: true })
    await link(path, join(this.#kept, this.#nameOf(key))).catch(allow('EEXIST'))
  }

  async #makeRoom(more: number): Promise<void> {
    const files: { path: string; size: number; used: number }[] = []
    for (const name of await namesIn(this.#kept)) {
      const path = join(this.#kept, name)
      const s = await stat(path).catch(allow('ENOENT'))
      if (s !== undefined) files.push({ path, size: s.size, used: s.mtimeMs })
    }
    let total = more + files.reduce((n, f) => n + f.size, 0)
    for (const f of files.sort((a, b) => a.used - b.used)) {
      if (total <= this.#options.limit) return
      await rm(f.path, { force: true })
      total -= f.size
    }
  }

  async #sweep(): Promise<void> {
    const parent = join(this.#options.directory, 'in-use')
    for (const name of await namesIn(parent)) {
      const path = join(parent, name)
      const s = await stat(path).catch(allow('ENOENT'))
      if (s !== undefined && this.#options.clock.now() - s.mtimeMs > STALE_MS) await rm(path, { recursive: true, force: true })
    }
  }
}

async function namesIn(directory: string): Promise<string[]> {
  return (await readdir(directory).catch(allow('ENOENT'))) ?? []
}

/** Lets one kind of error pass as "nothing there". */
function allow(code: string): (e: unknown) => undefined {
  return (e) => {
    if ((e as NodeJS.ErrnoException).code !== code) throw e
    return undefined
  }
}

async function inParallel<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  const one = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(width, queue.length) }, one))
}
