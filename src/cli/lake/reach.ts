import { join, resolve } from 'node:path'
import type { Clock } from '../../contract/clock.ts'
import type { ScanPlan } from '../../contract/table-reader.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { formatMicros } from '../../query/as-of.ts'
import { describeTarget, planReplay, type Reached } from '../../query/replay.ts'
import { describeState } from '../../query/resolve.ts'
import type { TableFiles } from '../../query/table-source.ts'
import type { ContextWith } from '../verb.ts'
import type { LakeState, StateTable } from './lake-state.ts'
import type { OpenLake } from './open-lake.ts'
import { type LogHandle, openLog } from './replay-tables.ts'
import { ALL_COLUMNS, type TableNeeds, tableFiles } from './table-files.ts'

/** The state that is read in the end. */
export interface ReachedState {
  readonly plans: readonly { readonly table: StateTable; readonly plan: ScanPlan; readonly files: TableFiles }[]
  readonly exact: boolean
  /** Why it is not: the log ends before the target, or cannot be used at all. */
  readonly lack: 'none' | 'log ends' | 'no log'
  readonly commit: string | null
  readonly commitUs: bigint | null
  /** For the line under the answer. */
  readonly text: string
  /** Tables of the source whose first rows are in the log, and not yet in the lake. */
  readonly pending: readonly string[]
  /** What the reader should know about the state; null: nothing. */
  readonly note: string | null
}

export type ReachFlags = { readonly exact: boolean; readonly state: string; readonly 'as-of': string | null }

export type ReachContext = Pick<ContextWith<ReachFlags>, 'flags' | 'cwd' | 'clock'>

/**
 * From the state of the lake to the one asked for: when that lies later, the log's records in between are applied to copies of the
 * files in `scratch`. `needs`: what of the rows is looked at. Failure TRB-QUERY-004 with
 * --exact when it cannot be reached for certain.
 */
export async function reach(
  context: ReachContext,
  lake: OpenLake,
  state: LakeState,
  plans: ReadonlyMap<StateTable, ScanPlan>,
  scratch: string,
  needs: TableNeeds = ALL_COLUMNS,
): Promise<ReachedState> {
  const { base } = state
  const untouched = (): Promise<ReachedState['plans']> => untouchedTables(lake, plans, scratch, context.clock, needs)
  if (base.watermark === null) return withoutWatermark(await untouched(), state)
  const { watermark, target } = base
  const at = { commit: watermark.commit, commitUs: watermark.commitUs }
  const loose = watermark.loose === true
  if (loose && context.flags.exact) {
    const text = context.flags['as-of'] ?? 'the newest state'
    throw new Failure('TRB-QUERY-004', { text, reason: sentence(LOOSE), nearest: describeState(at) })
  }
  if (target === null || loose) {
    const note = loose ? LOOSE : null
    return { plans: await untouched(), exact: !loose, lack: 'none', ...at, text: stateText(at), pending: [], note }
  }
  const handle = openState(context)
  try {
    const wanted = new Set([...plans.keys()].flatMap((t) => (t.topic === null ? [] : [t.topic])))
    const replay = typeof handle === 'string' ? handle : planReplay(handle.log, watermark, target, wanted)
    const doubt = typeof replay === 'string' ? replay : replay.doubt
    if (doubt !== null && context.flags.exact) {
      const text = context.flags['as-of'] ?? target.text
      throw new Failure('TRB-QUERY-004', { text, reason: sentence(doubt), nearest: describeState(at) })
    }
    if (typeof replay === 'string' || typeof handle === 'string') {
      const note = `${describeTarget(target)} is not reached exactly: ${doubt}. The answer is the newest commit of the lake before it`
      return { plans: await untouched(), exact: false, lack: 'no log', ...at, text: stateText(at), pending: [], note }
    }
    return await replayed(lake, handle, replay, plans, at, scratch, context.clock)
  } finally {
    if (typeof handle !== 'string') handle.close()
  }
}

/** Of watermarks that are no state of the source. */
const LOOSE =
  'the tables are near this position, each by itself: their topics do not say where transactions end, or several processes bring them in'

async function replayed(
  lake: OpenLake,
  handle: LogHandle,
  replay: Reached,
  plans: ReadonlyMap<StateTable, ScanPlan>,
  base: { readonly commit: string; readonly commitUs: bigint },
  scratch: string,
  clock: Clock,
): Promise<ReachedState> {
  const out: ReachedState['plans'][number][] = []
  for (const [table, plan] of plans) {
    const records = table.topic === null ? undefined : replay.topics.get(table.topic)
    if (records === undefined) out.push({ table, plan, files: await tableFiles(lake, plan, scratch, clock) })
    else out.push({ table, ...(await handle.apply(lake, plan, records, join(scratch, `${out.length}`))) })
  }
  const pending = replay.unknown.flatMap((topic) => handle.tableOf(topic) ?? [])
  const at = replay.last ?? base
  const exact = replay.doubt === null
  const { commit, commitUs } = at
  const late = pending.length === 0 ? null : `not in the lake yet: ${pending.join(', ')}`
  const note = [replay.doubt, late].filter((n) => n !== null).join('; ') || null
  return { plans: out, exact, lack: exact ? 'none' : 'log ends', commit, commitUs, text: stateText(at), pending, note }
}

/** The log of --state, or why there is none to use. */
function openState(context: ReachContext): LogHandle | string {
  const directory = resolve(context.cwd, context.flags.state)
  try {
    return openLog(directory, context.clock)
  } catch (e) {
    if (isFailure(e, 'TRB-LOG-007')) return `there is no log in ${directory} (--state)`
    throw e
  }
}

function withoutWatermark(plans: ReachedState['plans'], state: LakeState): ReachedState {
  const { instant } = state.base
  const text = instant === null ? 'the newest commit of each table' : `instant ${instant}, table by table`
  const note =
    instant === null ? 'the lake has no common position yet (its first snapshot is not complete): tables may be at different ones' : null
  return { plans, exact: instant !== null, lack: 'no log', commit: null, commitUs: null, text, pending: [], note }
}

async function untouchedTables(
  lake: OpenLake,
  plans: ReadonlyMap<StateTable, ScanPlan>,
  scratch: string,
  clock: Clock,
  needs: TableNeeds,
): Promise<ReachedState['plans']> {
  const out: ReachedState['plans'][number][] = []
  for (const [table, plan] of plans) out.push({ table, plan, files: await tableFiles(lake, plan, scratch, clock, needs) })
  return out
}

function stateText(at: { readonly commit: string; readonly commitUs: bigint }): string {
  return `${at.commit} (${formatMicros(at.commitUs)})`
}

function sentence(text: string): string {
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`
}
