import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FileSlice } from '../../contract/slice.ts'
import { Failure } from '../../failure/failure.ts'
import { tableConcurrency } from '../../lake/lock/table-concurrency.ts'
import {
  bytesOf,
  type Compacted,
  type CompactionDeps,
  compactable,
  compactSlices,
  logBytesOf,
  planCompaction,
  resumeCompactions,
} from '../../lake/service/compaction.ts'
import { ageOfLogs } from '../../lake/service/compactor.ts'
import { compactLogs, resumeLogCompactions } from '../../lake/service/log-compaction.ts'
import { openForService } from '../../lake/service/open.ts'
import type { TimelineStore } from '../../lake/timeline-store.ts'
import { type ConcurrencyFlagValues, concurrencyOf } from '../concurrency-flags.ts'
import type { S3FlagValues } from '../s3-flags.ts'
import { countOf, countText, sizeText } from '../terminal/units.ts'
import type { ContextWith, Outcome } from '../verb.ts'
import { openTableUri } from './open-table-uri.ts'

type CompactFlags = {
  readonly 'min-logs': number
  readonly 'min-log-bytes': number
  readonly 'min-age': number
  readonly 'log-files': boolean
  readonly pending: boolean
  readonly schedule: boolean
  readonly memory: number
  readonly plan: boolean
} & ConcurrencyFlagValues &
  S3FlagValues

const ROW_GROUP = 32 << 20

/** `lake compact`. */
export async function runCompact(context: ContextWith<CompactFlags>): Promise<Outcome> {
  const { flags } = context
  const only = (['pending', 'schedule', 'plan'] as const).filter((f) => flags[f])
  if (only.length > 1) {
    const expected = `left out: --${only[0]} is given`
    throw new Failure('TRB-CLI-004', { command: context.command, where: `--${only[1]}`, value: 'true', expected })
  }
  if (flags.schedule && flags['log-files']) {
    const expected = 'left out: --schedule is given'
    throw new Failure('TRB-CLI-004', { command: context.command, where: '--log-files', value: 'true', expected })
  }
  const ts = await openTableUri(context.args[0]!, context)
  await openForService(ts)
  if (flags.plan) return shown(ts, await chosen(ts, flags))
  const scratchDir = await mkdtemp(join(tmpdir(), 'tributary-compact-'))
  try {
    const sharing = await tableConcurrency(ts.store, ts.table, ts.clock, concurrencyOf(flags))
    ts.optimistic = sharing !== null
    const deps: CompactionDeps = { scratchDir, memoryBudget: flags.memory, rowGroupBytes: ROW_GROUP, sharing }
    if (flags.schedule) return await scheduled(ts, flags, deps)
    return done(ts, await compacted(ts, flags, deps))
  } finally {
    await rm(scratchDir, { recursive: true, force: true })
  }
}

async function compacted(ts: TimelineStore, flags: CompactFlags, deps: CompactionDeps): Promise<readonly Compacted[]> {
  if (flags['log-files']) {
    const finished = await resumeLogCompactions(ts, deps)
    return flags.pending ? finished : [...finished, ...(await compactLogs(ts, await chosen(ts, flags), deps))]
  }
  const resumed = await resumeCompactions(ts, deps)
  return flags.pending ? resumed : [...resumed, ...(await compactSlices(ts, await chosen(ts, flags), deps))]
}

async function chosen(ts: TimelineStore, flags: CompactFlags): Promise<readonly FileSlice[]> {
  const least = flags['log-files'] ? Math.max(2, flags['min-logs']) : flags['min-logs']
  const [now, age] = [ts.clock.now(), flags['min-age']]
  const due = (s: FileSlice): boolean => logBytesOf(s) >= flags['min-log-bytes'] && (age === 0 || ageOfLogs(s, now) >= age)
  return (await compactable(ts)).filter((s) => s.logs.length >= least && due(s))
}

function shown(ts: TimelineStore, slices: readonly FileSlice[]): Outcome {
  const groups = slices.map((s) => ({
    partition: s.partition,
    fileId: s.fileId,
    logs: s.logs.length,
    logBytes: logBytesOf(s),
    bytes: bytesOf(s),
  }))
  const lines = groups.map((g) => `${g.partition === '' ? '' : `${g.partition}/`}${g.fileId}  ${g.logs} logs, ${sizeText(g.logBytes)}`)
  const logs = groups.reduce((n, g) => n + g.logs, 0)
  const summary = `${countOf(logs, 'log file')} of ${countOf(groups.length, 'file group')} of ${ts.table} would be merged; nothing was changed`
  return { summary, text: [...lines, summary].join('\n'), result: { table: ts.table, planned: true, groups } }
}

async function scheduled(ts: TimelineStore, flags: CompactFlags, deps: CompactionDeps): Promise<Outcome> {
  const planned = await planCompaction(ts, await chosen(ts, flags), deps.sharing ?? null)
  const groups = planned?.slices.length ?? 0
  const summary =
    planned === null
      ? `nothing of ${ts.table} is due`
      : `a compaction of ${countOf(groups, 'file group')} of ${ts.table} is planned at ${planned.time}`
  return {
    summary,
    text: summary,
    result: { table: ts.table, planned: false, instants: planned === null ? [] : [planned.time], fileGroups: groups },
  }
}

function done(ts: TimelineStore, all: readonly Compacted[]): Outcome {
  const groups = all.reduce((n, c) => n + c.fileGroups, 0)
  const bytes = all.reduce((n, c) => n + c.bytes, 0)
  const resumed = all.filter((c) => c.resumed).length
  const earlier = resumed === 0 ? '' : ` (${countText(resumed)} planned before)`
  const summary =
    all.length === 0
      ? `nothing of ${ts.table} is due`
      : `${countOf(groups, 'file group')} of ${ts.table} merged, ${sizeText(bytes)}${earlier}: ${all.map((c) => c.instant).join(', ')}`
  return { summary, text: summary, result: { table: ts.table, planned: false, instants: all } }
}
