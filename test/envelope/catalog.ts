import type { CatalogColumn, CatalogType } from '../../src/capture/postgres/catalog-column.ts'
import { connectColumn, DEFAULT_TYPE_OPTIONS, type TypeOptions } from '../../src/capture/postgres/types.ts'
import type { Column } from '../../src/contract/change.ts'

/** A catalogue type by name; `_x` is the array of x. */
export function catalogType(name: string, more: Partial<CatalogType> = {}): CatalogType {
  const element = name.startsWith('_') ? catalogType(name.slice(1)) : null
  return { oid: 0, schema: 'pg_catalog', name, formatted: name, typtype: 'b', element, base: null, labels: null, ...more }
}

export function catalogColumn(name: string, type: string | CatalogType, more: Partial<CatalogColumn> = {}): CatalogColumn {
  return {
    name,
    attnum: 1,
    notNull: false,
    defaultExpr: null,
    generated: false,
    identity: false,
    typmod: -1,
    type: typeof type === 'string' ? catalogType(type) : type,
    isKey: false,
    ...more,
  }
}

/** The mapped column; the type must have a mapping. */
export function column(
  name: string,
  type: string | CatalogType,
  more: Partial<CatalogColumn> = {},
  options: Partial<TypeOptions> = {},
): Column {
  const c = connectColumn(catalogColumn(name, type, more), { ...DEFAULT_TYPE_OPTIONS, ...options })
  if (c === null) throw new Error(`no mapping for ${JSON.stringify(type)}`)
  return c
}

/** typmod of numeric(p,s). */
export function numericTypmod(precision: number, scale: number): number {
  return ((precision << 16) | (scale & 0x7ff)) + 4
}
