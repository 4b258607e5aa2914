import type { Database, Statement } from 'better-sqlite3'
import type { SchemaRegistry } from '../../contract/log.ts'
import { Failure } from '../../failure/failure.ts'

/**
 * Schema ids in the state database, as a Confluent registry keeps them: one id for each distinct schema text, versions 1, 2, … per subject.
 * Tables (created by the owner of the database):
 *   schemas(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)
 *   subjects(subject TEXT, version INTEGER, schema_id INTEGER, PRIMARY KEY(subject, version))
 * A registration is durable on return, before any record names the id. Reading works on a read-only connection.
 */
export class EmbeddedRegistry implements SchemaRegistry {
  readonly #db: Database
  readonly #byId: Statement<[number], { text: string }>
  readonly #cache = new Map<number, string>()

  constructor(db: Database) {
    this.#db = db
    this.#byId = db.prepare('SELECT text FROM schemas WHERE id = ?')
  }

  register(subject: string, schemaText: string): Promise<number> {
    return Promise.resolve(this.#register(subject, schemaText))
  }

  schema(id: number): Promise<string> {
    return Promise.resolve(this.schemaText(id))
  }

  /** As `schema`, without a promise. Fails with TRB-ENV-006. */
  schemaText(id: number): string {
    const known = this.#cache.get(id)
    if (known !== undefined) return known
    const row = this.#byId.get(id)
    if (row === undefined) throw new Failure('TRB-ENV-006', { id })
    this.#cache.set(id, row.text)
    return row.text
  }

  /** Versions of a subject in order, with their schema ids. */
  versions(subject: string): { version: number; id: number }[] {
    const sql = 'SELECT version, schema_id AS id FROM subjects WHERE subject = ? ORDER BY version'
    return this.#db.prepare<[string], { version: number; id: number }>(sql).all(subject)
  }

  #register(subject: string, schemaText: string): number {
    return this.#db.transaction(() => {
      const known = this.#db.prepare<[string], { id: number }>('SELECT id FROM schemas WHERE text = ?').get(schemaText)
      const id = known?.id ?? Number(this.#db.prepare('INSERT INTO schemas(text) VALUES (?)').run(schemaText).lastInsertRowid)
      const version = this.#db.prepare('SELECT 1 FROM subjects WHERE subject = ? AND schema_id = ?').get(subject, id)
      if (version === undefined) {
        const insert =
          'INSERT INTO subjects(subject, version, schema_id) SELECT ?, coalesce(max(version), 0) + 1, ? FROM subjects WHERE subject = ?'
        this.#db.prepare(insert).run(subject, id, subject)
      }
      return id
    })()
  }
}
