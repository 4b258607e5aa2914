import type { LakeColumn } from '../../contract/columns.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { WriteCodec } from '../../format/parquet/codec.ts'
import { type Column, constantColumn, type PlainVector } from '../../format/parquet/column.ts'
import type { RawChunk } from '../../format/parquet/file.ts'
import type { RowGroupMeta } from '../../format/parquet/metadata.ts'
import { RowGroupBytes } from '../../format/parquet/row-group-bytes.ts'
import { Scratch } from '../../format/parquet/scratch.ts'
import { ParquetWriter } from '../../format/parquet/writer.ts'
import { BloomFilter, MAX_KEY, MIN_KEY } from '../index/bloom.ts'
import { NULL_PARTITION } from '../layout/paths.ts'
import { PARTITION_COLUMN } from '../layout/table-properties.ts'
import type { ChangedRows } from '../merge/changed-rows.ts'
import { nullColumn } from '../merge/gather.ts'
import { type BaseGroup, recordKeys } from '../merge/join.ts'
import { MergePlan, type RowGroupEdits } from '../merge/merge-plan.ts'
import { mergedColumn } from '../merge/merged-column.ts'
import { sameValues } from '../merge/same-values.ts'
import { avroSchemaText, META_COLUMNS, sanitizeName } from '../metadata/avro-schema.ts'
import type { ChangeLog } from './change-log.ts'
import { SequenceNumbers } from './sequence-numbers.ts'

/** What all base files of one commit have in common. */
export interface CommitTarget {
  readonly store: ObjectStore
  /** Hudi table name. */
  readonly table: string
  /** Stored columns (of a bag: the row id last), without meta columns. */
  readonly columns: readonly LakeColumn[]
  /** Position of the row id of a bag in `columns`, −1 none. */
  readonly rowIdColumn: number
  /** The column that alone makes up the key; null: there is none, or there are several. */
  readonly keyColumn: string | null
  readonly instant: string
  readonly codec: WriteCodec
  /** Row groups are cut at about this many bytes, uncompressed. */
  readonly rowGroupBytes: number
}

/** Sequence numbers are never searched by range. */
const WITHOUT_RANGE: ReadonlySet<string> = new Set(['_hoodie_commit_seqno'])
/** Place of `_hoodie_record_key` among the leaves. */
const KEY_LEAF = 2
const META: readonly LakeColumn[] = META_COLUMNS.map((name) => ({ name, type: { kind: 'string' } }))
/** Row groups smaller than this fraction of a full one take the inserted rows in. */
const MOST_ROWS = 1 << 20

/** Writes one base file: rows carried over from `base`, changed rows, footer. */
export class BaseFileWriter {
  readonly #target: CommitTarget
  readonly #base: BaseGroup | null
  readonly #parquet: ParquetWriter
  readonly #fileName: string
  readonly #partition: string
  readonly #numbers: SequenceNumbers
  readonly #bloom: BloomFilter
  readonly #bloomIsWhole: boolean
  readonly #scratch = new Scratch()
  /** Stored bytes of the base's row group at hand. */
  readonly #stored: RowGroupBytes | null
  #min: Uint8Array | null = null
  #max: Uint8Array | null = null
  #rangeKnown = true
  /** Told of every row that comes, changes or goes; null: nobody wants to know. */
  changes: ChangeLog | null = null
  inserted = 0
  updated = 0
  deleted = 0

  private constructor(
    target: CommitTarget,
    base: BaseGroup | null,
    parquet: ParquetWriter,
    name: string,
    partition: string,
    ordinal: number,
    expected: number,
  ) {
    this.#target = target
    this.#base = base
    this.#parquet = parquet
    this.#fileName = name
    this.#partition = partition
    this.#numbers = new SequenceNumbers(target.instant, ordinal)
    const carried = base === null ? null : BloomFilter.carriedOn(base.file.meta.keyValues, expected)
    this.#bloom = carried ?? BloomFilter.sized(expected + (base?.file.meta.rows ?? 0))
    this.#bloomIsWhole = carried !== null
    this.#stored = base === null ? null : new RowGroupBytes(base.file)
  }

  /** `ordinal`: number of the file in its commit, part of the sequence numbers. `expected`: rows to be inserted, about. */
  static async create(
    target: CommitTarget,
    base: BaseGroup | null,
    at: { readonly key: string; readonly name: string; readonly partition: string; readonly ordinal: number },
    expected: number,
  ): Promise<BaseFileWriter> {
    const name = sanitizeName(target.table)
    const parquet = new ParquetWriter(await target.store.writer(at.key), {
      root: `hoodie.${name}.${name}_record`,
      columns: [...META, ...target.columns],
      codec: target.codec,
      withoutRange: WITHOUT_RANGE,
    })
    return new BaseFileWriter(target, base, parquet, at.name, at.partition, at.ordinal, expected)
  }

  /** Bytes of the file so far. */
  get size(): number {
    return this.#parquet.size
  }

