import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { isFailure } from '../../src/failure/failure.ts'
import { EmbeddedRegistry } from '../../src/registry/embedded/embedded-registry.ts'
import { MemoryRegistry } from '../../src/registry/memory/memory-registry.ts'

const TABLES = `CREATE TABLE schemas(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE subjects(subject TEXT, version INTEGER, schema_id INTEGER, PRIMARY KEY(subject, version))`

function embedded(): { registry: EmbeddedRegistry; db: Database.Database } {
  const db = new Database(':memory:')
  db.exec(TABLES)
  return { registry: new EmbeddedRegistry(db), db }
}

for (const [name, create] of [
  ['embedded', () => embedded().registry],
  ['memory', () => new MemoryRegistry()],
] as const) {
  describe(`${name} registry`, () => {
    it('gives one id to one text, whatever the subject', async () => {
      const r = create()
      const a = await r.register('t-value', '"int"')
      expect(await r.register('u-value', '"int"')).toBe(a)
      expect(await r.register('t-value', '"long"')).not.toBe(a)
      expect(await r.schema(a)).toBe('"int"')
      expect(r.schemaText(a)).toBe('"int"')
    })

    it('names an id that it does not hold', async () => {
      const error = await Promise.resolve()
        .then(() => create().schema(77))
        .catch((e: unknown) => e)
      expect(isFailure(error, 'TRB-ENV-006')).toBe(true)
    })
  })
}

it('the embedded registry counts versions per subject and survives a restart', async () => {
  const { registry, db } = embedded()
  const a = await registry.register('t-value', '"int"')
  const b = await registry.register('t-value', '"long"')
  await registry.register('t-value', '"int"')
  expect(registry.versions('t-value')).toEqual([
    { version: 1, id: a },
    { version: 2, id: b },
  ])
  const again = new EmbeddedRegistry(db)
  expect(again.schemaText(b)).toBe('"long"')
  expect(await again.register('other', '"long"')).toBe(b)
})
