import { Failure } from '../../failure/failure.ts'
import { rowLines } from '../../format/json/row-lines.ts'
import { type ScanRequest, scanTable } from '../../lake/read/table-scan.ts'
import type { S3FlagValues } from '../s3-flags.ts'
import type { ContextWith, Outcome } from '../verb.ts'
import { instantFlag } from './instant-flag.ts'
import { openLake } from './open-lake.ts'

export type ReadFlags = {
  readonly type: 'snapshot' | 'read-optimized' | 'incremental'
  readonly 'as-of': string | null
  readonly from: string | null
  readonly to: string | null
  readonly format: 'jsonl'
} & S3FlagValues

type ReadContext = ContextWith<ReadFlags>

/** `lake read`. */
export async function runRead(context: ReadContext): Promise<Outcome> {
  const { clock } = context
  const request = requestOf(context)
  const lake = openLake(context.args[0]!, context)
  const scan = await scanTable(lake.store, '', clock, request)
  const toText = rowLines(scan.columns)
  const kept: unknown[] = []
  let rows = 0
  for await (const chunk of scan.rows()) {
    context.signal.throwIfAborted()
    const lines = toText(chunk.vectors, chunk.count)
    if (context.json) kept.push(...parseLines(lines))
    else await context.stdout.write(lines)
    rows += chunk.count
  }
  const summary = `${rows} row${rows === 1 ? '' : 's'} of ${lake.store.root} at ${scan.instant ?? 'its beginning: no commit yet'}`
  if (!context.json) await context.stderr.write(`${summary}\n`)
  return { summary, result: { instant: scan.instant, rowCount: rows, rows: kept } }
}

function parseLines(text: string): unknown[] {
  return text
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l) as unknown)
}

/** The flags as one request; one that means nothing for the type is refused (TRB-CLI-004), as it would be ignored. */
function requestOf(context: ReadContext): ScanRequest {
  const { type, from, to, 'as-of': asOf } = context.flags
  const refuse = (flag: string, value: string, expected: string): never => {
    throw new Failure('TRB-CLI-004', { command: context.command, where: `--${flag}`, value: JSON.stringify(value), expected })
  }
  const at = (flag: string, text: string): string => instantFlag(context.command, flag, text, context.clock.now())
  if (type === 'incremental') {
    if (asOf !== null) refuse('as-of', asOf, 'no such flag with --type incremental: --to ends the range')
    if (from === null) throw new Failure('TRB-CLI-005', { command: context.command, what: '--from', env: 'TRIBUTARY_FROM' })
    return { kind: type, from: at('from', from), to: to === null ? null : at('to', to) }
  }
  if (from !== null) refuse('from', from, `no such flag with --type ${type}: it begins a range of --type incremental`)
  if (to !== null) refuse('to', to, `no such flag with --type ${type}: --as-of names one state`)
  return { kind: type, asOf: asOf === null ? null : at('as-of', asOf) }
}
