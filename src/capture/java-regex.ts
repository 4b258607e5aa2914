import { Failure } from '../failure/failure.ts'

/** A list of Java regular expressions of a setting, compiled: true where one of them matches the whole text, case-insensitively. */
export type TextMatcher = (text: string) => boolean

/** Compiles a list separated by commas; one inside {m,n} or […] belongs to the expression, `\,` is a comma. Fails with TRB-ENV-002. */
export function javaRegexList(option: string, text: string): TextMatcher {
  const parts = (text.match(/(?:\\.|\{[^}]*\}|\[[^\]]*\]|[^,])+/gs) ?? []).map((p) => p.trim()).filter((p) => p !== '')
  if (parts.length === 0) throw notRegexes(option, text)
  const all = parts.map((p) => javaRegex(option, p))
  return (s) => all.some((r) => r.test(s))
}

/** One Java regular expression that has to match the whole text, case-insensitively. Fails with TRB-ENV-002. */
export function javaRegex(option: string, text: string): RegExp {
  try {
    return new RegExp(`^(?:${text})$`, 'i')
  } catch (e) {
    throw notRegexes(option, text, e)
  }
}

function notRegexes(option: string, value: string, cause?: unknown): Failure {
  return new Failure('TRB-ENV-002', { option, value, supported: 'regular expressions separated by commas' }, cause)
}
