import { readContainer, writeContainer } from './avro-container.ts'
import { REQUESTED_REPLACE_V6, REQUESTED_REPLACE_V9 } from './schemas/requested-replace.ts'

/** Contents of `T.replacecommit.requested` (of an overwrite: nothing planned; of a clustering in layout 1) and of `T.clustering.requested`. */

export interface ClusteringSlice {
  readonly partition: string
  readonly fileId: string
  /** Absolute path of the base file; empty: the slice has none. */
  readonly baseFile: string
  /** Absolute paths. */
  readonly logFiles: readonly string[]
}

/**
 * Entry of a plan's `extra` by which its planner lets any writer of ours take the clustering back when it is found pending: nothing is lost,
 * as the rows are where they were. Other engines' plans are theirs to finish.
 */
export const RETRACTABLE = 'tributary.retractable'

/**
 * Entry of a plan's `extra`, and of the completed clustering's: the number of buckets that it spreads all rows of the table over. While it is pending
 * every file group is its own, those that are not there yet too.
 */
export const REBUCKETED = 'tributary.buckets'

/** Slices that are rewritten together. */
export interface ClusteringGroup {
  readonly slices: readonly ClusteringSlice[]
  readonly outputGroups: number
  readonly metrics: { readonly [name: string]: number }
}

export interface ClusteringPlan {
  readonly groups: readonly ClusteringGroup[]
  /** Class and parameters that an engine executes the plan by. */
  readonly strategy: { readonly name: string; readonly parameters: { readonly [name: string]: string } } | null
  readonly extra: { readonly [name: string]: string }
}

interface Plan {
  inputGroups:
    | {
        slices:
          | { dataFilePath: string | null; deltaFilePaths: string[] | null; fileId: string | null; partitionPath: string | null }[]
          | null
        metrics: Record<string, number> | null
        numOutputFileGroups: number | null
      }[]
    | null
  strategy: { strategyClassName: string | null; strategyParams: Record<string, string> | null } | null
  extraMetadata: Record<string, string> | null
}

/** Bytes of a plan; null: a replacecommit that plans nothing (insert overwrite, delete partition). `sync`: 16 random bytes. */
export function printClusteringPlan(p: ClusteringPlan | null, tableVersion: 6 | 9, sync: Uint8Array): Buffer {
  const schema = tableVersion === 6 ? REQUESTED_REPLACE_V6 : REQUESTED_REPLACE_V9
  if (p === null) return writeContainer(schema, { operationType: null, clusteringPlan: null, extraMetadata: null, version: null }, sync)
  const inputGroups = p.groups.map((g) => ({
    slices: g.slices.map((s) => ({
      dataFilePath: s.baseFile,
      deltaFilePaths: [...s.logFiles],
      fileId: s.fileId,
      partitionPath: s.partition,
      bootstrapFilePath: '',
      version: 1,
    })),
    metrics: { ...g.metrics },
    numOutputFileGroups: g.outputGroups,
    extraMetadata: null,
    version: 1,
  }))
  const strategy =
    p.strategy === null ? null : { strategyClassName: p.strategy.name, strategyParams: { ...p.strategy.parameters }, version: 1 }
  const plan = { inputGroups, strategy, extraMetadata: { ...p.extra }, version: 1, preserveHoodieMetadata: true }
  const clusteringPlan = tableVersion === 6 ? plan : { ...plan, missingSchedulePartitions: [] }
  return writeContainer(schema, { operationType: 'CLUSTER', clusteringPlan, extraMetadata: {}, version: 1 }, sync)
}

/** Null: the file plans no clustering (an overwrite; empty in tables of old releases). TRB-LAKE-004 for anything else. */
export function parseClusteringPlan(bytes: Buffer, file: string): ClusteringPlan | null {
  if (bytes.length === 0) return null
  const r = readContainer(bytes, file) as { operationType?: string | null; clusteringPlan?: Plan | null }
  const plan = r.clusteringPlan ?? null
  if (plan === null) return r.operationType === 'CLUSTER' ? { groups: [], strategy: null, extra: {} } : null
  const groups = (plan.inputGroups ?? []).map((g) => ({
    slices: (g.slices ?? []).map((s) => ({
      partition: s.partitionPath ?? '',
      fileId: s.fileId ?? '',
      baseFile: s.dataFilePath ?? '',
      logFiles: s.deltaFilePaths ?? [],
    })),
    outputGroups: g.numOutputFileGroups ?? 1,
    metrics: { ...g.metrics },
  }))
  const strategy =
    plan.strategy === null ? null : { name: plan.strategy.strategyClassName ?? '', parameters: { ...plan.strategy.strategyParams } }
  return { groups, strategy, extra: { ...plan.extraMetadata } }
}
