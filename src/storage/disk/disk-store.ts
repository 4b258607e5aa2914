import { type BigIntStats, statSync } from 'node:fs'
import { type FileHandle, link, mkdir, open, readdir, readFile, rename, rm, rmdir, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Clock } from '../../contract/clock.ts'
import type { ObjectInfo, ObjectStore, ObjectWriter } from '../../contract/object-store.ts'
import { assert, Failure } from '../../failure/failure.ts'
import { CallCounter } from '../call-counter.ts'
import { checkKey } from '../key.ts'
import { diskFailure, errorCode } from './disk-failure.ts'

/** Where files are written before they appear under their key: same file system, so that link(2) and rename(2) are atomic. */
const TEMPORARY = '.tributary/tmp'
/** A temporary file of this age has no living writer. */
const STALE_MS = 24 * 3600 * 1000
/** A replacement takes milliseconds; its lock is broken after this. */
const REPLACE_LOCK_MS = 10_000

/**
 * Objects as files below a directory. A write goes to a temporary file, is synced, then appears under its key by link(2), which fails when
 * the key is taken, so creation is atomic and exclusive; then the directory is synced. Directories come with their first file
 * and go with their last one.
 */
export class DiskStore implements ObjectStore {
  readonly root: string
  readonly counter = new CallCounter()
  readonly signal?: AbortSignal
  readonly #clock: Pick<Clock, 'now' | 'uuid'>
  #ready = false
  /** Directories known to exist; dropped when a write finds one gone. */
  readonly #directories = new Set<string>()

  constructor(root: string, clock: Pick<Clock, 'now' | 'uuid'>, signal?: AbortSignal) {
    this.root = resolve(root)
    if (signal !== undefined) this.signal = signal
    this.#clock = clock
  }

  async get(key: string): Promise<Buffer> {
    const body = await this.#run(key, () => present(readFile(this.#path(key))))
    this.counter.add('get', body.length)
    return body
  }

  async range(key: string, start: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(length)
    return buffer.subarray(0, await this.rangeInto(key, start, buffer))
  }

  async rangeInto(key: string, start: number, into: Buffer): Promise<number> {
    return this.#run(key, async () => {
      const file = await present(open(this.#path(key), 'r'))
      try {
        const from = start < 0 ? Math.max(0, (await file.stat()).size + start) : start
        let have = 0
        while (have < into.length) {
          const { bytesRead } = await file.read(into, have, into.length - have, from + have)
          if (bytesRead === 0) break
          have += bytesRead
        }
        this.counter.add('range', have)
        return have
      } finally {
        await file.close()
      }
    })
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    this.counter.add('put', body.length)
    if ((await this.#create(key, body)) === 'exists') throw new Failure('TRB-STORE-005', { key, root: this.root })
  }

  async putIfAbsent(key: string, body: Uint8Array): Promise<'created' | 'exists'> {
    this.counter.add('putIfAbsent', body.length)
    return this.#create(key, body)
  }

  async writer(key: string): Promise<ObjectWriter> {
    const path = this.#path(key)
    return this.#run(key, async () => {
      const temporary = await this.#temporaryPath()
      const file = await open(temporary, 'wx')
      return new DiskWriter(key, file, temporary, this.counter, {
        wrap: (effect) => this.#run(key, effect),
        publish: () => this.#publish(temporary, path),
        taken: () => new Failure('TRB-STORE-005', { key, root: this.root }),
      })
    })
  }

  async replaceIfTag(key: string, body: Uint8Array, tag: string): Promise<'replaced' | 'stale'> {
    const path = this.#path(key)
    this.counter.add('replaceIfTag', body.length)
    return this.#run(key, async () => {
      const temporary = await this.#writeTemporary(body)
      const lock = join(this.root, TEMPORARY, `replace-${Buffer.from(key).toString('base64url').slice(0, 200)}`)
      try {
        // Whoever holds the lock is about to replace the version that the caller saw.
        if (!(await this.#lock(lock, temporary))) return 'stale'
        try {
          if (tagOf(path) !== tag) return 'stale'
          await rename(temporary, path)
          await syncDirectory(dirname(path))
          return 'replaced'
        } finally {
          await rm(lock, { force: true })
        }
      } finally {
        await rm(temporary, { force: true })
      }
    })
  }

  async head(key: string): Promise<ObjectInfo | null> {
    const path = this.#path(key)
    this.counter.add('head', 0)
    return this.#run(key, async () => infoOf(key, path))
  }

