import type { CodeEntry } from './code-entry.ts'
import { CODES, type FailureCode } from './codes.ts'

/**
 * The one error class. Control flow goes by `code`, never by message. `details` fill the placeholders of the code's texts;
 * they must not hold secrets.
 */
export class Failure extends Error {
  readonly code: FailureCode
  readonly details: Readonly<Record<string, string | number | bigint>>

  constructor(code: FailureCode, details: Readonly<Record<string, string | number | bigint>> = {}, cause?: unknown) {
    super(`${code}: ${fill(CODES[code].what, details)}`, cause === undefined ? undefined : { cause })
    this.name = 'Failure'
    this.code = code
    this.details = details
  }

  get entry(): CodeEntry {
    return CODES[this.code]
  }

  /** The five texts of the code, with this failure's details filled in. */
  explain(): { code: string; what: string; why: string; safe: string; fix: string; more: string } {
    const e = this.entry
    const f = (s: string): string => fill(s, this.details)
    return {
      code: this.code,
      what: f(e.what),
      why: f(e.why),
      safe: f(e.safe),
      fix: f(e.fix),
      more: `docs/errors.md#${this.code.toLowerCase()}`,
    }
  }
}

export function isFailure(e: unknown, code?: FailureCode): e is Failure {
  return e instanceof Failure && (code === undefined || e.code === code)
}

/** For programmer errors: a broken invariant stops the process rather than the data being wrong. */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new Failure('TRB-INT-001', { invariant })
}

/** `{count:row is|rows are}`: one of two wordings, by the number. */
export const COUNTED = /\{(\w+):([^|{}]*)\|([^|{}]*)\}/g

function fill(text: string, details: Readonly<Record<string, string | number | bigint>>): string {
  const chosen = text.replace(COUNTED, (m, k: string, one: string, many: string) =>
    k in details ? (Number(details[k]) === 1 ? one : many) : m,
  )
  return chosen.replace(/\{(\w+)\}/g, (m, k: string) => (k in details ? String(details[k]) : m))
}
