import type { LakeColumn } from '../../contract/columns.ts'
import type { MergeRules } from '../../contract/slice.ts'
import { type KeyWriter, keyWriter } from '../index/record-key.ts'
import { META_COLUMNS } from '../metadata/avro-schema.ts'
import { OrderingFields } from './ordering.ts'

/** The meta columns, as columns. */
export const META: readonly LakeColumn[] = META_COLUMNS.map((name) => ({ name, type: { kind: 'string' } }))

const KEY = '_hoodie_record_key'
const IS_DELETED = '_hoodie_is_deleted'
/** Written by Flink: I, -U, U, D. */
const OPERATION = '_hoodie_operation'

/** What is read of a log: the columns that are wanted, then those that merging needs beside them. */
export class LogColumns {
  /** Meta columns first, where they are wanted. */
  readonly wanted: readonly LakeColumn[]
  readonly all: readonly LakeColumn[]
  /** Place of the record key; −1: it is made of others. */
  readonly key: number
  /** What makes it, and of which places; null: it is stored. */
  readonly made: { readonly writer: KeyWriter; readonly places: readonly number[] } | null
  readonly ordering: readonly number[]
  /** Columns with a value that makes a row a delete: an absent column has none. */
  readonly deletes: readonly { readonly column: number; readonly value: Buffer | true }[]
  /** Wanted columns of strings or bytes where this value means: keep the stored one. */
  readonly unavailable: Buffer | null
  readonly fields: OrderingFields
  readonly rules: MergeRules

  /** `schema`: all columns of the table. `names`: those wanted, null: all. `meta`: the meta columns are wanted, whatever is named. */
  constructor(table: string, schema: readonly LakeColumn[], names: readonly string[] | null, rules: MergeRules, meta = true) {
    this.rules = rules
    const named = names === null ? null : new Set(names)
    this.wanted = [...(meta ? META : []), ...schema.filter((c) => named === null || named.has(c.name))]
    const all = [...this.wanted]
    const place = (column: LakeColumn): number => {
      const at = all.findIndex((c) => c.name === column.name)
      return at >= 0 ? at : all.push(column) - 1
    }
    const known = (name: string): LakeColumn | undefined => schema.find((c) => c.name === name)
    const made = rules.key?.map((name) => known(name) ?? { name, type: { kind: 'string' as const } })
    this.made = made === undefined ? null : { writer: keyWriter(table, made), places: made.map(place) }
    this.key = this.made === null ? place({ name: KEY, type: { kind: 'string' } }) : -1
    const ordering = rules.ordering.flatMap((name) => known(name) ?? [])
    this.fields = new OrderingFields(table, ordering)
    this.ordering = ordering.map(place)
    const deletes: { column: number; value: Buffer | true }[] = []
    deletes.push({ column: place({ name: IS_DELETED, type: { kind: 'boolean' } }), value: true })
    deletes.push({ column: place({ name: OPERATION, type: { kind: 'string' } }), value: Buffer.from('D') })
    if (rules.deleteMarker !== null) {
      const { column, value } = rules.deleteMarker
      deletes.push({ column: place({ name: column, type: { kind: 'string' } }), value: Buffer.from(value) })
    }
    this.deletes = deletes
    this.unavailable = rules.unavailable === null ? null : Buffer.from(rules.unavailable)
    this.all = all
  }
}
