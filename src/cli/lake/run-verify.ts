import { Failure } from '../../failure/failure.ts'
import { verifyTable } from '../../lake/verify/verify-table.ts'
import type { Violation } from '../../lake/verify/violation.ts'
import type { S3FlagValues } from '../s3-flags.ts'
import { countText } from '../terminal/units.ts'
import type { ContextWith, Outcome } from '../verb.ts'
import { openTableUri } from './open-table-uri.ts'

/** Violations shown to people; --json has them all. */
const SHOWN = 100

/** `lake verify`. */
export async function runVerify(context: ContextWith<{ readonly rows: boolean } & S3FlagValues>): Promise<Outcome> {
  const ts = await openTableUri(context.args[0]!, context)
  const { count, violations, walked } = await verifyTable(ts, context.flags.rows)
  const rows = context.flags.rows ? `, ${countText(walked.rows)} rows` : ''
  const seen = `${countText(walked.instants)} instants, ${countText(walked.archived)} archived ones, ${countText(walked.files)} files${rows}`
  const result = { table: ts.table, walked, count, violations }
  if (count === 0) {
    const summary = `${ts.table} is sound: ${seen}`
    return { summary, text: summary, result }
  }
  const summary = `${countText(count)} violations in ${ts.table}: ${seen}`
  const more = count > SHOWN ? [`… and ${countText(count - SHOWN)} more (--json shows them)`] : []
  const text = [...violations.slice(0, SHOWN).map(describe), ...more, summary].join('\n')
  const failure = new Failure('TRB-LAKE-074', { table: ts.table, count, first: violations[0]!.what })
  return { summary, text, result, failure }
}

function describe(v: Violation): string {
  const where = [v.instant === null ? '' : `instant ${v.instant}`, v.file ?? ''].filter((t) => t !== '').join(', ')
  return `✗ ${v.invariant}  ${v.what}${where === '' ? '' : `\n    at   ${where}`}\n    do   ${v.fix}`
}
