/**
 * The Kafka Connect schema model: what Debezium describes its records with, and the single source from which the
 * Avro schema text, the JSON "schema" part and the lake's column types are derived (spec debezium §1.6, §1.7).
 * Property order of `parameters` and `fields` is part of the format.
 */
export type ConnectType =
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float32'
  | 'float64'
  | 'boolean'
  | 'string'
  | 'bytes'
  | 'array'
  | 'map'
  | 'struct'

/** A default value in a schema. int64 is a bigint, bytes a Uint8Array, a struct an object in field order. */
export type ConnectValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly ConnectValue[]
  | { readonly [field: string]: ConnectValue }

export interface ConnectSchema {
  readonly type: ConnectType
  readonly optional: boolean
  /** Semantic type or record name, e.g. `io.debezium.time.MicroTimestamp`. */
  readonly name?: string
  readonly version?: number
  readonly doc?: string
  readonly parameters?: readonly (readonly [key: string, value: string])[]
  /** Absent means no default. */
  readonly default?: ConnectValue
  /** Array element, or map value. */
  readonly items?: ConnectSchema
  /** Map key. */
  readonly keys?: ConnectSchema
  /** Struct fields, in wire order. */
  readonly fields?: readonly ConnectField[]
}

export interface ConnectField {
  readonly name: string
  readonly schema: ConnectSchema
}
