import type { CatalogType } from '../catalog-column.ts'

/** Types that masks change: what the JDBC driver calls CHAR or VARCHAR. */
const TEXTS = ['bpchar', 'varchar', 'text', 'name', 'char']

/** Characters that a text type allows (null: no limit); undefined: no text, which masks do not change. */
export function maskLength(type: CatalogType, typmod: number): number | null | undefined {
  if (type.base !== null) return maskLength(type.base.type, typmod >= 0 ? typmod : type.base.typmod)
  if (type.labels !== null) return null
  if (!TEXTS.includes(type.name)) return undefined
  return (type.name === 'bpchar' || type.name === 'varchar') && typmod >= 4 ? typmod - 4 : null
}