  async *list(prefix: string, after = ''): AsyncGenerator<ObjectInfo> {
    this.counter.add('list', 0)
    const slash = prefix.lastIndexOf('/')
    yield* this.#walk(slash < 0 ? '' : prefix.slice(0, slash + 1), prefix, after)
  }

  async delete(keys: readonly string[]): Promise<void> {
    const directories = new Set<string>()
    for (const key of keys) {
      const path = this.#path(key)
      this.counter.add('delete', 0)
      await this.#run(key, async () => {
        if (await ignoring(['ENOENT', 'ENOTDIR'], unlink(path))) directories.add(dirname(path))
      })
    }
    for (const directory of directories) await this.#run(directory, () => this.#tidy(directory))
  }

  /** Syncs a directory from which something was deleted, and takes away directories that are empty now. */
  async #tidy(directory: string): Promise<void> {
    await ignoring(['ENOENT'], syncDirectory(directory))
    for (let d = directory; d.length > this.root.length; d = dirname(d)) {
      this.#directories.delete(d)
      if (!(await ignoring(['ENOTEMPTY', 'EEXIST', 'ENOENT'], rmdir(d)))) return
    }
  }

  async #create(key: string, body: Uint8Array): Promise<'created' | 'exists'> {
    const path = this.#path(key)
    return this.#run(key, async () => {
      const temporary = await this.#writeTemporary(body)
      return this.#publish(temporary, path)
    })
  }

  /** Makes a synced temporary file appear under its path, unless that is taken; the temporary name is gone afterwards. */
  async #publish(temporary: string, path: string): Promise<'created' | 'exists'> {
    try {
      await this.#ensureDirectory(dirname(path))
      try {
        await link(temporary, path)
      } catch (e) {
        if (errorCode(e) !== 'ENOENT') throw e
        // The directory went with its last file since we looked.
        this.#directories.delete(dirname(path))
        await this.#ensureDirectory(dirname(path))
        await link(temporary, path)
      }
      await syncDirectory(dirname(path))
      return 'created'
    } catch (e) {
      if (errorCode(e) === 'EEXIST') return 'exists'
      throw e
    } finally {
      await rm(temporary, { force: true })
    }
  }

  async #writeTemporary(body: Uint8Array): Promise<string> {
    const path = await this.#temporaryPath()
    const file = await open(path, 'wx')
    try {
      await file.writeFile(body)
      await file.sync()
    } catch (e) {
      await rm(path, { force: true })
      throw e
    } finally {
      await file.close()
    }
    return path
  }

  async #temporaryPath(): Promise<string> {
    const directory = join(this.root, TEMPORARY)
    if (!this.#ready) {
      await this.#ensureDirectory(directory)
      for (const name of await readdir(directory)) {
        const path = join(directory, name)
        const age = this.#clock.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY)
        if (age > STALE_MS) await rm(path, { force: true })
      }
      this.#ready = true
    }
    return join(directory, this.#clock.uuid())
  }

  /** Creates a directory with its parents, each of them durable. */
  async #ensureDirectory(directory: string): Promise<void> {
    if (this.#directories.has(directory)) return
    const first = await mkdir(directory, { recursive: true })
    if (first !== undefined) {
      for (let d = directory; d.length >= first.length; d = dirname(d)) await syncDirectory(dirname(d))
    }
    this.#directories.add(directory)
  }

  async #lock(lock: string, owned: string): Promise<boolean> {
    if (await ignoring(['EEXIST'], link(owned, lock))) return true
    // The clock of the file system itself: our own temporary file was written just now.
    const [held, now] = [statSync(lock, { throwIfNoEntry: false }), statSync(owned)]
    if (held !== undefined && now.mtimeMs - held.mtimeMs < REPLACE_LOCK_MS) return false
    await rm(lock, { force: true })
    return ignoring(['EEXIST'], link(owned, lock))
  }

  async *#walk(directory: string, prefix: string, after: string): AsyncGenerator<ObjectInfo> {
    const path = join(this.root, directory)
    const entries = await this.#run(directory, async () => {
      try {
        return await readdir(path, { withFileTypes: true })
      } catch (e) {
        if (errorCode(e) === 'ENOENT' || (errorCode(e) === 'ENOTDIR' && directory !== '')) return []
        throw e
      }
    })
    const names: string[] = []
    for (const e of entries) {
      const key = directory + e.name
      const isDirectory = e.isSymbolicLink() ? statOf(join(path, e.name))?.isDirectory() === true : e.isDirectory()
      if (isDirectory ? mayHold(`${key}/`, prefix, after) : key.startsWith(prefix) && key > after) names.push(isDirectory ? `${key}/` : key)
    }
    for (const key of names.sort(byCodeUnit)) {
      if (key.endsWith('/')) yield* this.#walk(key, prefix, after)
      else {
        // Null: deleted since the directory was read.
        const info = infoOf(key, join(this.root, key))
        if (info !== null) yield info
      }
    }
  }

  #path(key: string): string {
    checkKey(key)
    return join(this.root, key)
  }

  async #run<R>(key: string, effect: () => Promise<R>): Promise<R> {
    if (this.signal?.aborted === true) throw new Failure('TRB-STORE-017', { root: this.root, key })
    try {
      return await effect()
    } catch (e) {
      throw diskFailure(e, this.root, key)
    }
  }
}

