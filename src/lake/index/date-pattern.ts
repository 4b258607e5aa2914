import type { DatePattern } from '../../contract/table.ts'

/** Milliseconds of one unit of a timestamp type of Hudi's timestamp key generators; those that are not here are read by rules of their own. */
const UNITS: Readonly<Record<string, number>> = { EPOCHMILLISECONDS: 1, UNIX_TIMESTAMP: 1000 }
/** Letters of Java's patterns that stand for a number of fixed width. */
const LETTERS = /^(?:yyyy|MM|dd|HH|mm|ss|[-/_. ])+$/

/** The pattern by which a timestamp key generator prints a column of numbers, in UTC; null: one that is not known, or not all of it is recorded. */
export function datePatternOf(p: ReadonlyMap<string, string>): DatePattern | null {
  const of = (name: string): string => p.get(`hoodie.keygen.timebased.${name}`) ?? ''
  const unitMs = UNITS[of('timestamp.type')]
  const pattern = of('output.dateformat')
  const zones = [of('timezone'), of('output.timezone'), of('input.timezone')]
  if (unitMs === undefined || !LETTERS.test(pattern) || zones.some((z) => z !== '' && z !== 'UTC' && z !== 'GMT')) return null
  return { unitMs, pattern }
}

const WIDTH: Readonly<Record<string, number>> = { yyyy: 4, MM: 2, dd: 2, HH: 2, mm: 2, ss: 2 }

/** A point in time of years 0 to 9999 as the pattern prints it; null: another. */
export function printDate({ unitMs, pattern }: DatePattern, value: bigint): string | null {
  const ms = Number(value) * unitMs
  const at = new Date(ms)
  const year = at.getUTCFullYear()
  if (!Number.isSafeInteger(ms) || !(year >= 0 && year <= 9999)) return null
  const fields: Readonly<Record<string, number>> = {
    yyyy: year,
    MM: at.getUTCMonth() + 1,
    dd: at.getUTCDate(),
    HH: at.getUTCHours(),
    mm: at.getUTCMinutes(),
    ss: at.getUTCSeconds(),
  }
  return pattern.replace(/yyyy|MM|dd|HH|mm|ss/g, (l) => String(fields[l]).padStart(WIDTH[l]!, '0'))
}
