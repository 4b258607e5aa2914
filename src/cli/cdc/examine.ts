import type { Finding } from '../../contract/change.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { openStateForReading, type State } from '../state.ts'
import type { ContextWith, Outcome } from '../verb.ts'
import type { SourceFlags } from './source-kind.ts'
import { sourceAdapter } from './sources.ts'

export type DoctorFlags = SourceFlags & { readonly source: string; readonly state: string }

const MARK = { ok: '✓', warning: '⚠', failed: '✗' } as const

/** `cdc doctor`: the source's own checks, grouped, with a summary; TRB-CLI-015 (exit 3) when one failed. */
export async function examine(context: ContextWith<DoctorFlags>): Promise<Outcome> {
  const { flags, clock, signal } = context
  const adapter = await sourceAdapter(flags.source)
  const kind = adapter.fromFlags(flags.source, flags, context.env, { kind: 'run', snapshot: null })
  if (kind.password !== null) context.secret(kind.password)
  const source = kind.open({ clock, observe: () => undefined })
  try {
    const findings = await source.check(signal, positionOf(flags.state, flags.name))
    return outcome(`Source ${kind.label}`, findings)
  } finally {
    await source.close()
  }
}

/** Where a run of this name would go on; null: there is none. */
function positionOf(dir: string, name: string): string | null {
  let state: State
  try {
    state = openStateForReading(dir)
  } catch (e) {
    if (isFailure(e, 'TRB-LOG-007')) return null
    throw e
  }
  try {
    return state.log.cursor(name)?.at ?? null
  } finally {
    state.close()
  }
}

function outcome(group: string, findings: readonly Finding[]): Outcome {
  const count = (level: Finding['level']): number => findings.filter((f) => f.level === level).length
  const failed = count('failed')
  const warnings = count('warning')
  const parts = [`${count('ok')} passed`, `${warnings} warning${warnings === 1 ? '' : 's'}`, `${failed} failed`]
  const summary = parts.join(' · ')
  const text = `${group}\n${findingLines(findings)}\nSummary: ${summary}`
  const failure = failed === 0 ? {} : { failure: new Failure('TRB-CLI-015', { failed, total: findings.length }) }
  return { summary, result: { group, findings }, text, ...failure }
}

function findingLines(findings: readonly Finding[]): string {
  const width = Math.max(0, ...findings.map((f) => f.id.length))
  const lines: string[] = []
  for (const f of findings) {
    const [first, ...rest] = f.what.split('\n')
    lines.push(`  ${MARK[f.level]} ${f.id.padEnd(width)}  ${first}`)
    for (const r of rest) lines.push(`    ${' '.repeat(width)}  ${r}`)
    if (f.fix !== null && f.level !== 'ok') lines.push(...f.fix.split('\n').map((l, i) => `      ${i === 0 ? '→' : ' '} ${l}`))
  }
  return lines.join('\n')
}