  /** Rows per row group of about `rowGroupBytes` for so many rows, given bytes per row: groups of equal size. */
  rowsPerGroup(bytesPerRow: number, rows: number): number {
    const most = Math.max(1, Math.min(MOST_ROWS, Math.floor(this.#target.rowGroupBytes / Math.max(1, bytesPerRow))))
    return Math.max(1, Math.ceil(rows / Math.max(1, Math.ceil(rows / most))))
  }

  /** Few enough rows for one row group. */
  fitsOneGroup(bytesPerRow: number, rows: number): boolean {
    return this.rowsPerGroup(bytesPerRow, rows) >= rows
  }

  /** A row group of new rows only. */
  async insertRows(rows: ChangedRows): Promise<void> {
    if (rows.count === 0) return
    await this.changes?.inserted(rows)
    await this.#parquet.beginRowGroup(rows.count)
    for (const name of ['_hoodie_commit_time', '_hoodie_commit_seqno'] as const) {
      this.#scratch.reset()
      await this.#parquet.writeColumn(this.#origin(name, rows))
    }
    const again = rows.ownKeys === true ? textKeyOf(this.#target.columns, this.#target.keyColumn) : -1
    await this.#parquet.writeColumn(rows.keys, again >= 0)
    await this.#parquet.writeColumn(constantColumn(Buffer.from(this.#partition), rows.count))
    await this.#parquet.writeColumn(constantColumn(Buffer.from(this.#fileName), rows.count))
    for (let c = 0; c < this.#target.columns.length; c++) {
      this.#scratch.reset()
      if (c === again) await this.#parquet.repeatColumn()
      else if (c === this.#target.rowIdColumn) await this.#parquet.writeColumn(rows.keys)
      else if (this.#target.columns[c].name === PARTITION_COLUMN) await this.#parquet.writeColumn(this.#partitionValues(rows.count))
      else await this.#parquet.writeColumn(rows.column(c, this.#scratch.take))
    }
    this.#range(this.#parquet.endRowGroup())
    this.#note(rows.keys)
    this.inserted += rows.count
  }

  /** Row group `g` of the base file as it is: stored bytes, but for the file name. */
  async copyRowGroup(g: number): Promise<void> {
    const base = this.#base!
    const { rows } = base.file.meta.rowGroups[g]
    if (rows === 0) return
    await this.#stored!.load(g)
    await this.#parquet.beginRowGroup(rows)
    for (const column of [...META, ...this.#target.columns]) await this.#carryColumn(g, column, rows)
    this.#range(this.#parquet.endRowGroup())
    if (!this.#bloomIsWhole) this.#note(await recordKeys(base.file, g))
  }

  /** Row group `g` of the base file with its edits, and `inserts` (numbers of rows in `edits.rows`, from `firstInsert` on) at its end. */
  async mergeRowGroup(g: number, edits: RowGroupEdits, firstInsert: number): Promise<void> {
    const base = this.#base!
    const plan = new MergePlan(base.file.meta.rowGroups[g].rows, edits, firstInsert)
    this.deleted += plan.deleted
    this.updated += plan.updated
    this.inserted += plan.inserted
    await this.changes?.merged(base, g, edits, firstInsert)
    if (plan.count === 0) return
    await this.#stored!.load(g)
    await this.#parquet.beginRowGroup(plan.count)
    for (const column of META) await this.#mergeMeta(g, column, plan, edits.rows)
    for (let c = 0; c < this.#target.columns.length; c++) await this.#mergeColumn(g, c, plan, edits)
    this.#range(this.#parquet.endRowGroup())
    if (!this.#bloomIsWhole) this.#note(await recordKeys(base.file, g))
    if (edits.rows !== null && plan.inserted > 0) this.#note(edits.rows.keys, firstInsert)
  }

  /** Writes the footer. Returns rows and bytes of the file. */
  async close(): Promise<{ rows: number; bytes: number }> {
    const { table, columns } = this.#target
    const entries: [string, string][] = [
      ['parquet.avro.schema', avroSchemaText(table, columns, true)],
      ['writer.model.name', 'avro'],
      ...this.#bloom.entries(),
    ]
    if (this.#rangeKnown && this.#min !== null && this.#max !== null) entries.push([MIN_KEY, utf8(this.#min)], [MAX_KEY, utf8(this.#max)])
    this.#release()
    const bytes = await this.#parquet.close(new Map(entries))
    return { rows: this.#parquet.rows, bytes }
  }

  async abort(): Promise<void> {
    this.#release()
    await this.changes?.abort()
    await this.#parquet.abort()
  }

  #release(): void {
    this.#scratch.release()
    this.#stored?.release()
  }

  /** The partition column: every row of a file has the same. */
  #partitionValues(count: number): Column {
    if (this.#partition === NULL_PARTITION) return nullColumn({ kind: 'string' }, count)
    return constantColumn(Buffer.from(this.#partition), count)
  }

  async #carryColumn(g: number, column: LakeColumn, rows: number): Promise<void> {
    const { file } = this.#base!
    if (column.name === '_hoodie_file_name') return this.#parquet.writeColumn(constantColumn(Buffer.from(this.#fileName), rows))
    const stored = file.column(column.name)
    if (stored === null) return this.#parquet.writeColumn(nullColumn(column.type, rows))
    const raw = await this.#stored!.column(g, stored)
    this.#scratch.reset()
    if (this.#parquet.accepts(stored)) await this.#parquet.copyColumn(raw)
    else await this.#parquet.writeColumn(file.decode(stored, column.type, raw, this.#scratch.take))
  }

  async #mergeMeta(g: number, column: LakeColumn, plan: MergePlan, rows: ChangedRows | null): Promise<void> {
    const { count } = plan
    if (column.name === '_hoodie_file_name') return this.#parquet.writeColumn(constantColumn(Buffer.from(this.#fileName), count))
    if (column.name === '_hoodie_partition_path') return this.#parquet.writeColumn(constantColumn(Buffer.from(this.#partition), count))
    // an update keeps its key: without inserts and deletes the keys are those of before
    if (column.name === '_hoodie_record_key' && plan.inPlace) return this.#carryColumn(g, column, count)
    this.#scratch.reset()
    const base = await this.#baseColumn(g, column)
    const own = rows === null ? null : column.name === '_hoodie_record_key' ? rows.keys : this.#origin(column.name, rows)
    await this.#parquet.writeColumn(mergedColumn(column.type, base, own, plan, plan.own, this.#scratch.take))
  }

  /** Commit times or sequence numbers of changed rows. */
  #origin(name: string, rows: ChangedRows): Column {
    if (rows.meta !== undefined) return rows.meta(name, this.#scratch.take)
    if (name === '_hoodie_commit_time') return constantColumn(Buffer.from(this.#target.instant), rows.count)
    return this.#numbers.take(rows.count, this.#scratch.take)
  }

  /** A column of the base's row group in scratch memory; null: the base has no such column. */
  async #baseColumn(g: number, column: LakeColumn): Promise<Column | null> {
    const { file } = this.#base!
    const stored = file.column(column.name)
    return stored === null ? null : file.decode(stored, column.type, await this.#stored!.column(g, stored), this.#scratch.take)
  }

  async #mergeColumn(g: number, c: number, plan: MergePlan, edits: RowGroupEdits): Promise<void> {
    const column = this.#target.columns[c]
    const { file } = this.#base!
    const { rows } = edits
    if (column.name === PARTITION_COLUMN) return this.#parquet.writeColumn(this.#partitionValues(plan.count))
    const stored = file.column(column.name)
    if (stored !== null && plan.inPlace && this.#isKey(c) && this.#parquet.accepts(stored)) return this.#carryColumn(g, column, plan.count)
    const raw: RawChunk[] | null = stored === null ? null : await this.#stored!.column(g, stored)
    this.#scratch.reset()
    const base = stored === null ? null : file.decode(stored, column.type, raw!, this.#scratch.take)
    const own = c === this.#target.rowIdColumn ? (rows?.keys ?? null) : (rows?.column(c, this.#scratch.take) ?? null)
    const missing = c === this.#target.rowIdColumn ? null : (rows?.missing(c) ?? null)
    const stays = base !== null && own !== null && plan.inPlace && missing === null && this.#parquet.accepts(stored!)
    if (stays && sameValues(base, plan.updatedRows, own, plan.updatedBy)) return this.#parquet.copyColumn(raw!)
    const pick = missing === null ? plan.own : plan.withStored(missing)
    await this.#parquet.writeColumn(mergedColumn(column.type, base, own, plan, pick, this.#scratch.take))
  }

  /** A column whose text is the record key: an update doesn't change it. */
  #isKey(c: number): boolean {
    const { columns, keyColumn } = this.#target
    return keyColumn === columns[c].name && ['string', 'int', 'long'].includes(columns[c].type.kind)
  }

  /** Keys that the footer's filter must cover. */
  #note(keys: PlainVector, from = 0): void {
    const { data, starts } = keys
    for (let i = from; i < starts.length - 1; i++) {
      if (starts[i + 1] > starts[i]) this.#bloom.add(data, starts[i] + 4, starts[i + 1])
    }
  }

  /** Widens the footer's range of keys by that of a row group. */
  #range(group: RowGroupMeta): void {
    const s = group.columns[KEY_LEAF].statistics
    if (s === null || s.min === null || s.max === null) this.#rangeKnown = false
    else {
      if (this.#min === null || Buffer.compare(s.min, this.#min) < 0) this.#min = s.min
      if (this.#max === null || Buffer.compare(s.max, this.#max) > 0) this.#max = s.max
    }
  }
}

/** Position of the one key column when it is text: its values are the record keys. −1: there is none. */
export function textKeyOf(columns: readonly LakeColumn[], keyColumn: string | null): number {
  return keyColumn === null ? -1 : columns.findIndex((c) => c.name === keyColumn && c.type.kind === 'string')
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8')
}
