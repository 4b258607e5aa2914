import type { LakeColumn, Vector } from './columns.ts'

/** A base file. */
export interface SliceFile {
  readonly fileId: string
  readonly partition: string
  /** Store key. */
  readonly key: string
  readonly bytes: number
  readonly rows: number
  readonly instant: string
}

/** One log file of a merge-on-read file slice (spec of the name: lake/layout/file-name.ts). */
export interface LogFile {
  /** Store key. */
  readonly key: string
  readonly name: string
  readonly bytes: number
  /** The instant in the name: of the slice's base file (table version 6), or of the delta commit that wrote the log (8 and 9). */
  readonly instant: string
  /** `log.<N>` */
  readonly version: number
  readonly token: string
}

/** A base file and the logs on top of it, as a reader at one instant sees them. Files of instants that don't count are not in it. */
export interface FileSlice {
  readonly partition: string
  readonly fileId: string
  /** Instant of the base file; without one, that of the oldest log or of the compaction that is to write it. */
  readonly baseInstant: string
  readonly base: SliceFile | null
  /** In the order in which they are merged. Change-data-capture logs are not among them. */
  readonly logs: readonly LogFile[]
}

/** How two rows of one key become one (hoodie.properties: merge mode, or inferred from payload and ordering fields). */
export interface MergeRules {
  readonly mode: 'commit-time' | 'event-time'
  /** Empty in commit-time mode. */
  readonly ordering: readonly string[]
  /** A row whose column has this value is a delete; null: no such rule. `_hoodie_is_deleted` = true always is. */
  readonly deleteMarker: { readonly column: string; readonly value: string } | null
  /** A string or bytes value equal to it means: keep the stored one; null: no such rule. */
  readonly unavailable: string | null
  /** A null means: keep what is below. `below`: records of the logs in their order, then the stored row; `base`: the stored row alone. */
  readonly nulls?: 'below' | 'base'
  /** Record keys are not stored (hoodie.populate.meta.fields=false): they are made of these columns. */
  readonly key?: readonly string[]
  /** `ordering` is asked among the records of the logs alone: what survives takes the place of the stored row. */
  readonly overBase?: 'always'
  /** A record takes the place of a delete before it in the logs whatever its ordering value. */
  readonly overDelete?: 'always'
}

/** Rows in columns; `vectors` is parallel to `columns`. */
export interface RowChunk {
  readonly columns: readonly LakeColumn[]
  readonly count: number
  readonly vectors: readonly Vector[]
}

/** What the logs of a slice make of its base file. To be closed: what did not fit into memory is in a scratch file. */
export interface SliceDelta {
  /** Ordinals of the base file's rows that are replaced or deleted, ascending. */
  readonly hidden: Int32Array
  /** Rows that take their place or are new. */
  readonly count: number
  /** Blocks of the logs; of those that count, the rows in the ones of data, and the keys in the ones of deletes. */
  readonly blocks: number
  readonly records: number
  readonly deletes: number
  /** Those rows, meta columns first (with `_hoodie_file_name` as the log holds it), in chunks. */
  rows(): AsyncIterable<RowChunk>
  close(): Promise<void>
}
