import { formatInstant } from '../../../timeline/instant.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { parseAsOf } from '../../query/as-of.ts'

/**
 * An instant of a table: its digits as they are (any prefix of them compares as one would expect; 0 is before all), or a time of the
 * lake's clock (`2026-11-21T10:00:00Z`, `-15m`). TRB-CLI-004 for anything else.
 */
export function instantFlag(command: string, flag: string, text: string, nowMs: number): string {
  if (/^\d{1,20}$/.test(text)) return text
  try {
    const at = parseAsOf(text, nowMs)
    if (at.kind === 'time') return formatInstant(Number(at.us / 1000n))
  } catch (e) {
    if (!isFailure(e, 'TRB-QUERY-001') && !isFailure(e, 'TRB-QUERY-002')) throw e
  }
  const expected = 'an instant (digits, e.g. 20261121100000000), or a time such as 2026-11-21T10:00:00Z or -15m'
  throw new Failure('TRB-CLI-004', { command, where: `--${flag}`, value: JSON.stringify(text), expected })
}
