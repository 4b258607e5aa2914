import type { Json } from './json.ts'

export type PrimitiveKind = 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'bytes' | 'string'

export const PRIMITIVES: readonly PrimitiveKind[] = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string']

/** Members of a schema or field that Avro gives no meaning to, in order. */
export type Props = ReadonlyMap<string, Json>

export interface AvroName {
  readonly name: string
  /** '' : none. */
  readonly space: string
  readonly full: string
}

interface Named {
  readonly name: AvroName
  readonly doc: string | null
  /** Full names; null: the member is absent. */
  readonly aliases: readonly AvroName[] | null
  readonly props: Props
}

export interface AvroField {
  readonly name: string
  readonly type: AvroSchema
  readonly doc: string | null
  /** Undefined: no default. */
  readonly default: Json | undefined
  readonly order: 'ascending' | 'descending' | 'ignore'
  readonly aliases: readonly string[] | null
  readonly props: Props
}

export interface AvroRecord extends Named {
  readonly kind: 'record'
  /** Declared as `error`. */
  readonly error: boolean
  readonly fields: readonly AvroField[]
}

export interface AvroEnum extends Named {
  readonly kind: 'enum'
  readonly symbols: readonly string[]
  readonly default: string | null
}

export interface AvroFixed extends Named {
  readonly kind: 'fixed'
  readonly size: number
}

export type NamedSchema = AvroRecord | AvroEnum | AvroFixed

/** An Avro schema with its names resolved; recursive ones are cycles of objects. */
export type AvroSchema =
  | NamedSchema
  | { readonly kind: PrimitiveKind; readonly props: Props }
  | { readonly kind: 'array'; readonly items: AvroSchema; readonly props: Props }
  | { readonly kind: 'map'; readonly values: AvroSchema; readonly props: Props }
  | { readonly kind: 'union'; readonly branches: readonly AvroSchema[] }

export function isNamed(schema: AvroSchema): schema is NamedSchema {
  return schema.kind === 'record' || schema.kind === 'enum' || schema.kind === 'fixed'
}
