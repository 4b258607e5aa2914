import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { Failure } from '../../failure/failure.ts'

export interface StateOwner {
  readonly pid: number
  /** ISO time. */
  readonly started: string
  /** What the owner is doing, for the message to whom it locks out: no secrets. */
  readonly command: string
}

export interface StateLock {
  release(): void
}

/** A connection that nothing refers to is closed by the garbage collector, and its lock goes with it: held ones are referred to here. */
const held = new Set<Database.Database>()

/**
 * Takes the state directory for this process. The lock itself is the kernel's file lock on `<dir>/lock` (an SQLite file kept in an
 * exclusive transaction), so it ends with its process however that dies, and no live owner is ever mistaken for a dead one; `owner.json`
 * only names the owner. Fails with TRB-LOG-001 when another process (or this one) holds it, TRB-LOG-005 when the directory is unusable.
 */
export function lockState(dir: string, owner: StateOwner): StateLock {
  const ownerFile = join(dir, 'owner.json')
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    const db = acquire(join(dir, 'lock'), dir, ownerFile)
    held.add(db)
    writeFileSync(ownerFile, `${JSON.stringify(owner)}\n`)
    return {
      release() {
        rmSync(ownerFile, { force: true })
        held.delete(db)
        db.close()
      },
    }
  } catch (e) {
    if (e instanceof Failure) throw e
    const detail = (e as NodeJS.ErrnoException).code ?? String(e)
    throw new Failure('TRB-LOG-005', { dir, detail }, e)
  }
}

/** Who holds the state directory, from its owner.json; null: nobody has said. A dead owner's file may still be there. */
export function readOwner(dir: string): StateOwner | null {
  try {
    return JSON.parse(readFileSync(join(dir, 'owner.json'), 'utf8')) as StateOwner
  } catch (e) {
    // Absent, or half written by an owner that is just starting: the lock decides, this is only its name.
    if ((e as NodeJS.ErrnoException).code === 'ENOENT' || e instanceof SyntaxError) return null
    throw e
  }
}

function acquire(file: string, dir: string, ownerFile: string): Database.Database {
  const db = new Database(file, { timeout: 0 })
  try {
    db.exec('BEGIN EXCLUSIVE')
    return db
  } catch (e) {
    db.close()
    if (!(e instanceof Database.SqliteError) || e.code !== 'SQLITE_BUSY') throw e
    const owner = readOwner(join(ownerFile, '..'))
    const { pid, command, started } = owner ?? { pid: 'unknown', command: 'unknown', started: 'unknown' }
    throw new Failure('TRB-LOG-001', { dir, pid, command, started }, e)
  }
}
