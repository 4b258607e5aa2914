import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TableMatcher } from '../../capture/select-tables.ts'
import type { ScanPlan } from '../../contract/table-reader.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { pathsOf } from '../../query/table-source.ts'
import { type LakeState, planTable, type StateTable, stateAt } from '../lake/lake-state.ts'
import { type OpenLake, openLake } from '../lake/open-lake.ts'
import { type ReachedState, reach } from '../lake/reach.ts'
import type { CacheFlagValues, S3FlagValues } from '../s3-flags.ts'
import type { ContextWith, Outcome } from '../verb.ts'
import { compareOne, type TableReport } from './compare-one.ts'
import { type SlotProbe, slotReason } from './slot-probe.ts'
import type { SourceSnapshot } from './source-snapshot.ts'
import { sourceAdapter } from './sources.ts'
import { verdict } from './verify-report.ts'

export type VerifyFlags = {
  readonly source: string
  readonly 'snapshot-locking': string
  readonly url: string | null
  readonly lake: string
  readonly state: string
  readonly tables: readonly string[]
  readonly name: string
  readonly 'slot-name': string | null
  readonly wait: number
  readonly memory: number
  readonly threads: number
} & S3FlagValues &
  CacheFlagValues

export type VerifyContext = ContextWith<VerifyFlags>

const POLL_MS = 500
/** Nobody reads the slot: unless a restart is under way, waiting does not help. */
const IDLE_SLOT_MS = 5_000

interface Work {
  readonly context: VerifyContext
  readonly lake: OpenLake
  readonly snapshot: SourceSnapshot
  readonly matcher: TableMatcher
  readonly scratch: string
}

/** `cdc verify`. */
export async function verify(context: VerifyContext): Promise<Outcome> {
  const { flags, clock } = context
  const adapter = await sourceAdapter(flags.source)
  const asked = { ...flags, publication: null, 'server-id': null, 'ignore-unsupported-types': true }
  const kind = adapter.fromFlags(flags.source, asked, context.env, { kind: 'run', snapshot: null })
  if (kind.password !== null) context.secret(kind.password)
  const lake = openLake(flags.lake, context)
  const { matcher, probe, openSnapshot } = await kind.verification()
  try {
    const snapshot = await openSnapshot({ clock, signal: context.signal, waitMs: flags.wait })
    const scratch = await mkdtemp(join(tmpdir(), 'tributary-verify-'))
    try {
      return await waitAndCompare({ context, lake, snapshot, matcher, scratch }, probe)
    } finally {
      await lake.files.close()
      await rm(scratch, { recursive: true, force: true })
      await snapshot.close()
    }
  } finally {
    await probe.close()
  }
}

/**
 * Waits until the lake (with the log) certainly stands at the snapshot, then compares once. Without certainty (no log at hand, or nobody
 * captures) it compares what there is: equal is equal at any rate, and a difference may only be lag.
 */
async function waitAndCompare(work: Work, probe: SlotProbe): Promise<Outcome> {
  const { context, snapshot } = work
  const { clock, signal, flags } = context
  const started = clock.now()
  let compared = ''
  let last: { reports: TableReport[]; reached: ReachedState } | null = null
  for (;;) {
    signal.throwIfAborted()
    // Before the log is looked at: what the slot confirmed by then, the log has.
    const slot = await probe.covers(snapshot.lsn)
    const reached = await reachSnapshot(work)
    const waited = clock.now() - started
    const over = waited >= flags.wait || (slot === 'idle and behind' && waited >= Math.min(flags.wait, IDLE_SLOT_MS))
    if (reached !== null) {
      const known = reached.lack === 'none' || (reached.lack === 'log ends' && slot === 'covered')
      const certain = known && reached.pending.length === 0
      const state = `${reached.commit} ${reached.plans.map((p) => p.plan.instant).join()}`
      // At once too: in an idle database the slot is confirmed only with the next keepalive, and mostly all is well.
      const worthIt = certain || over || compared === '' || (slot === 'covered' && state !== compared)
      if (worthIt) {
        last = { reports: await compareAll(work, reached), reached }
        compared = state
        const equal = last.reports.every((r) => r.verdict === 'equal')
        if (certain || equal) return verdict(last.reports, last.reached, snapshot, 'certain')
      }
    }
    if (over) {
      if (last !== null) return verdict(last.reports, last.reached, snapshot, slot)
      throw new Failure('TRB-QUERY-015', {
        seconds: Math.round(waited / 1000),
        target: snapshot.lsnText,
        reached: 'no common state of its tables yet',
        reason: slotReason(slot),
      })
    }
    await clock.sleep(POLL_MS, signal)
  }
}

/** The lake just before the snapshot's LSN; null: it has no state at all yet. */
async function reachSnapshot(work: Work): Promise<ReachedState | null> {
  const { context, lake, snapshot, matcher, scratch } = work
  let state: LakeState
  try {
    state = await stateAt(lake, snapshot.target)
  } catch (e) {
    if (isFailure(e, 'TRB-QUERY-003')) return null
    throw e
  }
  const plans = new Map<StateTable, ScanPlan>()
  for (const t of state.tables.filter((x) => matcher.matches(x.schema, x.table))) {
    const plan = await planTable(lake, t)
    if (plan !== null) plans.set(t, plan)
  }
  const flags = { exact: false, state: context.flags.state, 'as-of': null }
  const room = await mkdtemp(join(scratch, 'reach-'))
  return await reach({ flags, cwd: context.cwd, clock: context.clock }, lake, state, plans, room)
}

async function compareAll(work: Work, reached: ReachedState): Promise<TableReport[]> {
  const { context, snapshot, scratch, matcher } = work
  const { memory: memoryBytes, threads, tables } = context.flags
  const limits = { memoryBytes, threads, spill: scratch }
  const reports: TableReport[] = []
  for (const { table, plan, files } of reached.plans) {
    context.signal.throwIfAborted()
    await work.lake.files.fetch(pathsOf(files))
    const name = `${table.schema}.${table.table}`
    if (context.stderr.isTerminal) await context.stderr.write(`comparing ${name}\n`)
    reports.push(await compareOne(snapshot, { schema: table.schema, table: table.table, plan, files }, limits, context.signal))
  }
  // Only patterns that name tables promise that each is in the lake.
  if (tables.length === 1 && tables[0] === '*') return reports
  const found = new Set(reports.map((r) => `${r.schema}.${r.table}`))
  for (const t of await snapshot.tables()) {
    if (!matcher.matches(t.schema, t.table) || found.has(`${t.schema}.${t.table}`)) continue
    reports.push({ ...t, verdict: 'not in the lake', comparison: null, notCompared: [], columnsMissing: [] })
  }
  return reports
}
