import type { Column } from '../../contract/change.ts'
import { encodeEmpty, encodeNothing } from '../types/text.ts'
import type { CatalogColumn } from './catalog-column.ts'
import { schemaDefault } from './types/defaults.ts'
import { mapType } from './types/mapping.ts'
import type { TypeOptions } from './types/options.ts'

export { DEFAULT_TYPE_OPTIONS, type TypeOptions, typeOptionsOf } from './types/options.ts'

/**
 * The column of the change record for a catalogue column: Connect schema with optionality and default, and the encoder from PG's text
 * to Avro binary. Null where Debezium leaves the column out of the record; put `omittedColumn` in its place.
 */
export function connectColumn(col: CatalogColumn, options: TypeOptions): Column | null {
  const mapping = mapType(col.type, col.typmod, options)
  if (mapping === null) return null
  const dflt = schemaDefault(col, mapping)
  const connect = { ...mapping.schema, optional: !col.notNull, ...(dflt === null ? {} : { default: dflt.value }) }
  return {
    name: col.name,
    sourceType: col.type.formatted,
    connect,
    encode: col.notNull && mapping.encode === encodeNothing ? encodeEmpty : mapping.encode,
    ...(mapping.encodeSnapshot === undefined ? {} : { encodeSnapshot: mapping.encodeSnapshot }),
    unavailable: mapping.unavailable,
    fallback: dflt !== null ? dflt.bytes : col.notNull ? mapping.fallback : null,
  }
}

/** Keeps the place of a column that tuples hold but records do not. */
export function omittedColumn(col: CatalogColumn): Column {
  return {
    name: col.name,
    sourceType: col.type.formatted,
    connect: { type: 'string', optional: true },
    encode: () => false,
    omitted: true,
    unavailable: null,
    fallback: null,
  }
}
