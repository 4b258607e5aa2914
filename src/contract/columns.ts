/** Columnar rows: what the lake writes and reads. Values are bytes in Parquet PLAIN order; no object per row. */

export type LakeType =
  | { readonly kind: 'boolean' | 'int' | 'long' | 'float' | 'double' | 'string' | 'bytes' | 'date' | 'time-micros' | 'timestamp-micros' }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  | { readonly kind: 'list'; readonly element: LakeType }
  | { readonly kind: 'map'; readonly value: LakeType }
  | { readonly kind: 'struct'; readonly fields: readonly StructField[] }

/** At least one; every field is nullable. */
export type StructField = { readonly name: string; readonly type: LakeType }

/** Every column of a lake table is nullable (Hudi writer rule). `doc` goes into the Avro schema of the table. */
export interface LakeColumn {
  readonly name: string
  readonly type: LakeType
  readonly doc?: string
}

/** valid[i] = 1 when row i is not null; null means no nulls. Fixed-width data has a slot for nulls too. */
export interface FixedVector {
  readonly kind: 'fixed'
  /** 1 boolean (0/1), 4 int float date, 8 long double time timestamp (little-endian), n decimal (big-endian two's complement). */
  readonly width: number
  readonly data: Buffer
  readonly valid: Uint8Array | null
}

export interface BytesVector {
  readonly kind: 'bytes'
  readonly data: Buffer
  /** count + 1 offsets into data. */
  readonly offsets: Int32Array
  readonly valid: Uint8Array | null
}

export interface ListVector {
  readonly kind: 'list'
  readonly offsets: Int32Array
  readonly valid: Uint8Array | null
  readonly element: Vector
}

export interface MapVector {
  readonly kind: 'map'
  readonly offsets: Int32Array
  readonly valid: Uint8Array | null
  readonly key: BytesVector
  readonly value: Vector
}

/** Row i of the struct is row i of every field, which is null where the struct is. */
export interface StructVector {
  readonly kind: 'struct'
  readonly count: number
  readonly valid: Uint8Array | null
  readonly fields: readonly Vector[]
}

export type Vector = FixedVector | BytesVector | ListVector | MapVector | StructVector

/** Changes of one table in log order. */
export interface RowChanges {
  readonly columns: readonly LakeColumn[]
  readonly count: number
  /** ASCII op: c u r = the row after; d = the row before (only key columns are sure); t = truncate (no row). */
  readonly op: Uint8Array
  /**
   * Previous image for tables without a key (REPLICA IDENTITY FULL): row i of `before` belongs to change i.
   * Null for keyed tables.
   */
  readonly before: readonly Vector[] | null
  /** Parallel to `columns`. */
  readonly vectors: readonly Vector[]
  /** Per column: 1 = value not in the source's log, keep the stored one. Null: none in this chunk. */
  readonly unavailable: readonly (Uint8Array | null)[]
  readonly bytes: number
}
