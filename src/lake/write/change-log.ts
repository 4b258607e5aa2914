import type { LakeColumn, Vector } from '../../contract/columns.ts'
import type { ObjectStore, ObjectWriter } from '../../contract/object-store.ts'
import type { RowChunk } from '../../contract/slice.ts'
import { Failure } from '../../failure/failure.ts'
import { GrowableSink, writeAll, writeSlice } from '../../format/bytes/growable-sink.ts'
import { writeZigzag32 } from '../../format/bytes/varint.ts'
import type { BlockHeader } from '../../format/hudi-log/block.ts'
import { CONTENT_VERSION, printBlock } from '../../format/hudi-log/writer.ts'
import { type Column, constantColumn, type PlainVector, toVector } from '../../format/parquet/column.ts'
import { NULL_PARTITION } from '../layout/paths.ts'
import { BAG_KEY_COLUMN, PARTITION_COLUMN } from '../layout/table-properties.ts'
import type { ChangedRows } from '../merge/changed-rows.ts'
import { gather, gatherVector, nullColumn } from '../merge/gather.ts'
import { type BaseGroup, RECORD_KEY, recordKeys } from '../merge/join.ts'
import type { RowGroupEdits } from '../merge/merge-plan.ts'
import { avroSchemaText, sanitizeName } from '../metadata/avro-schema.ts'
import { writeAvroRow } from './avro-rows.ts'

/** How much of a change a change log holds (hoodie.table.cdc.supplemental.logging.mode). */
export type CdcMode = 'OP_KEY_ONLY' | 'DATA_BEFORE' | 'DATA_BEFORE_AFTER'

/** The mode of a table with change data; null: it keeps none. */
export function cdcModeOf(properties: ReadonlyMap<string, string>, table: string): CdcMode | null {
  if (properties.get('hoodie.table.cdc.enabled') !== 'true') return null
  const mode = (properties.get('hoodie.table.cdc.supplemental.logging.mode') ?? 'DATA_BEFORE_AFTER').toUpperCase()
  if (mode === 'OP_KEY_ONLY' || mode === 'DATA_BEFORE' || mode === 'DATA_BEFORE_AFTER') return mode
  throw new Failure('TRB-LAKE-003', { table, detail: `hoodie.table.cdc.supplemental.logging.mode is ${mode}` })
}

/** What all change logs of one commit have in common. */
export interface ChangeTarget {
  readonly store: ObjectStore
  /** Hudi table name. */
  readonly table: string
  /** Stored columns, without meta columns. */
  readonly columns: readonly LakeColumn[]
  readonly instant: string
  readonly mode: CdcMode
}

const BLOCK_BYTES = 4 << 20
const OPS = { insert: 'i', update: 'u', delete: 'd' } as const
type Op = keyof typeof OPS

/**
 * The change log (`.cdc`) beside a new base file of a file group that there was before: one record for each row that came, changed or went.
 * Readers work out the changes of new groups and of row logs themselves (spec hudi §6.3). Record, as Avro, by mode:
 *   OP_KEY_ONLY        op record_key
 *   DATA_BEFORE        op record_key before
 *   DATA_BEFORE_AFTER  op ts_ms (the instant, as text) before after
 */
export class ChangeLog {
  readonly path: string
  readonly #target: ChangeTarget
  readonly #key: string
  readonly #partition: string
  readonly #announce: () => Promise<void>
  readonly #schema: string
  readonly #records = new GrowableSink(1 << 16)
  readonly #instant: Buffer
  #count = 0
  #out: ObjectWriter | null = null
  #bytes = 0

  /** `path`: relative to the table. `announce` is called before the file is begun: a file without changes does not come to be. */
  constructor(target: ChangeTarget, at: { path: string; key: string; partition: string }, announce: () => Promise<void>) {
    this.#target = target
    this.path = at.path
    this.#key = at.key
    this.#partition = at.partition
    this.#announce = announce
    this.#schema = cdcSchema(target)
    this.#instant = Buffer.from(target.instant, 'latin1')
  }

