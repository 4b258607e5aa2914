import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LakeColumn, RowChanges } from '../../contract/columns.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { RowChunk } from '../../contract/slice.ts'
import type { TableSpec, WriteCounts } from '../../contract/table.ts'
import { Failure } from '../../failure/failure.ts'
import { partitionColumns } from '../../lake/index/partition-path.ts'
import type { Operation } from '../../lake/metadata/commit-metadata.ts'
import { createOrOpenTable } from '../../lake/open-table.ts'
import { sortedChunks } from '../../lake/service/sort-chunks.ts'
import { sortColumns } from '../../lake/service/sort-rows.ts'
import { TimelineStore } from '../../lake/timeline-store.ts'
import { type OpenTableDeps, openWriterOf } from '../../lake/write/open-table.ts'
import { deletePartitions, overwrite } from '../../lake/write/operations.ts'
import { writableSpec } from '../../lake/write/writable-spec.ts'
import { concurrencyOf } from '../concurrency-flags.ts'
import { openStore } from '../open-store.ts'
import { processProbe } from '../process-owner.ts'
import { countOf, countText } from '../terminal/units.ts'
import type { Outcome } from '../verb.ts'
import { inputColumns, newSpec } from './write-columns.ts'
import { checkFlags, type WriteContext } from './write-flags.ts'
import { openInput, type WriteInput } from './write-input.ts'
import { type Chosen, CurrentChoice } from './write-rows.ts'

const OPERATIONS: Readonly<Record<string, Operation>> = { insert: 'INSERT', bulk_insert: 'BULK_INSERT', delete: 'DELETE' }

/** What a write has come to. */
interface Written {
  readonly instant: string | null
  readonly counts: WriteCounts
  readonly created: boolean
  readonly superseded: number
  readonly late: number
  readonly replacedGroups: number
}

const NO_ROWS: WriteCounts = { inserted: 0, updated: 0, deleted: 0 }
const NOTHING: Written = { instant: null, counts: NO_ROWS, created: false, superseded: 0, late: 0, replacedGroups: 0 }

