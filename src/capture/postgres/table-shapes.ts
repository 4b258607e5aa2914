import type { TableSchema } from '../../contract/change.ts'
import { Failure } from '../../failure/failure.ts'
import type { ColumnRules } from '../columns/column-rules.ts'
import type { TableMatcher } from '../select-tables.ts'
import { isSignalTable } from '../signal/signal-options.ts'
import type { SourceEvent } from '../source-event.ts'
import type { CatalogColumn, CatalogType } from './catalog-column.ts'
import { type CatalogTable, describeTables, readTypes } from './catalogue.ts'
import { quoteIdent, quoteTable, type SqlConnection } from './connect.ts'
import type { PostgresOptions } from './options.ts'
import type { PublishedTable } from './publication.ts'
import { isColumn, type Shape, sameShape, shapeOf, wireColumns } from './schema.ts'
import type { RelationMessage } from './wire/relation.ts'

/** `schema.table`; parts that hold a dot or a quote are quoted, so that two tables never share a name. */
export function tableName(id: { readonly schema: string; readonly table: string }): string {
  const part = (s: string): string => (/[."]/.test(s) ? `"${s.replaceAll('"', '""')}"` : s)
  return `${part(id.schema)}.${part(id.table)}`
}

/** The current shape of every captured table, from the catalogue (snapshot) or from the stream's Relation messages. */
export class TableShapes {
  readonly #options: PostgresOptions
  readonly #matcher: TableMatcher
  readonly #observe: (event: SourceEvent) => void
  readonly #known = new Map<string, { shape: Shape; table: CatalogTable; version: number }>()
  readonly #warned = new Set<string>()
  /** Labels of enums as they were first seen: Debezium 3.6 does not read them again. */
  readonly #firstLabels = new Map<number, readonly string[]>()

  constructor(options: PostgresOptions, matcher: TableMatcher, observe: (event: SourceEvent) => void) {
    this.#options = options
    this.#matcher = matcher
    this.#observe = observe
  }

  /** Shape for the snapshot: the columns the publication sends, without generated ones unless it sends them. */
  fromCatalog(table: CatalogTable, published: PublishedTable | null): Shape {
    const list = published?.columns ?? null
    const wire = table.columns.filter((c) => (list === null ? !c.generated : list.includes(c.name)))
    return this.#keep(
      table,
      wire.map((c) => ({ ...c, generated: false })),
      false,
    )
  }

  /**
   * Shape for a Relation message; null when the table is not captured. The same object as before when nothing changed. Reads the
   * catalogue each time, as a Relation message is also how the server announces changed defaults, keys and identities.
   */
  async fromRelation(relation: RelationMessage, sql: SqlConnection): Promise<TableSchema | null> {
    if (!this.#matcher.matches(relation.schema, relation.table)) return null
    const now = (await describeTables(sql, [relation.oid])).get(relation.oid) ?? null
    const before = this.#known.get(tableName(relation))?.table ?? null
    const unknown = relation.columns.filter((c) => !now?.columns.some((k) => isColumn(k, c))).map((c) => c.typeOid)
    const types = await readTypes(sql, new Set(unknown))
    const wire = wireColumns(relation, now, before, types)
    const table = tableThen(relation, now, before)
    return this.#keep({ ...table, schema: relation.schema, table: relation.table, identity: relation.identity }, wire, true).schema
  }

  #keep(table: CatalogTable, asRead: readonly CatalogColumn[], stream: boolean): Shape {
    const wire = this.#options.debeziumQuirks === true ? asRead.map((c) => ({ ...c, type: this.#withFirstLabels(c.type) })) : asRead
    const name = tableName(table)
    const known = this.#known.get(name)
    const version = (known?.version ?? 0) + 1
    const { types, debeziumQuirks, columns: rules } = this.#options
    const readsAll = isSignalTable(table, this.#options.signals)
    const quirks = debeziumQuirks === true
    const shape = shapeOf(table, wire, version, { types, debeziumQuirks: quirks, stream, readsAll, ...(rules && { rules }) })
    refuseLooseKey(table, shape, rules)
    if (known !== undefined && sameShape(known.shape, shape)) return known.shape
    this.#unsupported(shape.unsupported)
    if (known !== undefined) this.#addedWithDefault(table, known.table, wire)
    this.#known.set(name, { shape, table, version })
    return shape
  }

  #withFirstLabels(type: CatalogType): CatalogType {
    const element = type.element === null ? null : this.#withFirstLabels(type.element)
    if (type.labels === null) return { ...type, element }
    const first = this.#firstLabels.get(type.oid)
    if (first === undefined) this.#firstLabels.set(type.oid, type.labels)
    return { ...type, labels: first ?? type.labels }
  }

  /**
   * The server gives existing rows the default of an added column without writing them, so no change of theirs is in the log: their
   * value stays null downstream until they are written again.
   */
  #addedWithDefault(after: CatalogTable, before: CatalogTable, wire: readonly CatalogColumn[]): void {
    for (const c of wire) {
      if (c.defaultExpr === null || before.columns.some((k) => k.attnum === c.attnum || k.name === c.name)) continue
      const column = quoteIdent(c.name)
      const fix = `UPDATE ${quoteTable(after)} SET ${column} = ${column};`
      const text = `column ${tableName(after)}.${c.name} was added with a default: rows from before it have null in log and lake until written again: ${fix}`
      this.#observe({ kind: 'warning', text })
    }
  }

  #unsupported(columns: readonly string[]): void {
    if (columns.length === 0) return
    if (this.#options.unsupported === 'refuse') throw new Failure('TRB-PG-016', { columns: columns.join(', ') })
    const fresh = columns.filter((c) => !this.#warned.has(c))
    for (const c of fresh) this.#warned.add(c)
    if (fresh.length > 0) this.#observe({ kind: 'warning', text: `columns without a type mapping are left out: ${fresh.join(', ')}` })
  }
}

/**
 * A lake finds the row of a delete, and the old place of one whose key changes, by the old row's key: the server has to send it. Fails with
 * TRB-ENV-012.
 */
function refuseLooseKey(table: CatalogTable, shape: Shape, rules: ColumnRules | undefined): void {
  const { key, id } = shape.schema
  if (rules?.forLake !== true || key.join() === shape.rowKey.join()) return
  const names = key.map((i) => shape.columns[i].name)
  const sent = table.identity === 'i' ? table.identityIndex : table.identity === 'd' ? table.primaryKey : []
  const nullable = key.some((i) => !shape.columns[i].notNull)
  if (!nullable && (table.identity === 'f' || names.every((n) => sent.includes(n)))) return
  const reason = nullable ? 'they may be null' : 'the server does not send their old values'
  const fix = nullable
    ? `ALTER TABLE ${quoteTable(id)} ALTER COLUMN … SET NOT NULL;`
    : `ALTER TABLE ${quoteTable(id)} REPLICA IDENTITY FULL;`
  throw new Failure('TRB-ENV-012', { table: tableName(id), columns: names.join(', '), reason, fix })
}

/**
 * What the catalogue says of the table, with the keys that it had when the message was written: a key column renamed or dropped since
 * is not in the catalogue any more, and without it the rows would have no key.
 */
function tableThen(relation: RelationMessage, now: CatalogTable | null, before: CatalogTable | null): CatalogTable {
  if (now === null) return before ?? droppedTable(relation)
  const kept = (key: keyof CatalogTable & ('primaryKey' | 'identityIndex' | 'uniqueIndex')): readonly string[] => {
    const flagged = droppedTable(relation).primaryKey
    const choices = [now[key], before?.[key] ?? [], key === 'primaryKey' ? flagged : []]
    return choices.find((k) => k.length > 0 && k.every((name) => relation.columns.some((c) => c.name === name))) ?? []
  }
  return { ...now, primaryKey: kept('primaryKey'), identityIndex: kept('identityIndex'), uniqueIndex: kept('uniqueIndex') }
}

/** A table that no longer exists: its key is what the message flags, unless everything is flagged (FULL). */
function droppedTable(relation: RelationMessage): CatalogTable {
  const key = relation.identity === 'd' ? relation.columns.filter((c) => c.identity).map((c) => c.name) : []
  return {
    oid: relation.oid,
    schema: relation.schema,
    table: relation.table,
    kind: 'r',
    partition: false,
    identity: relation.identity,
    rowEstimate: -1,
    pages: 0,
    columns: [],
    primaryKey: key,
    identityIndex: [],
    uniqueIndex: [],
  }
}