  /** Rows that are new. */
  async inserted(rows: ChangedRows): Promise<void> {
    const after = this.#wantsAfter ? this.#after(rows, null, null) : []
    for (let i = 0; i < rows.count; i++) await this.#record('insert', rows.keys, i, null, 0, after, i)
  }

  /** Row group `g` of `base` with its edits; rows of `edits.rows` from `firstInsert` on are new. */
  async merged(base: BaseGroup, g: number, edits: RowGroupEdits, firstInsert: number): Promise<void> {
    const keys = await recordKeys(base.file, g)
    const before = this.#wantsBefore ? await this.#before(base, g, edits.row) : null
    const { rows, row, changed } = edits
    const after = rows === null || !this.#wantsAfter ? [] : this.#after(rows, before, changed)
    for (let i = 0; i < row.length; i++) {
      const op = changed[i] < 0 ? 'delete' : 'update'
      await this.#record(op, keys, row[i], before, i, changed[i] < 0 ? null : after, changed[i])
    }
    for (let i = firstInsert; rows !== null && i < rows.count; i++) await this.#record('insert', rows.keys, i, null, 0, after, i)
  }

  /** All rows of a base file go. */
  async emptied(base: BaseGroup): Promise<void> {
    for (let g = 0; g < base.file.meta.rowGroups.length; g++) {
      const { rows } = base.file.meta.rowGroups[g]
      const row = Int32Array.from({ length: rows }, (_, i) => i)
      await this.merged(base, g, { row, changed: new Int32Array(rows).fill(-1), rows: null }, 0)
    }
  }

  /** All these rows (meta columns among them) go. */
  async removed(chunk: RowChunk): Promise<void> {
    const of = (name: string): Vector | null => {
      const at = chunk.columns.findIndex((c) => c.name === name)
      return at < 0 ? null : chunk.vectors[at]
    }
    const keys = plain(of(RECORD_KEY), chunk.count)
    const columns = this.#target.columns.map((c) => of(c.name) ?? toVector(nullColumn(c.type, chunk.count)))
    for (let i = 0; i < chunk.count; i++) await this.#record('delete', keys, i, columns, i, null, 0)
  }

  /** Size of the file; null: nothing has changed, and there is none. */
  async close(): Promise<number | null> {
    await this.#flush()
    if (this.#out === null) return null
    await this.#out.close()
    return this.#bytes
  }

  async abort(): Promise<void> {
    await this.#out?.abort()
  }

  get #wantsBefore(): boolean {
    return this.#target.mode !== 'OP_KEY_ONLY'
  }

