import { recoveryPlan } from '../../../timeline/rollback-plan.ts'
import { underLock } from '../../lake/lock/table-concurrency.ts'
import { openForService } from '../../lake/service/open.ts'
import { rollBackFailed, rollBackInstant, rollbackTarget } from '../../lake/service/rollback.ts'
import type { TimelineStore } from '../../lake/timeline-store.ts'
import { planRollback } from '../../lake/undo-files.ts'
import type { S3FlagValues } from '../s3-flags.ts'
import { countOf } from '../terminal/units.ts'
import type { ContextWith, Outcome } from '../verb.ts'
import { openTableUri } from './open-table-uri.ts'

type RollbackFlags = { readonly instant: string | null; readonly plan: boolean } & S3FlagValues

/** `lake rollback`. */
export async function runRollback(context: ContextWith<RollbackFlags>): Promise<Outcome> {
  const { instant, plan } = context.flags
  const ts = await openTableUri(context.args[0]!, context)
  if (plan) return planned(ts, instant)
  const done = await underLock(ts, async () => (instant === null ? await rollBackFailed(ts) : [await rollBackInstant(ts, instant)]))
  const files = done.reduce((n, d) => n + d.files, 0)
  const names = done.map((d) => `${d.time} ${d.action}`).join(', ')
  const summary =
    done.length === 0
      ? `no failed write of ${ts.table}`
      : `${names} of ${ts.table} taken back, ${countOf(files, 'file is', 'files are')} gone`
  return { summary, text: summary, result: { table: ts.table, planned: false, instants: done } }
}

async function planned(ts: TimelineStore, instant: string | null): Promise<Outcome> {
  await openForService(ts)
  const targets =
    instant === null
      ? recoveryPlan(ts.timeline).flatMap((s) => (s.do === 'roll-back' || s.do === 'finish' ? [s.instant] : []))
      : [await rollbackTarget(ts, instant)]
  const lines: string[] = []
  const instants: unknown[] = []
  for (const t of targets) {
    const { requests } = t.action === 'rollback' ? { requests: [] } : await planRollback(ts, t.time, t.action)
    const files = requests.flatMap((r) => r.filesToBeDeleted)
    const logs = requests.flatMap((r) => [...r.logBlocksToBeDeleted.keys()].map((name) => `${r.partitionPath}/${name}`))
    lines.push(`${t.time} ${t.action} ${t.state}`, ...files.map((f) => `  ${f}`), ...logs.map((l) => `  ${l} (undone by a rollback block)`))
    instants.push({ time: t.time, action: t.action, state: t.state, files, logs })
  }
  const summary = `${countOf(targets.length, 'instant')} of ${ts.table} would be taken back; nothing was changed`
  return { summary, text: [...lines, summary].join('\n'), result: { table: ts.table, planned: true, instants } }
}
