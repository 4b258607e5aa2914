/**
 * Instants: `yyyyMMddHHmmssSSS`, UTC, 17 digits. They are compared as strings. Tables written by old releases hold
 * 14-digit instants (whole seconds); metadata tables hold longer ones (a data instant and a three-digit suffix).
 */

const DIGITS = /^\d{17}$/

/** The instant of a wall-clock time in milliseconds since epoch (UTC). Throws RangeError outside years 0001–9999. */
export function formatInstant(ms: number): string {
  const d = new Date(ms)
  const year = d.getUTCFullYear()
  if (!(year >= 1 && year <= 9999)) throw new RangeError(`no instant for ${ms}: year ${year} does not have four digits`)
  return d.toISOString().replace(/\D/g, '')
}

/** Milliseconds since epoch of a 17-digit (or old 14-digit) instant; null when the digits are no date. */
export function instantToMs(instant: string): number | null {
  // Readers of old tables take a second-precision instant as the last millisecond of its second.
  const full = instant.length === 14 ? `${instant}999` : instant
  if (!DIGITS.test(full)) return null
  const p = (from: number, to: number): string => full.slice(from, to)
  const ms = Date.parse(`${p(0, 4)}-${p(4, 6)}-${p(6, 8)}T${p(8, 10)}:${p(10, 12)}:${p(12, 14)}.${p(14, 17)}Z`)
  if (Number.isNaN(ms) || formatInstant(ms) !== full) return null
  return ms
}

/**
 * The next instant of a table: max(now, last + 1 ms). Invariant I1: strictly greater than `last` as a string.
 * `last` null: the table has none. Throws RangeError when `last` is in the future and no date (nothing can follow it).
 */
export function nextInstant(nowMs: number, last: string | null): string {
  const now = formatInstant(nowMs)
  if (last === null || now > last) return now
  const lastMs = instantToMs(last.slice(0, 17))
  if (lastMs === null) throw new RangeError(`instant ${last} is later than now (${now}) and is no date`)
  return formatInstant(lastMs + 1)
}