/** `lake write`. */
export async function runWrite(context: WriteContext): Promise<Outcome> {
  checkFlags(context)
  const store = openStore(context.args[0]!, context)
  const scratch = await mkdtemp(join(tmpdir(), 'tributary-write-'))
  const deps: OpenTableDeps = {
    clock: context.clock,
    scratchDir: scratch,
    memoryBudget: context.flags.memory,
    concurrency: concurrencyOf(context.flags),
    logBlocks: context.flags['log-blocks'],
    logFileBytes: context.flags['log-file-size'],
    // of each key the newest row is chosen before
    uniqueKeys: true,
  }
  try {
    const written =
      context.flags.op === 'delete_partition' ? await dropPartitions(context, store, deps) : await writeRows(context, store, deps, scratch)
    const { counts } = written
    const parts = [`${countText(counts.inserted)} inserted`, `${countText(counts.updated)} updated`, `${countText(counts.deleted)} deleted`]
    if (written.superseded > 0) parts.push(`${countText(written.superseded)} superseded by newer rows of the input`)
    if (written.late > 0) parts.push(`${countText(written.late)} older than the stored row`)
    if (written.replacedGroups > 0) parts.push(`${countOf(written.replacedGroups, 'file group')} replaced`)
    const at = written.instant === null ? 'nothing to write' : `${context.flags.op} ${written.instant}`
    const summary = `${at}: ${parts.join(', ')}${written.created ? '; the table was created' : ''}`
    return { summary, result: { table: store.root, ...written }, text: summary }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function dropPartitions(context: WriteContext, store: ObjectStore, deps: OpenTableDeps): Promise<Written> {
  const spec = await writableSpec(store, '', context.clock)
  if (spec === null) throw new Failure('TRB-LAKE-001', { table: '', root: store.root })
  const { instant, counts, groups } = await deletePartitions(store, spec, context.flags.partitions, deps)
  return { instant, counts, created: false, superseded: 0, late: 0, replacedGroups: groups }
}

async function writeRows(context: WriteContext, store: ObjectStore, deps: OpenTableDeps, scratch: string): Promise<Written> {
  const { flags } = context
  const given = { input: flags.input!, format: flags['input-format'] }
  const input = await openInput(context.command, given, context, scratch)
  const found = await writableSpec(store, '', context.clock)
  if (found === null && flags.op === 'delete') throw new Failure('TRB-LAKE-001', { table: '', root: store.root })
  if (input.columns.length === 0 && input.rows === 0) {
    // Without a line there are no columns either. Only a table that is to be emptied needs none.
    if (found === null || flags.op !== 'insert_overwrite_table') return NOTHING
    return await writeInput(context, store, deps, scratch, { ...input, columns: found.columns }, found)
  }
  return await writeInput(context, store, deps, scratch, input, found)
}

async function writeInput(
  context: WriteContext,
  store: ObjectStore,
  deps: OpenTableDeps,
  scratch: string,
  input: WriteInput,
  found: TableSpec | null,
): Promise<Written> {
  const { flags } = context
  const columns = inputColumns(context, input, found)
  const spec = found ?? newSpec(context, store.root, columns, input.bytes)
  // Everything that can be refused is, before a table is made or an instant begun.
  const choice = await CurrentChoice.make({ store, clock: context.clock, op: flags.op, existing: found !== null }, input, columns, spec)
  const by = flags.op === 'bulk_insert' ? bulkOrder(spec, columns, flags.sort) : []
  if (found === null) await create(context, store, spec)
  const rows = changesOf(context, { input, columns, choice, spec }, by, scratch)
  const facts = (): Pick<Written, 'created' | 'superseded' | 'late'> => {
    const { superseded, late } = choice.chosen
    return { created: found === null, superseded, late }
  }
  if (flags.op === 'insert_overwrite' || flags.op === 'insert_overwrite_table') {
    const operation = flags.op === 'insert_overwrite' ? 'INSERT_OVERWRITE' : 'INSERT_OVERWRITE_TABLE'
    const { instant, counts, groups } = await overwrite(store, withColumns(spec, columns), rows, operation, deps)
    return { instant, counts, ...facts(), replacedGroups: groups }
  }
  if (choice.chosen.rows === 0) return { instant: null, counts: NO_ROWS, ...facts(), replacedGroups: 0 }
  const written = await commitRows(context, store, spec, columns, rows, OPERATIONS[flags.op] ?? 'UPSERT', deps)
  return { ...written, ...facts(), replacedGroups: 0 }
}

async function create(context: WriteContext, store: ObjectStore, spec: TableSpec): Promise<void> {
  await createOrOpenTable(store, spec, context.clock)
  const { cdc } = context.flags
  if (cdc === 'off') return
  await new TimelineStore(store, spec.path, context.clock).updateProperties((p) => {
    p.set('hoodie.table.cdc.enabled', 'true')
    p.set('hoodie.table.cdc.supplemental.logging.mode', cdc.toUpperCase())
  })
}

async function commitRows(
  context: WriteContext,
  store: ObjectStore,
  spec: TableSpec,
  columns: readonly LakeColumn[],
  rows: AsyncIterable<RowChanges>,
  operation: Operation,
  deps: OpenTableDeps,
): Promise<{ instant: string; counts: WriteCounts }> {
  const writer = await openWriterOf(store, spec, { ...deps, operation })
  writer.timeline.owner = processProbe()
  await writer.evolve(columns)
  const notices: string[] = []
  writer.timeline.onNotice = (text) => notices.push(text)
  const staged = await writer.stage(rows)
  for (const text of notices) await context.stderr.write(`note: ${text}\n`)
  if ((await writer.commit(staged, null)) === 'conflict') {
    await writer.abandon(staged)
    throw new Failure('TRB-LAKE-011', { table: store.root, refusal: `another writer completed a commit after ${staged.instant} began` })
  }
  return { instant: staged.instant, counts: staged.counts }
}

/** The table's spec with the columns of the input that it lacks, and the types that they have widened. */
function withColumns(spec: TableSpec, columns: readonly LakeColumn[]): TableSpec {
  const given = new Map(columns.map((c) => [c.name, c]))
  const known = new Set(spec.columns.map((c) => c.name))
  return { ...spec, columns: [...spec.columns.map((c) => given.get(c.name) ?? c), ...columns.filter((c) => !known.has(c.name))] }
}

const OPS: Readonly<Record<string, number>> = { upsert: 0x75, delete: 0x64 }
const CREATE = 0x63

/** What is written, and of which table. */
interface Source {
  readonly input: WriteInput
  readonly columns: readonly LakeColumn[]
  readonly choice: CurrentChoice
  readonly spec: TableSpec
}

/** The rows of one partition together, then by `sort` or the key: so they lie in each file. Fails with TRB-LAKE-091. */
function bulkOrder({ name, key, partition }: TableSpec, columns: readonly LakeColumn[], sort: readonly string[]): readonly LakeColumn[] {
  return sortColumns(name, columns, [...partitionColumns(partition), ...(sort.length > 0 ? sort : key)])
}

/** Changes for the writer, whose instant has begun when the first one is asked for. */
async function* changesOf(context: WriteContext, source: Source, by: readonly LakeColumn[], scratch: string): AsyncGenerator<RowChanges> {
  const { op, memory } = context.flags
  const { fresh, select } = await source.choice.renew(source.spec)
  const kept = keptRows(source, select, op, context.signal)
  const limit = { bytes: memory / 2, directory: scratch, name: 'sorted' }
  // Rows whose keys are not stored need not be looked for.
  for await (const chunk of by.length === 0 ? kept : sortedChunks(kept, by, limit))
    yield change(chunk, fresh ? CREATE : (OPS[op] ?? CREATE))
}

async function* keptRows({ input, columns }: Source, select: Chosen['select'], op: string, signal: AbortSignal): AsyncGenerator<RowChunk> {
  let first = 0
  for await (const chunk of input.read(columns, op === 'delete')) {
    signal.throwIfAborted()
    const kept = select(chunk, first)
    first += chunk.count
    if (kept.count > 0) yield kept
  }
}

function change({ columns, count, vectors }: RowChunk, op: number): RowChanges {
  const bytes = vectors.reduce((n, v) => n + ('data' in v ? v.data.length : count * 16), count)
  const unavailable = columns.map(() => null)
  return { columns, count, op: new Uint8Array(count).fill(op), before: null, vectors, unavailable, bytes }
}
