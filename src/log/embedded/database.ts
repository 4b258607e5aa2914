import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import { assert, Failure } from '../../failure/failure.ts'

/** The open state database; other rooms that keep tables in it (schema registry) get this handle. */
export type StateDatabase = Database.Database

export const DATABASE_FILE = 'tributary.db'

/** `PRAGMA application_id`: "Trib" in ASCII, so that `file` and we can tell our databases from others. */
const APPLICATION_ID = 0x54726962
/** `PRAGMA user_version`: raised with every change of the tables below. */
const FORMAT = 1
const PAGE_BYTES = 8192
/** WAL size at which a commit also copies pages into the database file. */
const CHECKPOINT_PAGES = 2048

// One INSERT per blob of records. `records` is last, so that reading the columns before it never touches overflow pages.
//   codec: bit 0 records are zstd, bit 1 runs end with a value tail and its length:u32le
//   crc: CRC-32 over records (as stored), headers, runs · raw: length of records uncompressed
const TABLES = `
  CREATE TABLE topics (id INTEGER PRIMARY KEY, name TEXT NOT NULL, partition INTEGER NOT NULL,
    start INTEGER NOT NULL, next INTEGER NOT NULL, UNIQUE (name, partition)) STRICT;
  CREATE TABLE appends (id INTEGER PRIMARY KEY, source TEXT NOT NULL, position TEXT NOT NULL, boundary INTEGER NOT NULL,
    commit_at TEXT, commit_us INTEGER, snapshot_done TEXT NOT NULL, consistent INTEGER NOT NULL, records INTEGER NOT NULL,
    bytes INTEGER NOT NULL, stored INTEGER NOT NULL, created_ms INTEGER NOT NULL) STRICT;
  CREATE INDEX appends_source ON appends (source, id);
  CREATE INDEX appends_boundary ON appends (id) WHERE boundary = 1 AND consistent = 1;
  CREATE TABLE batches (id INTEGER PRIMARY KEY, topic INTEGER NOT NULL, base INTEGER NOT NULL, count INTEGER NOT NULL,
    append INTEGER NOT NULL, key_schema INTEGER NOT NULL, value_schema INTEGER NOT NULL, codec INTEGER NOT NULL,
    crc INTEGER NOT NULL, raw INTEGER NOT NULL, runs BLOB NOT NULL, headers BLOB, records BLOB NOT NULL) STRICT;
  CREATE UNIQUE INDEX batches_offset ON batches (topic, base);
  CREATE INDEX batches_append ON batches (topic, append);
  CREATE TABLE tables (topic TEXT PRIMARY KEY, info TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE schemas (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE subjects (subject TEXT NOT NULL, version INTEGER NOT NULL, schema_id INTEGER NOT NULL,
    PRIMARY KEY (subject, version)) STRICT, WITHOUT ROWID;
`

/**
 * Opens `<dir>/tributary.db` for the one writing process; creates directory and tables at first use.
 * Every commit is on the disk when it returns (WAL, synchronous=FULL). The caller holds the state lock.
 * Fails with TRB-LOG-002, -003, -004, -005, -008.
 */
export function openStateDatabase(dir: string): StateDatabase {
  const file = join(dir, DATABASE_FILE)
  createDirectory(dir)
  return guard(file, () => {
    const db = new Database(file)
    try {
      db.pragma(`page_size = ${PAGE_BYTES}`)
      db.pragma('auto_vacuum = INCREMENTAL')
      assert(db.pragma('journal_mode = WAL', { simple: true }) === 'wal', 'the state database is in WAL mode')
      db.pragma('synchronous = FULL')
      db.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
      db.pragma(`journal_size_limit = ${4 * CHECKPOINT_PAGES * PAGE_BYTES}`)
      db.pragma('cache_size = -8192')
      if (db.pragma('user_version', { simple: true }) === 0 && isEmpty(db)) create(db)
      requireFormat(db, file)
      return db
    } catch (e) {
      db.close()
      throw e
    }
  })
}

/**
 * Opens the log of `dir` for reading from another thread or process, while a writer may be running.
 * Fails with TRB-LOG-007 when there is none, TRB-LOG-004 when it is of another format.
 */
export function openStateReader(dir: string): StateDatabase {
  const file = join(dir, DATABASE_FILE)
  return guard(file, () => {
    const db = openExisting(file, dir)
    try {
      db.pragma('cache_size = -4096')
      requireFormat(db, file)
      return db
    } catch (e) {
      db.close()
      throw e
    }
  })
}

/** Runs `work`, turning SQLite's errors about `file` into Failures (by their code, never by their text). */
export function guard<T>(file: string, work: () => T): T {
  try {
    return work()
  } catch (e) {
    throw logFailure(e, file)
  }
}

/** The Failure that names what went wrong with the log file; errors that are not SQLite's are returned as they are. */
export function logFailure(e: unknown, file: string): unknown {
  if (!(e instanceof Database.SqliteError)) return e
  const dir = dirname(file)
  const code = e.code
  const detail = e.message
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') return new Failure('TRB-LOG-002', { file, dir, detail }, e)
  if (code === 'SQLITE_FULL') return new Failure('TRB-LOG-003', { file, dir }, e)
  if (code.startsWith('SQLITE_CANTOPEN') || code.startsWith('SQLITE_READONLY') || code === 'SQLITE_PERM') {
    return new Failure('TRB-LOG-005', { dir, detail }, e)
  }
  return new Failure('TRB-LOG-008', { file, detail, sqlite: code }, e)
}

function openExisting(file: string, dir: string): StateDatabase {
  try {
    return new Database(file, { readonly: true, fileMustExist: true })
  } catch (e) {
    if (e instanceof Database.SqliteError && e.code.startsWith('SQLITE_CANTOPEN')) throw new Failure('TRB-LOG-007', { dir }, e)
    // better-sqlite3 itself refuses a path whose directory is absent, before SQLite is asked.
    if (e instanceof TypeError) throw new Failure('TRB-LOG-007', { dir }, e)
    throw e
  }
}

function createDirectory(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
  } catch (e) {
    throw new Failure('TRB-LOG-005', { dir, detail: (e as NodeJS.ErrnoException).code ?? String(e) }, e)
  }
}

function isEmpty(db: StateDatabase): boolean {
  return db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0
}

function create(db: StateDatabase): void {
  db.transaction(() => {
    db.exec(TABLES)
    db.pragma(`application_id = ${APPLICATION_ID}`)
    db.pragma(`user_version = ${FORMAT}`)
  }).immediate()
}

function requireFormat(db: StateDatabase, file: string): void {
  const found = db.pragma('user_version', { simple: true }) as number
  const application = db.pragma('application_id', { simple: true }) as number
  if (application !== APPLICATION_ID || found !== FORMAT) {
    const name = application === APPLICATION_ID ? found : 'unknown'
    throw new Failure('TRB-LOG-004', { file, found: name, known: FORMAT })
  }
}
