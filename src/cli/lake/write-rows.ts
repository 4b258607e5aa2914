import { completedWrites } from '../../../timeline/view.ts'
import type { Clock } from '../../contract/clock.ts'
import type { LakeColumn } from '../../contract/columns.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { RowChunk } from '../../contract/slice.ts'
import type { TableSpec } from '../../contract/table.ts'
import { assert, Failure } from '../../failure/failure.ts'
import { PartitionPaths, partitionColumns } from '../../lake/index/partition-path.ts'
import { keyWriter } from '../../lake/index/record-key.ts'
import { selectRows } from '../../lake/read/base-rows.ts'
import { mergeRulesOf } from '../../lake/read/merge-rules.ts'
import { OrderingFields } from '../../lake/read/ordering.ts'
import { scanTable } from '../../lake/read/table-scan.ts'
import { TimelineStore } from '../../lake/timeline-store.ts'
import { type NewestRows, newestRows } from '../../lake/write/newest-rows.ts'
import type { WriteInput } from './write-input.ts'

/** Which rows of an input are written. */
export interface Chosen {
  readonly rows: number
  readonly superseded: number
  readonly late: number
  /** Each key is written once, and none of them is stored. */
  readonly fresh: boolean
  /** The rows of a chunk that are written; `first` is the chunk's first row in the input. */
  select(chunk: RowChunk, first: number): RowChunk
}

export interface ChooseFor {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly op: string
  /** The table is there. */
  readonly existing: boolean
}

/**
 * The newest row of each key, compared with the stored ones where the op needs it: insert refuses keys that are there (TRB-LAKE-064), an
 * upsert by ordering leaves rows out that are older than the stored ones. Null keys and null ordering values are refused here.
 */
export async function chooseRows(at: ChooseFor, input: WriteInput, columns: readonly LakeColumn[], spec: TableSpec): Promise<Chosen> {
  const column = columns.find((c) => c.name === spec.orderingField)
  const ordering =
    at.op === 'delete' || column === undefined ? null : { column: column.name, fields: new OrderingFields(spec.name, [column]) }
  const adds = at.op === 'insert' || at.op === 'bulk_insert'
  const merges = spec.tableType === 'MERGE_ON_READ'
  // A merge-on-read table keeps late rows out when it is read, but only those in the partition of the stored row: one that names another
  // partition would take the newer row away from its own. A copy-on-write table has to do it here, always.
  const byTime = ordering !== null && (!at.existing || (await mergesByTime(at, spec)))
  const compares = at.op === 'upsert' && byTime && (!merges || spec.partition !== null)
  const key = spec.key.map((name) => columns.find((c) => c.name === name)!)
  const looked = columns.filter((c) => spec.key.includes(c.name) || c === column)
  const seed = Math.floor(at.clock.random() * 0x100000000)
  const stored = at.existing && (adds || compares) ? () => storedRows(at, spec, 'snapshot') : null
  const buried = at.existing && merges && byTime && (adds || at.op === 'upsert') ? () => storedRows(at, spec, 'read-optimized') : null
  const rows = { name: input.name, rows: input.rows, read: () => input.check(columns, looked, at.op === 'delete') }
  const newest = await newestRows(rows, { columns, keys: keyWriter(spec.name, key, spec.namedKey), ordering, stored, buried, seed })
  const { dropped, superseded, late } = newest
  const refuse = ({ existing, firstExisting }: NewestRows): void => {
    if (existing === 0) return
    throw new Failure('TRB-LAKE-064', { count: existing, table: spec.name, key: JSON.stringify(firstExisting) })
  }
  if (adds) refuse(newest)
  if (at.op === 'insert_overwrite' && at.existing && spec.partition !== null) {
    // What stays must not have a key of what comes: it would be in the table twice.
    const touched = await partitionsOf(
      input.check(
        columns,
        columns.filter((c) => partitionColumns(spec.partition).includes(c.name)),
      ),
      dropped,
      { ...spec, columns },
    )
    const elsewhere = (): AsyncGenerator<RowChunk> => storedRows(at, spec, 'snapshot', touched)
    refuse(await newestRows(rows, { columns, keys: keyWriter(spec.name, key, spec.namedKey), ordering: null, stored: elsewhere, seed }))
  }
  return {
    rows: input.rows - superseded - late,
    superseded,
    late,
    fresh: at.op !== 'delete' && (!at.existing || adds || at.op.startsWith('insert_overwrite')),
    select: (chunk, first) => without(chunk, dropped, first),
  }
}

/** The choice of a write that others may overtake: it is made again where it would be another by then. */
export class CurrentChoice {
  readonly #again: (existing: boolean) => Promise<Chosen>
  readonly #at: ChooseFor
  /** Completed writes that the choice knows of. */
  #known: ReadonlySet<string>
  #chosen: Chosen

