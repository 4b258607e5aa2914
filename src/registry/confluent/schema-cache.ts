import type { Database } from 'better-sqlite3'

/** Answers of one registry that outlive the process, so that a start or a read can do without it for what was known before. */
export interface SchemaCache {
  id(subject: string, schemaText: string): number | null
  text(id: number): string | null
  putId(subject: string, schemaText: string, id: number): void
  putText(id: number, schemaText: string): void
}

const TABLES = `
  CREATE TABLE IF NOT EXISTS registry_ids (registry TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL, id INTEGER NOT NULL,
    PRIMARY KEY (registry, subject, text)) STRICT;
  CREATE TABLE IF NOT EXISTS registry_texts (registry TEXT NOT NULL, id INTEGER NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (registry, id)) STRICT;
`

/** A cache in the state database (made there when absent), for the registry of this name; writable connections only. */
export function createSchemaCache(db: Database, registry: string): SchemaCache {
  db.exec(TABLES)
  const byText = db.prepare<[string, string, string], { id: number }>(
    'SELECT id FROM registry_ids WHERE registry = ? AND subject = ? AND text = ?',
  )
  const byId = db.prepare<[string, number], { text: string }>('SELECT text FROM registry_texts WHERE registry = ? AND id = ?')
  const putId = db.prepare('INSERT OR REPLACE INTO registry_ids (registry, subject, text, id) VALUES (?, ?, ?, ?)')
  const putText = db.prepare('INSERT OR REPLACE INTO registry_texts (registry, id, text) VALUES (?, ?, ?)')
  return {
    id: (subject, text) => byText.get(registry, subject, text)?.id ?? null,
    text: (id) => byId.get(registry, id)?.text ?? null,
    putId: (subject, text, id) => void putId.run(registry, subject, text, id),
    putText: (id, text) => void putText.run(registry, id, text),
  }
}
