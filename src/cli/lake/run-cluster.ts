import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Failure } from '../../failure/failure.ts'
import { tableConcurrency } from '../../lake/lock/table-concurrency.ts'
import { type Clustered, type ClusteringPolicy, cluster, clusterable, resumeClusterings } from '../../lake/service/clustering.ts'
import { bytesOf, type CompactionDeps } from '../../lake/service/compaction.ts'
import { openForService } from '../../lake/service/open.ts'
import { rebucketable } from '../../lake/service/rebucket.ts'
import type { TimelineStore } from '../../lake/timeline-store.ts'
import { type ConcurrencyFlagValues, concurrencyOf } from '../concurrency-flags.ts'
import type { S3FlagValues } from '../s3-flags.ts'
import { countOf, countText, sizeText } from '../terminal/units.ts'
import type { ContextWith, Outcome } from '../verb.ts'
import { openTableUri } from './open-table-uri.ts'

type ClusterFlags = {
  readonly sort: readonly string[]
  readonly 'target-size': number
  readonly 'small-size': number
  readonly buckets: number
  readonly partitions: readonly string[]
  readonly pending: boolean
  readonly memory: number
  readonly plan: boolean
} & ConcurrencyFlagValues &
  S3FlagValues

const ROW_GROUP = 32 << 20

/** `lake cluster`. */
export async function runCluster(context: ContextWith<ClusterFlags>): Promise<Outcome> {
  const { flags } = context
  if (flags.buckets > 0 && flags.partitions.length > 0) {
    const expected = 'left out: --buckets is of all partitions'
    throw new Failure('TRB-CLI-004', { command: context.command, where: '--partitions', value: flags.partitions.join(','), expected })
  }
  const ts = await openTableUri(context.args[0]!, context)
  await openForService(ts)
  const policy: ClusteringPolicy = {
    sort: flags.sort,
    targetBytes: flags['target-size'],
    smallBytes: flags['small-size'],
    partitions: flags.partitions.length === 0 ? null : flags.partitions,
    buckets: flags.buckets === 0 ? null : flags.buckets,
  }
  if (flags.plan) return shown(ts, policy, flags.memory)
  const scratchDir = await mkdtemp(join(tmpdir(), 'tributary-cluster-'))
  try {
    const sharing = await tableConcurrency(ts.store, ts.table, ts.clock, concurrencyOf(flags))
    ts.optimistic = sharing !== null
    const deps: CompactionDeps = { scratchDir, memoryBudget: flags.memory, rowGroupBytes: ROW_GROUP, sharing }
    const all = [...(await resumeClusterings(ts, deps))]
    const done = flags.pending ? null : await cluster(ts, policy, deps)
    if (done !== null) all.push(done)
    return summed(ts, all)
  } finally {
    await rm(scratchDir, { recursive: true, force: true })
  }
}

async function shown(ts: TimelineStore, policy: ClusteringPolicy, memory: number): Promise<Outcome> {
  const found = policy.buckets == null ? await clusterable(ts, policy, memory) : await rebucketable(ts, policy.buckets)
  const groups = (found ?? []).map((slices) => ({
    partition: slices[0].partition,
    fileIds: slices.map((s) => s.fileId),
    bytes: slices.reduce((n, s) => n + bytesOf(s), 0),
  }))
  const lines = groups.map((g) => `${g.partition || '(table)'}  ${countOf(g.fileIds.length, 'file group')}, ${sizeText(g.bytes)}`)
  const count = groups.reduce((n, g) => n + g.fileIds.length, 0)
  const summary = `${countOf(count, 'file group')} of ${ts.table} would be rewritten; nothing was changed`
  return { summary, text: [...lines, summary].join('\n'), result: { table: ts.table, planned: true, groups } }
}

function summed(ts: TimelineStore, all: readonly Clustered[]): Outcome {
  const total = (of: (c: Clustered) => number): number => all.reduce((n, c) => n + of(c), 0)
  const groups = `${countOf(
    total((c) => c.replaced),
    'file group',
  )} of ${ts.table} became ${countText(total((c) => c.written))}`
  const instants = all.map((c) => c.instant).join(', ')
  const summary = all.length === 0 ? `nothing of ${ts.table} is due` : `${groups}, ${sizeText(total((c) => c.bytes))}: ${instants}`
  return { summary, text: summary, result: { table: ts.table, planned: false, instants: all } }
}
