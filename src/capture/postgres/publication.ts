import { Failure } from '../../failure/failure.ts'
import type { CatalogTable } from './catalogue.ts'
import { quoteIdent, quoteLiteral, quoteTable, type SqlConnection } from './connect.ts'
import type { PublicationMode } from './options.ts'

/** What a publication sends of one table. */
export interface PublishedTable {
  readonly schema: string
  readonly table: string
  /** Column list (15 and newer); null: all columns. */
  readonly columns: readonly string[] | null
  /** Row filter (15 and newer) as SQL; null: every row. */
  readonly filter: string | null
}

export interface Publication {
  readonly name: string
  readonly allTables: boolean
  /** Updates or deletes are published, so a table without identity would refuse them. */
  readonly needsIdentity: boolean
  /** Changes of partitions are sent as changes of their root. */
  readonly viaRoot: boolean
  readonly tables: readonly PublishedTable[]
}

/** Reads a publication; null when it does not exist. */
export async function readPublication(sql: SqlConnection, name: string): Promise<Publication | null> {
  const doing = 'reading the publication'
  const rows = await sql.query(`SELECT to_jsonb(p)::text FROM pg_catalog.pg_publication p WHERE p.pubname = ${quoteLiteral(name)}`, doing)
  if (rows.length === 0) return null
  const p = JSON.parse(rows[0][0]!) as Record<string, unknown>
  const members = await sql.query(
    `SELECT to_jsonb(t)::text FROM pg_catalog.pg_publication_tables t WHERE t.pubname = ${quoteLiteral(name)}`,
    doing,
  )
  return {
    name,
    allTables: p['puballtables'] === true,
    needsIdentity: p['pubupdate'] === true || p['pubdelete'] === true,
    viaRoot: p['pubviaroot'] === true,
    tables: members.map((m) => {
      const t = JSON.parse(m[0]!) as Record<string, unknown>
      return {
        schema: String(t['schemaname']),
        table: String(t['tablename']),
        columns: Array.isArray(t['attnames']) ? (t['attnames'] as string[]) : null,
        filter: typeof t['rowfilter'] === 'string' ? t['rowfilter'] : null,
      }
    }),
  }
}

export function createPublicationSql(name: string, mode: PublicationMode, tables: readonly CatalogTable[], viaRoot = false): string {
  const options = viaRoot ? ' WITH (publish_via_partition_root = true)' : ''
  if (mode === 'all_tables') return `CREATE PUBLICATION ${quoteIdent(name)} FOR ALL TABLES${options};`
  return `CREATE PUBLICATION ${quoteIdent(name)} FOR TABLE ${tables.map(quoteTable).join(', ')}${options};`
}

export function addTablesSql(name: string, tables: readonly CatalogTable[]): string {
  return `ALTER PUBLICATION ${quoteIdent(name)} ADD TABLE ${tables.map(quoteTable).join(', ')};`
}

/** SQL that gives every table an identity. */
export function identitySql(tables: readonly CatalogTable[]): string {
  return tables.map((t) => `ALTER TABLE ${quoteTable(t)} REPLICA IDENTITY FULL;`).join(' ')
}

/** Tables whose updates and deletes the server would refuse once they are published. */
export function withoutIdentity(tables: readonly CatalogTable[]): CatalogTable[] {
  return tables.filter((t) => t.identity === 'n' || (t.identity === 'd' && t.primaryKey.length === 0))
}

/**
 * Makes the publication cover `tables`: creates it or adds what is missing when `mode` allows. Returns the SQL that was run, null
 * when nothing had to be done. Fails with TRB-PG-013 (missing), 014 (lacks tables), 015 (no identity); the SQL is in the texts.
 */
export async function ensurePublication(
  sql: SqlConnection,
  name: string,
  mode: PublicationMode,
  tables: readonly CatalogTable[],
  viaRoot: boolean | null = null,
): Promise<string | null> {
  const found = await readPublication(sql, name)
  if (found === null) {
    const statement = createPublicationSql(name, mode, tables, viaRoot === true)
    if (mode === 'existing') throw new Failure('TRB-PG-013', { publication: name, reason: 'Creating it was turned off', sql: statement })
    if (mode === 'filtered') requireIdentity(tables)
    return await change(sql, statement, (reason) => new Failure('TRB-PG-013', { publication: name, reason, sql: statement }))
  }
  if (viaRoot !== null && viaRoot !== found.viaRoot) {
    const statement = `ALTER PUBLICATION ${quoteIdent(name)} SET (publish_via_partition_root = ${viaRoot});`
    throw new Failure('TRB-PG-027', { publication: name, found: String(found.viaRoot), wanted: String(viaRoot), sql: statement })
  }
  const missing = tables.filter((t) => !found.tables.some((p) => p.schema === t.schema && p.table === t.table))
  if (missing.length === 0) return null
  const statement = addTablesSql(name, missing)
  const lacks = (reason: string): Failure =>
    new Failure('TRB-PG-014', {
      publication: name,
      tables: missing.map((t) => `${t.schema}.${t.table}`).join(', '),
      reason,
      sql: statement,
    })
  if (mode === 'existing') throw lacks('Changing the publication was turned off')
  requireIdentity(missing)
  return await change(sql, statement, lacks)
}

function requireIdentity(tables: readonly CatalogTable[]): void {
  const bare = withoutIdentity(tables)
  if (bare.length === 0) return
  throw new Failure('TRB-PG-015', { tables: bare.map((t) => `${t.schema}.${t.table}`).join(', '), sql: identitySql(bare) })
}

async function change(sql: SqlConnection, statement: string, refused: (reason: string) => Failure): Promise<string> {
  try {
    await sql.query(statement, 'changing the publication')
    return statement
  } catch (e) {
    // 42501: not the owner, or no CREATE right on the database.
    if (e instanceof Failure && e.details['sqlstate'] === '42501') throw refused(`The user may not do it (${e.details['reason']})`)
    throw e
  }
}
