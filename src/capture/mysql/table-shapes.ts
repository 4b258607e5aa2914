import type { TableId, TableSchema } from '../../contract/change.ts'
import { Failure } from '../../failure/failure.ts'
import type { ColumnRules } from '../columns/column-rules.ts'
import type { TableMatcher } from '../select-tables.ts'
import { isSignalTable } from '../signal/signal-options.ts'
import type { SourceEvent } from '../source-event.ts'
import { type CatalogTable, describeTable, readCharsetTable, readCollations } from './catalogue.ts'
import { quoteIdent, type SqlConnection } from './connect.ts'
import type { MysqlOptions } from './options.ts'
import { columnsOf, fieldsOf, keyOf, keyOfEvent, type ServerFacts, type Shape, sameShape, shapeOf } from './schema.ts'
import { type CharsetTable, needsTable } from './types/charset.ts'
import type { MysqlColumn } from './types/column.ts'
import type { TableMap } from './wire/table-map.ts'

/** `db.table`; parts that hold a dot or a backquote are quoted, so that two tables never share a name. */
export function tableName(id: TableId): string {
  const part = (s: string): string => (/[.`]/.test(s) ? quoteIdent(s) : s)
  return `${part(id.schema)}.${part(id.table)}`
}

interface Known {
  readonly shape: Shape
  readonly table: CatalogTable | null
  readonly version: number
  /** Layout in the binlog; null: made for a snapshot. */
  readonly layout: string | null
}

/** The current shape of every captured table, from INFORMATION_SCHEMA (snapshot) or from the TABLE_MAP events of the stream. */
export class TableShapes {
  readonly #options: MysqlOptions
  readonly #matcher: TableMatcher
  readonly #observe: (event: SourceEvent) => void
  readonly #known = new Map<string, Known>()
  readonly #warned = new Set<string>()
  readonly #charsets = new Map<string, CharsetTable>()
  #collations: ReadonlyMap<number, string> | null = null

  constructor(options: MysqlOptions, matcher: TableMatcher, observe: (event: SourceEvent) => void) {
    this.#options = options
    this.#matcher = matcher
    this.#observe = observe
  }

  /** Shape for the snapshot. */
  async fromCatalog(table: CatalogTable, sql: SqlConnection): Promise<Shape> {
    const facts = await this.#facts(sql, table.columns)
    return this.#keep(table, table, table.columns, null, keyOf(table), facts, null)
  }

  /**
   * Shape for a TABLE_MAP; null when the table is not captured. The same object as before when nothing changed. To be called when an event
   * comes with a table number that was not seen before, because defaults can change without anything else.
   */
  async fromTableMap(map: TableMap, sql: SqlConnection): Promise<TableSchema | null> {
    if (!this.#matcher.matches(map.schema, map.table)) return null
    const now = await describeTable(sql, map, this.#options.flavor)
    const before = this.#known.get(tableName(map)) ?? null
    const first = await this.#facts(sql, now?.columns ?? [])
    const labelled = await this.#facts(sql, columnsOf(withoutLabels(map), now, before?.shape.columns ?? null, first))
    const columns = columnsOf(map, now, before?.shape.columns ?? null, labelled)
    const facts = await this.#facts(sql, columns)
    const has = (key: readonly string[]): boolean => key.length > 0 && key.every((k) => columns.some((c) => c.name === k))
    const unique = [now?.uniqueIndex ?? [], before?.shape.ownKey ?? []].find((k) => has(k) && notNull(columns, k)) ?? []
    const key = keyOfEvent(map) ?? (now !== null && has(now.primaryKey) ? now.primaryKey : unique)
    const layout = `${map.types.join()} ${map.meta.join()} ${map.collations?.join() ?? ''}`
    return this.#keep(map, now, columns, map, key, facts, layout).schema
  }

  /** The last known shape of a table, else the current one; null: not captured, or there is no such table. */
  async byName(schema: string, table: string, sql: SqlConnection): Promise<TableSchema | null> {
    if (!this.#matcher.matches(schema, table)) return null
    const known = this.#known.get(tableName({ schema, table }))
    if (known !== undefined) return known.shape.schema
    const now = await describeTable(sql, { schema, table }, this.#options.flavor)
    return now === null ? null : (await this.fromCatalog(now, sql)).schema
  }

  #keep(
    id: TableId,
    table: CatalogTable | null,
    columns: readonly MysqlColumn[],
    map: TableMap | null,
    tableKey: readonly string[],
    facts: ServerFacts,
    layout: string | null,
  ): Shape {
    const name = tableName(id)
    const known = this.#known.get(name)
    const version = (known?.version ?? 0) + 1
    const fields = map === null ? null : fieldsOf(map)
    const rowEstimate = table?.rowEstimate ?? -1
    const { types, columns: rules } = this.#options
    const readsAll = isSignalTable(id, this.#options.signals)
    const shape = shapeOf({ id, version, columns, fields, key: tableKey, rowEstimate, readsAll }, facts, types, rules)
    refuseNullableKey(shape, rules)
    if (known !== undefined && known.layout === layout && sameShape(known.shape, shape)) return known.shape
    this.#unsupported(shape.unsupported)
    if (known !== undefined) this.#addedWithDefault(id, columns, known.shape.columns)
    this.#known.set(name, { shape, table, version, layout })
    return shape
  }

  async #facts(sql: SqlConnection, columns: readonly MysqlColumn[]): Promise<ServerFacts> {
    this.#collations ??= await readCollations(sql, this.#options.flavor)
    for (const { charset } of columns) {
      if (charset === null || this.#charsets.has(charset) || !needsTable(charset)) continue
      const table = await readCharsetTable(sql, charset)
      if (table !== null) this.#charsets.set(charset, table)
    }
    return { mariadb: this.#options.flavor === 'mariadb', collations: this.#collations, charsets: this.#charsets }
  }

  /**
   * The server gives existing rows the default of an added column without writing them, so no change of theirs is in the binlog: their value
   * stays null downstream until they are written again.
   */
  #addedWithDefault(id: TableId, after: readonly MysqlColumn[], before: readonly MysqlColumn[]): void {
    for (const c of after) {
      if (c.defaultText === null || c.generated || before.some((k) => k.name === c.name)) continue
      const where = `${tableName(id)}.${c.name}`
      const text = `column ${where} was added with a default: rows from before it have null in log and lake until they are written again`
      this.#observe({ kind: 'warning', text })
    }
  }

  #unsupported(columns: readonly string[]): void {
    if (columns.length === 0) return
    if (this.#options.unsupported === 'refuse') throw new Failure('TRB-MY-051', { columns: columns.join(', ') })
    const fresh = columns.filter((c) => !this.#warned.has(c))
    for (const c of fresh) this.#warned.add(c)
    if (fresh.length > 0) this.#observe({ kind: 'warning', text: `columns without a type mapping are left out: ${fresh.join(', ')}` })
  }
}

/** A key that may be null tells no rows apart in a lake. Fails with TRB-ENV-012. */
function refuseNullableKey(shape: Shape, rules: ColumnRules | undefined): void {
  const { key, id } = shape.schema
  if (rules?.forLake !== true || key.every((i) => shape.columns[i].notNull)) return
  const columns = key.map((i) => shape.columns[i].name).join(', ')
  const fix = `ALTER TABLE ${quoteIdent(id.schema)}.${quoteIdent(id.table)} MODIFY … NOT NULL;`
  throw new Failure('TRB-ENV-012', { table: tableName(id), columns, reason: 'they may be null', fix })
}

/** Labels are decoded only when the tables of their character sets are there. */
function withoutLabels(map: TableMap): TableMap {
  return { ...map, labels: null }
}

function notNull(columns: readonly MysqlColumn[], key: readonly string[]): boolean {
  return key.every((k) => columns.find((c) => c.name === k)?.notNull === true)
}