  get #wantsAfter(): boolean {
    return this.#target.mode === 'DATA_BEFORE_AFTER'
  }

  /** Stored values of these rows. */
  async #before(base: BaseGroup, g: number, row: Int32Array): Promise<Vector[]> {
    const out: Vector[] = []
    for (const c of this.#target.columns) {
      const stored = await base.file.read(g, c.name, c.type)
      const column = stored === null ? nullColumn(c.type, row.length) : gather(c.type, [stored], { source: null, row, count: row.length })
      out.push(toVector(column))
    }
    return out
  }

  /** Values of changed rows; what a change lacks is that of the stored row it updates: edit i updates it by row `changed[i]`. */
  #after(rows: ChangedRows, before: readonly Vector[] | null, changed: Int32Array | null): Vector[] {
    const edit = new Int32Array(rows.count).fill(-1)
    changed?.forEach((r, i) => {
      if (r >= 0) edit[r] = i
    })
    return this.#target.columns.map((c, i): Vector => {
      if (c.name === BAG_KEY_COLUMN) return toVector(rows.keys)
      if (c.name === PARTITION_COLUMN) return toVector(this.#partitionValues(rows.count))
      const own = toVector(rows.column(i))
      const missing = rows.missing(i)
      if (missing === null || before === null) return own
      const row = Int32Array.from(missing, (m, r) => (m === 1 ? edit[r] : r))
      return gatherVector(c.type, [own, before[i]], { source: Int32Array.from(missing), row, count: rows.count })
    })
  }

  #partitionValues(count: number): Column {
    if (this.#partition === NULL_PARTITION) return nullColumn({ kind: 'string' }, count)
    return constantColumn(Buffer.from(this.#partition), count)
  }

  async #record(
    op: Op,
    keys: PlainVector,
    key: number,
    before: readonly Vector[] | null,
    beforeRow: number,
    after: readonly Vector[] | null,
    afterRow: number,
  ): Promise<void> {
    const out = this.#records
    if (this.#count === 0) {
      out.reserve(8)
      out.pos += 8
    }
    const at = out.pos
    out.reserve(4)
    out.pos += 4
    text(out, Buffer.from(OPS[op], 'latin1'))
    const { columns, mode } = this.#target
    if (mode === 'DATA_BEFORE_AFTER') text(out, this.#instant)
    else {
      writeZigzag32(out, 1)
      const from = keys.starts[key] + 4
      writeZigzag32(out, keys.starts[key + 1] - from)
      writeSlice(out, keys.data, from, keys.starts[key + 1] - from)
    }
    if (mode !== 'OP_KEY_ONLY') optional(out, columns, op === 'insert' ? null : before, beforeRow)
    if (mode === 'DATA_BEFORE_AFTER') optional(out, columns, op === 'delete' ? null : after, afterRow)
    out.buf.writeInt32BE(out.pos - at - 4, at)
    this.#count++
    if (out.pos > BLOCK_BYTES) await this.#flush()
  }

  /** Writes what has been collected as a block. Content: version:i32 count:i32 (length:i32 datum)*. */
  async #flush(): Promise<void> {
    if (this.#count === 0) return
    const sink = this.#records
    sink.buf.writeInt32BE(CONTENT_VERSION, 0)
    sink.buf.writeInt32BE(this.#count, 4)
    if (this.#out === null) {
      await this.#announce()
      this.#out = await this.#target.store.writer(this.#key)
    }
    const header: BlockHeader = new Map([
      ['instant', this.#target.instant],
      ['schema', this.#schema],
    ])
    for (const part of printBlock('cdc', header, [sink.buf.subarray(0, sink.pos)])) {
      await this.#out.write(part)
      this.#bytes += part.length
    }
    sink.pos = 0
    this.#count = 0
  }
}

function text(out: GrowableSink, bytes: Buffer): void {
  writeZigzag32(out, 1)
  writeZigzag32(out, bytes.length)
  writeAll(out, bytes)
}

function optional(out: GrowableSink, columns: readonly LakeColumn[], vectors: readonly Vector[] | null, row: number): void {
  writeZigzag32(out, vectors === null ? 0 : 1)
  if (vectors !== null) writeAvroRow(columns, vectors, row, out)
}

function plain(v: Vector | null, count: number): PlainVector {
  const keys =
    v === null ? nullColumn({ kind: 'string' }, count) : gather({ kind: 'string' }, [v], { source: null, row: rowsOf(count), count })
  if (keys.kind === 'plain') return keys
  return { kind: 'plain', data: Buffer.alloc(0), starts: new Int32Array(count + 1) }
}

function rowsOf(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => i)
}

/** Avro schema text of a change record. */
function cdcSchema({ table, columns, mode }: ChangeTarget): string {
  const record: unknown = JSON.parse(avroSchemaText(table, columns, false))
  const name = sanitizeName(table)
  const optionalText = (field: string): object => ({ name: field, type: ['null', 'string'], doc: '', default: null })
  const before = { name: 'before', type: ['null', record], doc: '', default: null }
  const after = { name: 'after', type: ['null', `${name}_record`], doc: '', default: null }
  const fields =
    mode === 'DATA_BEFORE_AFTER'
      ? [optionalText('op'), optionalText('ts_ms'), before, after]
      : [optionalText('op'), optionalText('record_key'), ...(mode === 'DATA_BEFORE' ? [before] : [])]
  return JSON.stringify({ type: 'record', name: 'CDC', namespace: `hoodie.${name}`, fields })
}
