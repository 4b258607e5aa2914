/** What the catalogue says about one column and its type: the input of the type mapping (types.ts), read by schema.ts. */
export interface CatalogColumn {
  readonly name: string
  readonly attnum: number
  readonly notNull: boolean
  /** pg_get_expr of the default, null when there is none; generated columns carry `generated` instead. */
  readonly defaultExpr: string | null
  readonly generated: boolean
  readonly identity: boolean
  /** atttypmod, −1 when absent. */
  readonly typmod: number
  readonly type: CatalogType
  /** Part of the record key. */
  readonly isKey: boolean
}

export interface CatalogType {
  readonly oid: number
  readonly schema: string
  /** typname, e.g. `int4`, `_text`, `mood`. */
  readonly name: string
  /** format_type(oid, typmod), e.g. `numeric(10,2)`. */
  readonly formatted: string
  /** pg_type.typtype: b base, c composite, d domain, e enum, p pseudo, r range, m multirange. */
  readonly typtype: string
  /** Array element type; null for others. */
  readonly element: CatalogType | null
  /** Domain: the base type, with its typmod. */
  readonly base: { readonly type: CatalogType; readonly typmod: number } | null
  /** Enum labels in sort order. */
  readonly labels: readonly string[] | null
}
