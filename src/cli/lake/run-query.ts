import { mkdtemp, open, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { Clock } from '../../contract/clock.ts'
import type { MergeRules } from '../../contract/slice.ts'
import type { ScanPlan } from '../../contract/table-reader.ts'
import { Failure } from '../../failure/failure.ts'
import { mergeRulesOf } from '../../lake/read/merge-rules.ts'
import { prunePlan } from '../../lake/read/prune.ts'
import { TimelineStore } from '../../lake/timeline-store.ts'
import { formatMicros } from '../../query/as-of.ts'
import { rowToJson, type Write, writeRows } from '../../query/format.ts'
import { SqlParser, SqlSession, type SqlTable } from '../../query/sql.ts'
import type { QueryShape } from '../../query/sql-guard.ts'
import { pathsOf } from '../../query/table-source.ts'
import type { CacheFlagValues, S3FlagValues } from '../s3-flags.ts'
import { sizeText } from '../terminal/units.ts'
import type { ContextWith, Outcome } from '../verb.ts'
import { explainPlan } from './explain-plan.ts'
import { HUDI_COLUMNS, isAddedColumn, type LakeState, lakeState, planTable, type StateTable } from './lake-state.ts'
import { type OpenLake, openLake } from './open-lake.ts'
import { type ReachedState, reach } from './reach.ts'

export type QueryFlags = {
  readonly lake: string
  readonly 'as-of': string | null
  readonly exact: boolean
  readonly state: string
  readonly format: 'table' | 'json' | 'jsonl' | 'csv' | 'parquet'
  readonly output: string | null
  readonly 'max-rows': number
  readonly meta: boolean
  readonly explain: boolean
  readonly memory: number
  readonly threads: number
} & S3FlagValues &
  CacheFlagValues

type QueryContext = ContextWith<QueryFlags>

/** What was read, for the line under the answer. */
interface Reading {
  readonly tables: readonly SqlTable[]
  readonly files: number
  readonly totalFiles: number
  readonly bytes: number
}

/** `lake query`. */
export async function runQuery(context: QueryContext): Promise<Outcome> {
  const { flags, clock, signal } = context
  if (flags.format === 'parquet' && flags.output === null) throw new Failure('TRB-QUERY-011', { format: flags.format })
  const started = clock.now()
  const lake = openLake(flags.lake, context)
  const shape = await parse(context.args[0]!)
  const state = await lakeState(lake, flags['as-of'], started)
  if (state.tables.length === 0) throw new Failure('TRB-QUERY-008', { lake: lake.store.root })
  const scratch = await mkdtemp(join(tmpdir(), 'tributary-query-'))
  try {
    const plans = await planNamed(lake, state, shape, clock)
    if (flags.explain) return explainPlan(plans)
    const reached = await reach(context, lake, state, plans, scratch, { columns: shape.needs.columns, meta: flags.meta })
    await lake.files.fetch(reached.plans.flatMap((p) => pathsOf(p.files)))
    const reading = describeReading(reached.plans, flags.meta)
    signal.throwIfAborted()
    const session = await SqlSession.open(reading.tables, {
      clock,
      memoryBytes: flags.memory,
      threads: flags.threads,
      spill: scratch,
      outputs: flags.output === null ? [] : [partialName(context, flags.output)],
      hint: tableHint(state.tables),
    })
    try {
      return await answer(context, session, shape, reached, reading, started)
    } finally {
      session.close()
    }
  } finally {
    await lake.files.close()
    await rm(scratch, { recursive: true, force: true })
  }
}

async function parse(sql: string): Promise<QueryShape> {
  const parser = await SqlParser.open()
  try {
    return await parser.inspect(sql)
  } finally {
    parser.close()
  }
}

/** Plans of the tables that the query names (all, when it looks at the catalogue). */
async function planNamed(lake: OpenLake, state: LakeState, shape: QueryShape, clock: Clock): Promise<Map<StateTable, ScanPlan>> {
  const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()
  const named = (t: StateTable): boolean =>
    shape.usesCatalog || shape.tables.some((n) => same(n.table, t.table) && (n.schema === null || same(n.schema, t.schema)))
  const plans = new Map<StateTable, ScanPlan>()
  for (const t of state.tables.filter(named)) {
    const plan = await planTable(lake, t)
    // A state behind the lake's comes of the log: what its records touch is not known yet.
    const prunable = state.base.target === null || t.topic === null
    if (plan !== null) plans.set(t, prunable ? await prunePlan(lake.store, plan, shape.needs.rows, () => rulesOf(lake, plan, clock)) : plan)
    else if (!shape.usesCatalog) await lake.reader(t.path).plan(t.view!, 'snapshot') // refuses, with the table's first instant
  }
  return plans
}

/** How rows of the table's logs are merged. */
async function rulesOf({ store }: OpenLake, { spec }: ScanPlan, clock: Clock): Promise<MergeRules> {
  return mergeRulesOf(await new TimelineStore(store, spec.path, clock).properties(), spec.path)
}

function describeReading(plans: ReachedState['plans'], meta: boolean): Reading {
  const tables: SqlTable[] = []
  let files = 0
  let totalFiles = 0
  let bytes = 0
  for (const { table, plan, files: sources } of plans) {
    const own = plan.columns.filter((c) => meta || !isAddedColumn(c.name))
    const hudi = meta ? HUDI_COLUMNS.map((name) => ({ name, type: { kind: 'string' as const } })) : []
    tables.push({ schema: table.schema, table: table.table, columns: [...hudi, ...own], files: sources })
    const logs = plan.slices.flatMap((s) => s.logs)
    files += plan.files.length + logs.length
    totalFiles += plan.totalFiles
    for (const f of [...plan.files, ...logs]) bytes += f.bytes
  }
  return { tables, files, totalFiles, bytes }
}

async function answer(
  context: QueryContext,
  session: SqlSession,
  shape: QueryShape,
  reached: ReachedState,
  reading: Reading,
  started: number,
): Promise<Outcome> {
  const { flags, signal } = context
  const result = context.json && flags.output === null ? await collect(session, shape, signal) : null
  const rows = result === null ? await writeAnswer(context, session, shape) : result.rows.length
  const seconds = (context.clock.now() - started) / 1000
  const line = `as of ${reached.text} · ${reading.files} of ${reading.totalFiles} files · ${sizeText(reading.bytes)} · ${seconds.toFixed(2)}s`
  if (!context.json) {
    if (reached.note !== null) await context.stderr.write(`note: ${reached.note}\n`)
    if (flags.format === 'table' && flags.output === null) await context.stderr.write(rowNotice(rows, flags['max-rows']))
    await context.stderr.write(`${line}\n`)
  }
  const asOf = {
    asked: flags['as-of'],
    exact: reached.exact,
    commit: reached.commit,
    commitTime: reached.commitUs === null ? null : formatMicros(reached.commitUs),
    note: reached.note,
  }
  const read = { files: reading.files, totalFiles: reading.totalFiles, bytes: reading.bytes, seconds }
  return { summary: line, result: { asOf, ...read, rowCount: rows, output: flags.output, ...result } }
}

async function collect(
  session: SqlSession,
  shape: QueryShape,
  signal: AbortSignal,
): Promise<{ columns: readonly { name: string; type: string }[]; rows: unknown[] }> {
  const result = await session.run(shape, signal)
  const toText = rowToJson(result.columns)
  const rows: unknown[] = []
  for await (const block of result.blocks) for (const row of block) rows.push(JSON.parse(toText(row)))
  return { columns: result.columns.map((c) => ({ name: c.name, type: c.type.toString() })), rows }
}

/** Writes the rows to stdout, or to a file that appears under its name only when it is whole. Returns how many. */
async function writeAnswer(context: QueryContext, session: SqlSession, shape: QueryShape): Promise<number> {
  const { flags, signal } = context
  const { format, output } = flags
  const rowsTo = async (write: Write): Promise<number> => {
    if (format === 'parquet') return Number(await session.writeParquet(shape, partialName(context, output!), signal))
    return await writeRows(await session.run(shape, signal), format, flags['max-rows'], write)
  }
  if (output === null) return await rowsTo((t) => context.stdout.write(t))
  const partial = partialName(context, output)
  try {
    // Also for Parquet: a directory that is absent or not writable is found before the query runs.
    const file = await open(partial, 'w').catch((e: unknown) => cannotWrite(output, e))
    const rows = await rowsTo(async (t) => {
      await file.writeFile(t).catch((e: unknown) => cannotWrite(output, e))
    }).finally(() => file.close())
    await rename(partial, resolve(context.cwd, output)).catch((e: unknown) => cannotWrite(output, e))
    return rows
  } finally {
    await rm(partial, { force: true })
  }
}

function partialName(context: QueryContext, output: string): string {
  const file = resolve(context.cwd, output)
  return join(dirname(file), `.${process.pid}.tributary-partial`)
}

function cannotWrite(file: string, e: unknown): never {
  throw new Failure('TRB-QUERY-010', { file, reason: (e as NodeJS.ErrnoException).code ?? String(e) }, e)
}

function rowNotice(rows: number, maxRows: number): string {
  const count = `${rows} row${rows === 1 ? '' : 's'}`
  return maxRows === 0 || rows <= maxRows ? `${count}\n` : `${count}, the first ${maxRows} shown (--max-rows 0 shows all)\n`
}

function tableHint(tables: readonly StateTable[]): string {
  const names = tables.map((t) => `${t.schema}.${t.table}`)
  return `Tables: ${names.length > 12 ? [...names.slice(0, 12), '…'].join(', ') : names.join(', ')}.`
}
