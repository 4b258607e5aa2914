import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Failure } from '../../failure/failure.ts'
import { csvHeader, csvLines } from '../../format/csv/csv-lines.ts'
import { rowLines } from '../../format/json/row-lines.ts'
import { scanChanges } from '../../lake/read/cdc.ts'
import type { DeltaLimit } from '../../lake/read/delta.ts'
import type { CommitRange } from '../../lake/read/incremental.ts'
import { type ScanRequest, scanTable, type TableScan } from '../../lake/read/table-scan.ts'
import type { S3FlagValues } from '../s3-flags.ts'
import type { ContextWith, Outcome } from '../verb.ts'
import { changeLines } from './change-lines.ts'
import { instantFlag } from './instant-flag.ts'
import { type OpenLake, openLake } from './open-lake.ts'
import { writeParquetFile } from './read-parquet.ts'
import { LOG_MEMORY } from './table-files.ts'

export type ReadFlags = {
  readonly type: 'snapshot' | 'read-optimized' | 'incremental' | 'cdc'
  readonly 'as-of': string | null
  readonly from: string | null
  readonly to: string | null
  readonly 'late-rows': boolean
  readonly format: 'jsonl' | 'csv' | 'parquet'
  readonly output: string | null
} & S3FlagValues

type ReadContext = ContextWith<ReadFlags>

/** Rows turned into text together. */
const PIECE = 4096

/** `lake read`. */
export async function runRead(context: ReadContext): Promise<Outcome> {
  checkFormat(context)
  const lake = openLake(context.args[0]!, context)
  const directory = join(tmpdir(), `tributary-read-${context.clock.uuid()}`)
  const limit = { bytes: LOG_MEMORY, directory }
  try {
    return await (context.flags.type === 'cdc' ? readChanges(context, lake, limit) : readRows(context, lake, context.flags.type, limit))
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function readRows(context: ReadContext, lake: OpenLake, type: ScanRequest['kind'], limit: DeltaLimit): Promise<Outcome> {
  const scan = await scanTable(lake.store, '', context.clock, requestOf(context, type), limit)
  if (context.flags.format === 'parquet') return await readIntoFile(context, lake, scan, limit.directory)
  const csv = context.flags.format === 'csv'
  const toText = csv ? csvLines(scan.columns) : rowLines(scan.columns)
  const kept: unknown[] = []
  let rows = 0
  if (csv) await context.stdout.write(csvHeader(scan.columns))
  for await (const { vectors, count } of scan.rows()) {
    // in pieces: the text of a whole chunk may be many times its bytes
    for (let from = 0; from < count; from += PIECE) {
      context.signal.throwIfAborted()
      const lines = toText(vectors, Math.min(count, from + PIECE), from)
      if (context.json) kept.push(...parseLines(lines))
      else await context.stdout.write(lines)
    }
    rows += count
  }
  return { ...(await told(context, lake, scan, rows)), result: { instant: scan.instant, rowCount: rows, rows: kept } }
}

/** `--format parquet`. */
async function readIntoFile(context: ReadContext, lake: OpenLake, scan: TableScan, scratch: string): Promise<Outcome> {
  const { cwd, clock, signal, flags } = context
  const output = flags.output!
  const rows = await writeParquetFile(scan.rows(), scan.columns, { cwd, output, scratch, clock, signal })
  return { ...(await told(context, lake, scan, rows)), result: { instant: scan.instant, rowCount: rows, output } }
}

/** What people are told of rows that were read. */
async function told(context: ReadContext, lake: OpenLake, scan: TableScan, rows: number): Promise<{ readonly summary: string }> {
  const summary = `${rows} row${rows === 1 ? '' : 's'} of ${lake.store.root} at ${scan.instant ?? 'its beginning: no commit yet'}`
  if (scan.note !== null) await context.stderr.write(`note: ${scan.note}\n`)
  if (!context.json) await context.stderr.write(`${summary}\n`)
  return { summary }
}

/** `--type cdc`. */
async function readChanges(context: ReadContext, lake: OpenLake, limit: DeltaLimit): Promise<Outcome> {
  const scan = await scanChanges(lake.store, '', context.clock, rangeOf(context), limit)
  const toText = changeLines(scan.columns)
  const kept: unknown[] = []
  let rows = 0
  for await (const batch of scan.batches()) {
    context.signal.throwIfAborted()
    const lines = toText(batch)
    if (context.json) kept.push(...parseLines(lines))
    else await context.stdout.write(lines)
    rows += batch.count
  }
  const summary = `${rows} change${rows === 1 ? '' : 's'} of ${lake.store.root}`
  if (!context.json) await context.stderr.write(`${summary}\n`)
  return { summary, result: { rowCount: rows, rows: kept } }
}

/** CSV and Parquet have rows of columns, an envelope holds JSON, and only Parquet goes into a file. */
function checkFormat({ command, flags, json }: ReadContext): void {
  const { format, output, type } = flags
  const refuse = (flag: string, value: string, expected: string): never => {
    throw new Failure('TRB-CLI-004', { command, where: `--${flag}`, value: JSON.stringify(value), expected })
  }
  if (format !== 'jsonl' && type === 'cdc') refuse('format', format, 'jsonl with --type cdc: a change is no row of columns')
  if (format === 'csv' && json) refuse('format', format, 'jsonl with --json: the rows are in its envelope')
  if (format === 'parquet' && output === null) throw new Failure('TRB-QUERY-011', { format })
  if (format !== 'parquet' && output !== null) refuse('output', output, `no such flag with --format ${format}: it prints to stdout`)
}

/** The range of --type incremental and cdc. */
function rangeOf(context: ReadContext): CommitRange {
  const { type, from, to, 'as-of': asOf } = context.flags
  const { command, clock } = context
  if (asOf !== null) {
    const expected = `no such flag with --type ${type}: --to ends the range`
    throw new Failure('TRB-CLI-004', { command, where: '--as-of', value: JSON.stringify(asOf), expected })
  }
  if (from === null) throw new Failure('TRB-CLI-005', { command, what: '--from', env: 'TRIBUTARY_FROM' })
  const at = (flag: string, text: string): string => instantFlag(command, flag, text, clock.now())
  return { from: at('from', from), to: to === null ? null : at('to', to) }
}

function parseLines(text: string): unknown[] {
  return text
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l) as unknown)
}

/** The flags as one request; one that means nothing for the type is refused (TRB-CLI-004), as it would be ignored. */
function requestOf(context: ReadContext, type: ScanRequest['kind']): ScanRequest {
  const { from, to, 'as-of': asOf, 'late-rows': late } = context.flags
  const refuse = (flag: string, value: string, expected: string): never => {
    throw new Failure('TRB-CLI-004', { command: context.command, where: `--${flag}`, value: JSON.stringify(value), expected })
  }
  const at = (flag: string, text: string): string => instantFlag(context.command, flag, text, context.clock.now())
  if (type === 'incremental') return { kind: type, ...rangeOf(context), ...(late ? { lost: 'shown' as const } : {}) }
  if (late) refuse('late-rows', 'true', `no such flag with --type ${type}: it is of --type incremental`)
  if (from !== null) refuse('from', from, `no such flag with --type ${type}: it begins a range of --type incremental or cdc`)
  if (to !== null) refuse('to', to, `no such flag with --type ${type}: --as-of names one state`)
  return { kind: type, asOf: asOf === null ? null : at('as-of', asOf) }
}