interface Publisher {
  wrap<R>(effect: () => Promise<R>): Promise<R>
  publish(): Promise<'created' | 'exists'>
  taken(): Failure
}

class DiskWriter implements ObjectWriter {
  readonly #key: string
  readonly #file: FileHandle
  readonly #temporary: string
  readonly #counter: CallCounter
  readonly #publisher: Publisher
  #size = 0
  #open = true

  constructor(key: string, file: FileHandle, temporary: string, counter: CallCounter, publisher: Publisher) {
    this.#key = key
    this.#file = file
    this.#temporary = temporary
    this.#counter = counter
    this.#publisher = publisher
  }

  async write(chunk: Uint8Array): Promise<void> {
    assert(this.#open, `writer of ${this.#key} is open`)
    await this.#publisher.wrap(() => writeAll(this.#file, chunk))
    this.#size += chunk.length
    this.#counter.add('writer.write', chunk.length)
  }

  async close(): Promise<number> {
    assert(this.#open, `writer of ${this.#key} is open`)
    this.#open = false
    await this.#publisher.wrap(async () => {
      try {
        await this.#file.sync()
      } finally {
        await this.#file.close()
      }
      if ((await this.#publisher.publish()) === 'exists') throw this.#publisher.taken()
    })
    this.#counter.add('writer.close', 0)
    return this.#size
  }

  async abort(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    await this.#publisher.wrap(async () => {
      await this.#file.close()
      await rm(this.#temporary, { force: true })
    })
  }
}

/** One call where the system takes all at once; `writeFile` of a handle would cut it into half megabytes. */
async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let done = 0; done < chunk.length; ) done += (await file.write(chunk, done, chunk.length - done)).bytesWritten
}

/** True when the call succeeded, false when it failed with one of these codes; other errors pass. */
async function ignoring(codes: readonly string[], call: Promise<unknown>): Promise<boolean> {
  try {
    await call
    return true
  } catch (e) {
    if (codes.includes(errorCode(e) ?? '')) return false
    throw e
  }
}

/** A file where a directory would have to be, or a directory in place of a file: there is no such object. */
async function present<R>(call: Promise<R>): Promise<R> {
  try {
    return await call
  } catch (e) {
    if (['ENOTDIR', 'EISDIR'].includes(errorCode(e) ?? ''))
      throw Object.assign(new Error('no such object', { cause: e }), { code: 'ENOENT' })
    throw e
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Synchronous on purpose: a stat of a local file takes microseconds, a promise for it ten times as long, and listings have thousands. */
function infoOf(key: string, path: string): ObjectInfo | null {
  const s = statOf(path)
  if (s === null || !s.isFile()) return null
  return { key, size: Number(s.size), tag: `${s.ino}-${s.mtimeNs}-${s.size}`, modifiedMs: Number(s.mtimeNs / 1_000_000n) }
}

function tagOf(path: string): string | null {
  return infoOf('', path)?.tag ?? null
}

/** Whether a directory (with its '/') can hold keys with this prefix that come after `after`. */
function mayHold(directory: string, prefix: string, after: string): boolean {
  const apart = !directory.startsWith(prefix) && !prefix.startsWith(directory)
  const before = directory < after && !after.startsWith(directory)
  return !apart && !before && directory !== `${TEMPORARY}/`
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Null: nothing there (or a file where a directory would have to be). */
function statOf(path: string): BigIntStats | null {
  try {
    return statSync(path, { bigint: true })
  } catch (e) {
    if (errorCode(e) === 'ENOENT' || errorCode(e) === 'ENOTDIR') return null
    throw e
  }
}
