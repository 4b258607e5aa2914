import type { Clock } from '../../contract/clock.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { TableSpec } from '../../contract/table.ts'
import { type ConcurrencySettings, DEFAULT_CONCURRENCY, tableConcurrency } from '../lock/table-concurrency.ts'
import type { Operation } from '../metadata/commit-metadata.ts'
import { createOrOpenTable } from '../open-table.ts'
import type { LogBlocks } from './log-file.ts'
import { CowTableWriter, type LakeTableWriter, MorTableWriter } from './table-writer.ts'

export interface OpenTableDeps {
  readonly clock: Clock
  /** A directory on local disk for what does not fit into memory; made when needed, emptied by the writer. */
  readonly scratchDir: string
  /** Bytes of changes held in memory at most; default 128 MiB. */
  readonly memoryBudget?: number
  /** Row groups are cut at about this many bytes, uncompressed; default 32 MiB. */
  readonly rowGroupBytes?: number
  /** What commits say that they did; default UPSERT. */
  readonly operation?: Operation
  /** Form of the data blocks of logs; default Parquet. */
  readonly logBlocks?: LogBlocks
  /** Size of a log file from which on the next block goes into the next version of it; default 1 GiB, as Hudi has it. */
  readonly logFileBytes?: number
  /** Of tables without buckets: base files smaller than this take new keys; default 100 MiB. */
  readonly smallFileBytes?: number
  /** No key comes twice in a flush, whatever its partition: new rows need not be held for that. */
  readonly uniqueKeys?: boolean
  /** Whether other writers share the table; default: as the table shows (lock/table-concurrency.ts). */
  readonly concurrency?: ConcurrencySettings
}

export const DEFAULT_BUDGET = 128 << 20
export const DEFAULT_ROW_GROUP = 32 << 20

/**
 * Opens a table for writing, created when there is none. An existing table keeps its columns (call evolve to add some) and bucket count.
 * Failures: see createOrOpenTable (another key or partitioning, table version, metadata table).
 */
export async function openTableWriter(store: ObjectStore, spec: TableSpec, deps: OpenTableDeps): Promise<LakeTableWriter> {
  return await openWriterOf(store, await createOrOpenTable(store, spec, deps.clock), deps)
}

/** Opens a table that is there, as `spec` describes it: of another engine's, too. */
export async function openWriterOf(store: ObjectStore, found: TableSpec, deps: OpenTableDeps): Promise<LakeTableWriter> {
  const sharing = await tableConcurrency(store, found.path, deps.clock, deps.concurrency ?? DEFAULT_CONCURRENCY)
  const Writer = found.tableType === 'MERGE_ON_READ' ? MorTableWriter : CowTableWriter
  return new Writer(store, found, {
    ...deps,
    sharing,
    memoryBudget: deps.memoryBudget ?? DEFAULT_BUDGET,
    rowGroupBytes: deps.rowGroupBytes ?? DEFAULT_ROW_GROUP,
  })
}
