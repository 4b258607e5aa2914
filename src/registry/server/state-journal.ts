import type { Database } from 'better-sqlite3'
import { Failure } from '../../failure/failure.ts'
import { keyText, type RegistryJournal, recordOf, type SchemaRecord, type SchemaValue, valueText } from './schema-record.ts'

// Compacted by key: the newest value stands, in the order in which they were put.
const TABLE = `CREATE TABLE IF NOT EXISTS registry_log (seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, value TEXT NOT NULL) STRICT`

/**
 * The registry's log in the state database. Versions are in the tables `schemas` and `subjects` too (embedded/embedded-registry.ts), which is
 * what the rest of the process reads; versions that were registered there while nothing was served are taken over when loaded.
 */
export function createStateJournal(db: Database): RegistryJournal {
  db.exec(TABLE)
  const put = db.prepare('INSERT OR REPLACE INTO registry_log (key, value) VALUES (?, ?)')
  const remove = db.prepare('DELETE FROM registry_log WHERE key = ?')
  const write = db.transaction((records: readonly SchemaRecord[]) => {
    for (const r of records) {
      const value = valueText(r)
      if (value === null) remove.run(keyText(r))
      else put.run(keyText(r), value)
      if (r.type === 'SCHEMA') mirror(db, r.subject, r.version, r.value)
    }
  })
  return {
    load: async () => ({ records: loadRecords(db), reserved: highestId(db) }),
    append: async (records) => write.immediate(records),
    close: async () => undefined,
  }
}

function loadRecords(db: Database): readonly SchemaRecord[] {
  const rows = db.prepare<[], { key: string; value: string }>('SELECT key, value FROM registry_log ORDER BY seq').all()
  const records = rows.map(({ key, value }) => {
    const record = recordOf(key, value)
    if (record === null || record === 'unknown')
      throw new Failure('TRB-REG-014', { place: 'the state directory', detail: `a record ${key}` })
    return record
  })
  const known = new Set(rows.map((r) => r.key))
  const sql =
    'SELECT subject, version, schema_id AS id, text FROM subjects JOIN schemas ON schemas.id = schema_id ORDER BY schema_id, version'
  const adopted = db
    .prepare<[], { subject: string; version: number; id: number; text: string }>(sql)
    .all()
    .map(({ subject, version, id, text }): SchemaRecord => {
      const value = { subject, version, id, schema: text, references: [], deleted: false }
      return { type: 'SCHEMA', subject, version, value }
    })
    .filter((r) => !known.has(keyText(r)))
  return [...adopted, ...records]
}

function highestId(db: Database): number {
  return db.prepare<[], number>('SELECT coalesce(max(id), 0) FROM schemas').pluck().get()!
}

/** An id stays with its text for good; a schema with references, which nothing in this process reads, only keeps its id from others. */
function mirror(db: Database, subject: string, version: number, value: SchemaValue | null): void {
  if (value === null) {
    db.prepare('DELETE FROM subjects WHERE subject = ? AND version = ?').run(subject, version)
    return
  }
  const text = value.references.length === 0 ? value.schema : JSON.stringify({ references: value.references, schema: value.schema })
  db.prepare('INSERT OR IGNORE INTO schemas (id, text) VALUES (?, ?)').run(value.id, text)
  const put = 'INSERT OR REPLACE INTO subjects (subject, version, schema_id) VALUES (?, ?, ?)'
  db.prepare(put).run(subject, version, value.id)
}