  private constructor(at: ChooseFor, again: (existing: boolean) => Promise<Chosen>, known: ReadonlySet<string>, chosen: Chosen) {
    this.#at = at
    this.#again = again
    this.#known = known
    this.#chosen = chosen
  }

  /** As `chooseRows`. */
  static async make(at: ChooseFor, input: WriteInput, columns: readonly LakeColumn[], spec: TableSpec): Promise<CurrentChoice> {
    const again = (existing: boolean): Promise<Chosen> => chooseRows({ ...at, existing }, input, columns, spec)
    const known = at.existing ? await completedNow(at, spec) : new Set<string>()
    return new CurrentChoice(at, again, known, await again(at.existing))
  }

  get chosen(): Chosen {
    return this.#chosen
  }

  /**
   * To be called once the instant of the write has begun: whatever completes after that is in conflict with it when it touches the same file
   * groups, but what has completed since the choice was made is not. Fails as `chooseRows`.
   */
  async renew(spec: TableSpec): Promise<Chosen> {
    const { op } = this.#at
    if (op === 'delete' || op === 'insert_overwrite_table') return this.#chosen
    const now = await completedNow(this.#at, spec)
    if ([...now].every((i) => this.#known.has(i))) return this.#chosen
    this.#known = now
    this.#chosen = await this.#again(true)
    return this.#chosen
  }
}

async function completedNow({ store, clock }: ChooseFor, spec: TableSpec): Promise<ReadonlySet<string>> {
  const ts = new TimelineStore(store, spec.path, clock)
  await ts.properties()
  await ts.refresh()
  return new Set(completedWrites(ts.timeline, null).map((i) => `${i.time}.${i.action}`))
}

/** Whether the greater ordering value wins over the stored row, and not the later commit. */
async function mergesByTime({ store, clock }: ChooseFor, spec: TableSpec): Promise<boolean> {
  const rules = mergeRulesOf(await new TimelineStore(store, spec.path, clock).properties(), spec.name)
  return rules.mode === 'event-time' && rules.overBase !== 'always'
}

/** Partitions of the rows that are not dropped. */
async function partitionsOf(input: AsyncIterable<RowChunk>, dropped: Uint8Array, spec: TableSpec): Promise<ReadonlySet<string>> {
  const paths = new PartitionPaths(spec)
  let first = 0
  for await (const chunk of input) {
    const kept = without(chunk, dropped, first)
    first += chunk.count
    const by = partitionColumns(spec.partition).map((name) => kept.vectors[kept.columns.findIndex((c) => c.name === name)] ?? null)
    for (let i = 0; i < kept.count; i++) paths.of(by, i)
  }
  return new Set(paths.paths)
}

/** Keys and ordering values; `except`: not of these partitions. */
async function* storedRows(
  { store, clock }: ChooseFor,
  spec: TableSpec,
  kind: 'snapshot' | 'read-optimized',
  except: ReadonlySet<string> | null = null,
): AsyncGenerator<RowChunk> {
  const { orderingField } = spec
  const scan = await scanTable(store, spec.path, clock, {
    kind,
    asOf: null,
    columns: orderingField === '' ? [] : [orderingField],
  })
  const column = (name: string): number => scan.columns.findIndex((c) => c.name === name)
  const key = column('_hoodie_record_key')
  const by = column(orderingField)
  const wanted = by < 0 ? [key] : [key, by]
  for await (const chunk of scan.rows()) {
    const left = except === null ? chunk : outside(chunk, column('_hoodie_partition_path'), except)
    yield { columns: wanted.map((c) => left.columns[c]!), count: left.count, vectors: wanted.map((c) => left.vectors[c]!) }
  }
}

function outside(chunk: RowChunk, column: number, except: ReadonlySet<string>): RowChunk {
  const v = chunk.vectors[column]!
  assert(v.kind === 'bytes', 'partition paths are texts')
  const row = new Int32Array(chunk.count)
  let n = 0
  for (let i = 0; i < chunk.count; i++) if (!except.has(v.data.toString('utf8', v.offsets[i], v.offsets[i + 1]))) row[n++] = i
  return n === chunk.count ? chunk : selectRows(chunk, row.subarray(0, n))
}

function without(chunk: RowChunk, dropped: Uint8Array, first: number): RowChunk {
  const row = new Int32Array(chunk.count)
  let n = 0
  for (let i = 0; i < chunk.count; i++) if (dropped[first + i] === 0) row[n++] = i
  return n === chunk.count ? chunk : selectRows(chunk, row.subarray(0, n))
}
