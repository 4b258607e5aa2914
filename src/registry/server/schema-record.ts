import type { CompatibilityLevel } from '../avro/levels.ts'

export const MODES = ['READWRITE', 'READONLY', 'READONLY_OVERRIDE', 'IMPORT'] as const
export type Mode = (typeof MODES)[number]

/** A schema that another one uses types of. */
export interface Reference {
  readonly name: string
  readonly subject: string
  readonly version: number
}

/** One version of a subject. `schema` is the canonical text (avro/schema-text.ts). */
export interface SchemaValue {
  readonly subject: string
  readonly version: number
  readonly id: number
  readonly schema: string
  readonly references: readonly Reference[]
  readonly deleted: boolean
}

/**
 * What a registry's log holds, in the terms of Confluent's `_schemas` topic: every change of the registry is one of these, and the newest of
 * each key is the whole state. `value` null takes the key away.
 *   key   => {"keytype":"SCHEMA","subject":S,"version":V,"magic":1}
 *          | {"keytype":"CONFIG"|"MODE"|"DELETE_SUBJECT","subject":S|null,"magic":0} | {"keytype":"NOOP","magic":0}
 *   value => {"subject","version","id","schema","references"?,"deleted"} | {"compatibilityLevel"} | {"mode"} | {"subject","version"}
 */
export type SchemaRecord =
  | { readonly type: 'SCHEMA'; readonly subject: string; readonly version: number; readonly value: SchemaValue | null }
  | { readonly type: 'CONFIG'; readonly subject: string | null; readonly value: { readonly compatibilityLevel: CompatibilityLevel } | null }
  | { readonly type: 'MODE'; readonly subject: string | null; readonly value: { readonly mode: Mode } | null }
  | { readonly type: 'DELETE_SUBJECT'; readonly subject: string; readonly value: { readonly version: number } | null }

/** Where changes become durable, in order. */
export interface RegistryJournal {
  /** Every record in force, oldest first, and the highest id that was ever given out as far as is known. */
  load(): Promise<{ readonly records: readonly SchemaRecord[]; readonly reserved: number }>
  /** Durable when it resolves, all of them or (when it fails) none. */
  append(records: readonly SchemaRecord[]): Promise<void>
  close(): Promise<void>
}

export function keyText(record: SchemaRecord): string {
  const { type: keytype, subject } = record
  return keytype === 'SCHEMA'
    ? JSON.stringify({ keytype, subject, version: record.version, magic: 1 })
    : JSON.stringify({ keytype, subject, magic: 0 })
}

export function valueText(record: SchemaRecord): string | null {
  if (record.value === null) return null
  if (record.type === 'DELETE_SUBJECT') return JSON.stringify({ subject: record.subject, version: record.value.version })
  if (record.type !== 'SCHEMA') return JSON.stringify(record.value)
  const { subject, version, id, schema, references, deleted } = record.value
  return JSON.stringify({ subject, version, id, ...(references.length === 0 ? {} : { references }), schema, deleted })
}

/** The record of a key and value; null: one that says nothing (NOOP). 'unknown': written by a registry that knows more than we do. */
export function recordOf(key: string, value: string | null): SchemaRecord | null | 'unknown' {
  const k = JSON.parse(key) as { keytype?: unknown; subject?: unknown; version?: unknown }
  const v = value === null ? null : (JSON.parse(value) as Record<string, unknown>)
  const subject = typeof k.subject === 'string' ? k.subject : null
  switch (k.keytype) {
    case 'NOOP':
      return null
    case 'SCHEMA':
      return subject === null ? 'unknown' : schemaRecord(subject, Number(k.version), v)
    case 'CONFIG':
      return { type: 'CONFIG', subject, value: v === null ? null : { compatibilityLevel: v['compatibilityLevel'] as CompatibilityLevel } }
    case 'MODE':
      return { type: 'MODE', subject, value: v === null ? null : { mode: v['mode'] as Mode } }
    case 'DELETE_SUBJECT':
      return subject === null
        ? 'unknown'
        : { type: 'DELETE_SUBJECT', subject, value: v === null ? null : { version: Number(v['version']) } }
    default:
      return 'unknown'
  }
}

function schemaRecord(subject: string, version: number, v: Record<string, unknown> | null): SchemaRecord | 'unknown' {
  if (v === null) return { type: 'SCHEMA', subject, version, value: null }
  const { id, schema, schemaType, references, deleted } = v
  if (typeof id !== 'number' || typeof schema !== 'string' || (schemaType ?? 'AVRO') !== 'AVRO') return 'unknown'
  const list = (Array.isArray(references) ? references : []) as readonly Reference[]
  return { type: 'SCHEMA', subject, version, value: { subject, version, id, schema, references: list, deleted: deleted === true } }
}
