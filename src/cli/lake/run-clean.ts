import type { CleanPolicy } from '../../../timeline/retention.ts'
import { Failure } from '../../failure/failure.ts'
import { underLock } from '../../lake/lock/table-concurrency.ts'
import { clean, planClean } from '../../lake/service/clean.ts'
import { openForService } from '../../lake/service/open.ts'
import type { S3FlagValues } from '../s3-flags.ts'
import { countOf, sizeText } from '../terminal/units.ts'
import type { ContextWith, Outcome } from '../verb.ts'
import { openTableUri } from './open-table-uri.ts'

type CleanFlags = {
  readonly keep: number | null
  readonly 'keep-commits': number | null
  readonly 'keep-versions': number | null
  readonly plan: boolean
} & S3FlagValues

const HOUR = 3_600_000

/** `lake clean`. */
export async function runClean(context: ContextWith<CleanFlags>): Promise<Outcome> {
  const policy = policyOf(context)
  const ts = await openTableUri(context.args[0]!, context)
  if (context.flags.plan) {
    await openForService(ts)
    const { from, files } = await planClean(ts, policy)
    const bytes = files.reduce((n, f) => n + f.bytes, 0)
    const summary = `${countOf(files.length, 'file')} (${sizeText(bytes)}) of ${ts.table} would go; nothing was changed`
    const text = [...files.map((f) => f.key), summary].join('\n')
    return { summary, text, result: { table: ts.table, planned: true, from, bytes, files: files.map((f) => f.key) } }
  }
  const done = await underLock(ts, () => clean(ts, policy))
  const files = done.reduce((n, d) => n + d.files, 0)
  const instants = done.flatMap((d) => d.instant ?? [])
  const from = done.at(-1)?.from ?? null
  const reach = from === null ? '' : `; every state from ${from} on is readable`
  const summary =
    instants.length === 0
      ? `nothing of ${ts.table} is due${reach}`
      : `${countOf(files, 'file')} of ${ts.table} ${files === 1 ? 'is' : 'are'} gone${reach}`
  return { summary, text: summary, result: { table: ts.table, planned: false, from, files, instants } }
}

function policyOf(context: ContextWith<CleanFlags>): CleanPolicy {
  const { keep, 'keep-commits': commits, 'keep-versions': versions } = context.flags
  const refuse = (where: string, value: number, expected: string): never => {
    throw new Failure('TRB-CLI-004', { command: context.command, where, value: String(value), expected })
  }
  if (commits !== null && versions !== null) refuse('--keep-versions', versions, 'only one policy: --keep-commits is given')
  if (keep !== null && (commits ?? versions) !== null) refuse('--keep', keep, 'only one policy: another is given')
  if (commits !== null) return { kind: 'commits', retain: commits }
  if (versions !== null) return { kind: 'versions', retain: versions }
  const hours = (keep ?? 24 * HOUR) / HOUR
  return {
    kind: 'hours',
    retain: Number.isInteger(hours) && hours > 0 ? hours : refuse('--keep', keep ?? 0, 'a number of whole hours, e.g. 24h'),
  }
}
