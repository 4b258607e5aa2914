import { Failure } from '../../failure/failure.ts'
import { underLock } from '../../lake/lock/table-concurrency.ts'
import { archive, planArchive } from '../../lake/service/archive.ts'
import { openForService } from '../../lake/service/open.ts'
import type { S3FlagValues } from '../s3-flags.ts'
import { countOf } from '../terminal/units.ts'
import type { ContextWith, Outcome } from '../verb.ts'
import { openTableUri } from './open-table-uri.ts'

type ArchiveFlags = { readonly 'keep-min': number; readonly 'keep-max': number; readonly plan: boolean } & S3FlagValues

/** `lake archive`. */
export async function runArchive(context: ContextWith<ArchiveFlags>): Promise<Outcome> {
  const { 'keep-min': min, 'keep-max': max, plan } = context.flags
  if (max < min) {
    const expected = `at least --keep-min, which is ${min}`
    throw new Failure('TRB-CLI-004', { command: context.command, where: '--keep-max', value: String(max), expected })
  }
  const ts = await openTableUri(context.args[0]!, context)
  if (plan) {
    await openForService(ts)
    const due = await planArchive(ts, { min, max })
    const instants = due.map((i) => ({ instant: i.time, action: i.action }))
    const summary = `${countOf(due.length, 'instant')} of ${ts.table} would be archived; nothing was changed`
    const text = [...due.map((i) => `${i.time} ${i.action}`), summary].join('\n')
    return { summary, text, result: { table: ts.table, planned: true, instants, strays: [] } }
  }
  const done = await underLock(ts, () => archive(ts, { min, max }))
  const strays =
    done.strays.length === 0
      ? ''
      : `, ${countOf(done.strays.length, 'file that failed writes had left is', 'files that failed writes had left are')} gone`
  const summary = `${countOf(done.instants.length, 'instant')} of ${ts.table} archived${strays}`
  return { summary, text: summary, result: { table: ts.table, planned: false, ...done } }
}
