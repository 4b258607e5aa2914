import type { ConnectSchema } from '../../contract/connect-schema.ts'
import type { RecordHeader } from '../../format/record-batch/reader.ts'

/** Key or value of a record while it is transformed. A struct has no union branch at its top, whether or not its schema is optional. */
export interface Part {
  readonly schema: ConnectSchema
  /** Avro binary without wire header; null: a null that keeps its schema. */
  readonly avro: Buffer | null
}

/** A record on its way through the transforms, as Kafka Connect's would see it; they change it in place. */
export interface TransformRecord {
  topic: string
  /** Ms; null: the time of the batch. */
  timestamp: number | null
  key: Part | null
  value: Part | null
  /** Those of the record, then those of its batch, then what transforms add. */
  headers: RecordHeader[]
  /** Whether the field of the row with this ordinal is a null that shows the default of its schema. */
  isDefaulted(field: number): boolean
}

export type HeaderFormat = 'simple' | 'json'

/** One step of `transforms`. */
export interface Transform {
  /** False: the record is dropped. */
  apply(record: TransformRecord): boolean
  /** Where records go whose topic alone decides. */
  route?(topic: string): string
  /** `route.by.field` needs to know which values are defaults that stand for null. */
  readonly asksForDefaults?: boolean
}
