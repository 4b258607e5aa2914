/** Numbers as Java (19 and later) prints them: shortest digits that round-trip, at least one digit after the point. */

/** Double.toString. */
export function javaDouble(v: number): string {
  if (!Number.isFinite(v)) return special(v)
  if (v === 0) return Object.is(v, -0) ? '-0.0' : '0.0'
  return layout(v, v.toExponential(), (digits) => v.toExponential(digits - 1))
}

/** Float.toString of a number that is exactly a 32-bit float. */
export function javaFloat(v: number): string {
  if (!Number.isFinite(v)) return special(v)
  if (v === 0) return Object.is(v, -0) ? '-0.0' : '0.0'
  let text = ''
  for (let digits = 0; digits < 9; digits++) {
    text = v.toExponential(digits)
    if (Math.fround(Number(text)) === v) break
  }
  return layout(v, text, (digits) => v.toExponential(digits - 1))
}

function special(v: number): string {
  return Number.isNaN(v) ? 'NaN' : v > 0 ? 'Infinity' : '-Infinity'
}

/**
 * Plain notation for 10^−3 ≤ |v| < 10^7, else d.dddE±n. Where one digit would do, Java takes the closest of two digits
 * (4.9E-324, where JavaScript says 5e-324).
 */
function layout(v: number, shortest: string, withDigits: (digits: number) => string): string {
  const exponential = /^-?\de/.test(shortest) ? withDigits(2) : shortest
  const m = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(exponential)
  if (m === null) return String(v)
  const sign = m[1]
  const digits = (m[2] + (m[3] ?? '')).replace(/0+$/, '') || '0'
  const exponent = Number(m[4])
  if (exponent < -3 || exponent > 6) return `${sign}${digits[0]}.${digits.slice(1) || '0'}E${exponent}`
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  return `${sign}${whole}.${digits.slice(exponent + 1) || '0'}`
}
