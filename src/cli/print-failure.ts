import { Failure } from '../failure/failure.ts'

/** Anything thrown, as a Failure: what is none is a defect of ours, and keeps its stack as the cause. */
export function toFailure(e: unknown): Failure {
  if (e instanceof Failure) return e
  const message = e instanceof Error ? e.message || e.name : String(e)
  return new Failure('TRB-INT-001', { invariant: shortened(message, 500) }, e)
}

/** The error as people see it (STYLE: code and what, then why, safe, fix, more). Not ended by a line feed. */
export function failureText(failure: Failure): string {
  const x = failure.explain()
  const indent = (label: string, text: string): string => `  ${label.padEnd(6)} ${text.split('\n').join('\n         ')}`
  const lines = [`✗ ${x.code}  ${x.what}`, indent('why', x.why), indent('safe', x.safe), indent('fix', x.fix), indent('more', x.more)]
  const stack = defectStack(failure)
  if (stack !== null) lines.push(stack)
  return lines.join('\n')
}

/** The `error` of the --json envelope. */
export function failureJson(failure: Failure): Record<string, unknown> {
  const stack = defectStack(failure)
  return { ...failure.explain(), details: failure.details, retry: failure.entry.retry, ...(stack === null ? {} : { stack }) }
}

function defectStack(failure: Failure): string | null {
  if (failure.code !== 'TRB-INT-001') return null
  const { cause } = failure
  const stack = (cause instanceof Error ? cause.stack : failure.stack) ?? null
  // A message may quote a value of any length; the frames come after it.
  const message = cause instanceof Error ? cause.message : ''
  return message.length > 500 ? (stack?.replace(message, () => shortened(message, 500)) ?? null) : stack
}

function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)}… (${text.length} characters)`
}

/** JSON text in which a bigint is a number when a double holds it exactly, else a string; bytes are base64. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, v: unknown) => {
    if (typeof v === 'bigint') return v >= -9007199254740991n && v <= 9007199254740991n ? Number(v) : v.toString()
    if (v instanceof Map) return Object.fromEntries(v)
    return v
  })
}
