import { underLock } from '../../lake/lock/table-concurrency.ts'
import { openForService } from '../../lake/service/open.ts'
import { finishRestore, type RestoreReport, restorable, restore } from '../../lake/service/restore.ts'
import type { S3FlagValues } from '../s3-flags.ts'
import { countOf } from '../terminal/units.ts'
import type { ContextWith, Outcome } from '../verb.ts'
import { openTableUri } from './open-table-uri.ts'

type RestoreFlags = { readonly to: string | null; readonly plan: boolean } & S3FlagValues

/** `lake restore`. */
export async function runRestore(context: ContextWith<RestoreFlags>): Promise<Outcome> {
  const { to, plan } = context.flags
  const ts = await openTableUri(context.args[0]!, context)
  if (plan && to !== null) {
    await openForService(ts)
    const instants = (await restorable(ts, to)).map((i) => ({ time: i.time, action: i.action }))
    const summary = `${countOf(instants.length, 'write')} of ${ts.table} would go; nothing was changed`
    const text = [...instants.map((i) => `${i.time} ${i.action}`), summary].join('\n')
    return { summary, text, result: { table: ts.table, planned: true, savepoint: to, instants } }
  }
  const done: RestoreReport | null =
    to === null ? (plan ? null : await underLock(ts, () => finishRestore(ts))) : await underLock(ts, () => restore(ts, to))
  const summary =
    done === null
      ? `no restore of ${ts.table} has begun; --to names the savepoint to go back to`
      : `${ts.table} is as it was at ${done.savepoint}: ${countOf(done.instants.length, 'later write is', 'later writes are')} gone`
  return { summary, text: summary, result: { table: ts.table, planned: false, done } }
}
