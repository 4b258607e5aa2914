import type { LakeColumn, RowChanges } from './columns.ts'
import type { CutPlace } from './cut-place.ts'

/** Numbers of `unitMs` milliseconds since 1970 printed in UTC: yyyy MM dd HH mm ss, and what stands between them. */
export interface DatePattern {
  readonly unitMs: number
  readonly pattern: string
}

/** What makes a segment (or, with '/' in a pattern, some) of a partition path: the text of a column's value, or `date`. */
export interface PartitionField {
  readonly column: string
  readonly date?: DatePattern
  /** It is made by a rule that is not known: read, not written. */
  readonly unknown?: true
}

export interface TableSpec {
  /** Hudi table name and database. */
  readonly name: string
  readonly database: string
  /** Store prefix of the table, no trailing slash, e.g. `shop/public/orders`. */
  readonly path: string
  /** Row columns, then the change columns (`_change_operation_type` …). */
  readonly columns: readonly LakeColumn[]
  /** Key columns; empty: rows are a bag, identified by content and ordinal (spec in lake/index/bag-key.ts). */
  readonly key: readonly string[]
  /** int64 column. */
  readonly orderingField: string
  /** Null: not partitioned. `truncate`: dates and timestamps. Other engines: `hive` paths are `column=value`, `plain` ones not encoded. */
  readonly partition: Readonly<{
    column: string
    truncate: 'none' | 'day' | 'month' | 'year'
    hive?: boolean
    plain?: boolean
    /** Other engines' tables. `fields`: of the whole path, where it is not the value of `column` alone. */
    foreign?: true
    fields?: readonly PartitionField[]
  }> | null
  /** Record keys of one field are written as `field:value` (other engines'); absent: the value alone. */
  readonly namedKey?: true
  readonly buckets: number
  readonly tableType: 'COPY_ON_WRITE' | 'MERGE_ON_READ'
  readonly tableVersion: 6 | 9
}

/** What a commit records about where its rows came from; read back for an exactly-once resume. */
export interface Checkpoint {
  readonly source: string
  /** Source position (printable commit position) at or before which this table is complete; null: snapshot not finished. */
  readonly commit: string | null
  readonly commitUs: bigint | null
  readonly topic: string
  /** Next log offset to read; of a topic with `partitions` the sum of theirs. */
  readonly nextOffset: number
  /** Next offset of each partition of a Kafka topic, by partition. Absent: the log has one partition. */
  readonly partitions?: readonly number[]
  /** Kafka's id of the topic: another one after it was created again. */
  readonly topicId?: string
}

/** The checkpoint to commit, given the newest one of the table at that moment; null: it has moved on, the commit is refused. */
export type CheckpointMerge = (newest: Checkpoint | null) => Checkpoint | null

export interface WriteCounts {
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
}

/** Data files exist, nothing is visible. */
export interface Staged {
  readonly instant: string
  readonly counts: WriteCounts
}

export interface TableWriter {
  readonly spec: TableSpec
  /** Checkpoint of the newest completed commit that has one. */
  checkpoint(): Promise<Checkpoint | null>
  /** Newest completed instant of the table; null: none yet. */
  instant(): Promise<string | null>
  /** Adds columns or widens types so that `columns` fit; takes effect with the next commit. */
  evolve(columns: readonly LakeColumn[]): Promise<void>
  /**
   * One outcome per key. Memory stays within the writer's budget (bytes), or the one given; more is spilled to its scratch directory.
   * Fails with TRB-LAKE-407 when the changes need more of it.
   */
  stage(changes: Iterable<RowChanges> | AsyncIterable<RowChanges>, memoryBudget?: number): Promise<Staged>
  /**
   * The only visible effect. `checkpoint` null: of a write that does not come from a source; a function: asked while nobody else can commit
   * (under the table's lock where it is shared).
   */
  commit(staged: Staged, checkpoint: Checkpoint | CheckpointMerge | null): Promise<'committed' | 'conflict'>
  abandon(staged: Staged): Promise<void>
}

/** A state of the source that every table of the lake has reached (DESIGN "Watermark"). */
export interface Watermark {
  readonly seq: number
  readonly source: string
  readonly commit: string
  readonly commitUs: bigint
  readonly writtenMs: number
  /** Set: the tables are near this position, each by itself; nobody knows of one transaction that all of them end with. */
  readonly loose?: true
  /** Log append that the watermark corresponds to. */
  readonly appendId: number
  readonly tables: readonly {
    readonly path: string
    readonly schema: string
    readonly table: string
    readonly instant: string | null
    readonly topic: string
    readonly nextOffset: number
  }[]
  /** Absent: the offsets in the tables' commits say enough. */
  readonly cut?: CutPlace
}

export interface WatermarkStore {
  /** Fails with TRB-LAKE-… when another writer added one in between; positions only increase. */
  append(watermark: Omit<Watermark, 'seq' | 'writtenMs'>): Promise<Watermark>
  newest(): Promise<Watermark | null>
  /** Newest first. */
  list(): AsyncIterable<Watermark>
}
