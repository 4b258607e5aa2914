import { Failure } from '../failure/failure.ts'

// DuckDB's text: <kind> Error: <message> ['\n\n' 'LINE ' n ': ' excerpt '\n' spaces '^']
const TEXT = /^(?:Failed to \w+ \w+: )?(?:([A-Z][A-Za-z ]*?) Error: )?([\s\S]*?)(?:\n\nLINE (\d+): ([\s\S]*?)\n( *)\^\s*)?$/

/**
 * DuckDB's error as a failure of ours: SQL errors with their position (006), the confinement (007), memory (012), an unreadable file of
 * the lake (013). Its kinds are the only structure that DuckDB gives, so the kind decides, not the wording.
 */
export function sqlFailure(e: unknown, hint: string): unknown {
  if (!(e instanceof Error) || e instanceof Failure) return e
  const m = TEXT.exec(e.message)
  const kind = m?.[1] ?? ''
  // For a table that is not there DuckDB suggests names of its own catalogue; the hint names the lake's.
  const message = (m?.[2] ?? e.message).trim().replace(/^(Table with name [^\n]*)\nDid you mean[^\n]*$/, '$1')
  switch (kind) {
    case 'Permission':
      return new Failure('TRB-QUERY-007', { what: message.split(' - ')[0]!, reason: '' }, e)
    case 'Out of Memory':
      return new Failure('TRB-QUERY-012', { message: firstLine(message) }, e)
    case 'IO':
    case 'HTTP':
      return new Failure('TRB-QUERY-013', { message: firstLine(message) }, e)
    case 'INTERNAL':
    case 'FATAL':
    case '':
      return e
    default:
      return new Failure('TRB-QUERY-006', { message: message.replace(/\s*\n\s*/g, ' '), position: position(m), hint }, e)
  }
}

function position(m: RegExpExecArray | null): string {
  const [, , , line, excerpt, spaces] = m ?? []
  if (line === undefined || excerpt === undefined || spaces === undefined) return 'The error has no single place in the text.'
  const prefix = `LINE ${line}: `.length
  return `Line ${line}:\n${excerpt}\n${spaces.slice(prefix)}^`
}

function firstLine(text: string): string {
  return text.split('\n')[0]!
}
