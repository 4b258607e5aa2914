import { instantToMs } from '../../../timeline/instant.ts'
import { Failure } from '../../failure/failure.ts'

const HOUR = 3600 * 1000
/** Clocks of two machines differ by minutes at most, unless one is wrong. */
const UTC_MS = HOUR
/** Instants of a table in local time (Hudi's default) lie ahead of UTC by up to 14 hours, wherever the writer is. */
const LOCAL_MS = 15 * HOUR

/**
 * Refuses to take an instant after one that lies in the future (TRB-LAKE-082). Less than the tolerance is no fault: the next instant is then
 * the newest plus one millisecond, and so it stays until the clock has caught up, also when the clock was set back.
 */
export function checkNotAhead(table: string, newest: string | null, nowMs: number, utc: boolean): void {
  const at = newest === null ? null : instantToMs(newest.slice(0, 17))
  if (at === null || at - nowMs <= (utc ? UTC_MS : LOCAL_MS)) return
  const hours = Math.floor((at - nowMs) / HOUR)
  const ahead = hours >= 48 ? `${Math.floor(hours / 24)} days` : `${hours} hours`
  throw new Failure('TRB-LAKE-082', { table, instant: newest ?? '', ahead })
}
