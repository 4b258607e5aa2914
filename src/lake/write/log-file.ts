import type { LakeColumn } from '../../contract/columns.ts'
import type { ObjectStore, ObjectWriter } from '../../contract/object-store.ts'
import { avroRowsContent } from '../../format/hudi-log/avro-rows.ts'
import type { BlockType, HeaderKey } from '../../format/hudi-log/block.ts'
import { deleteContent, printBlock } from '../../format/hudi-log/writer.ts'
import type { WriteCodec } from '../../format/parquet/codec.ts'
import { type Column, constantColumn, type PlainVector } from '../../format/parquet/column.ts'
import { ownMemory, Scratch } from '../../format/parquet/scratch.ts'
import { ParquetWriter } from '../../format/parquet/writer.ts'
import { NULL_PARTITION } from '../layout/paths.ts'
import { PARTITION_COLUMN } from '../layout/table-properties.ts'
import type { ChangedRows } from '../merge/changed-rows.ts'
import { nullColumn } from '../merge/gather.ts'
import { avroSchemaText, META_COLUMNS, sanitizeName } from '../metadata/avro-schema.ts'
import { textKeyOf } from './base-file.ts'
import { SequenceNumbers } from './sequence-numbers.ts'

/** Forms of data blocks that can be written; Parquet is smaller, and what every reader reads best. */
export type LogBlocks = 'parquet' | 'avro'

/** What all log files of one commit have in common. */
export interface LogTarget {
  readonly store: ObjectStore
  /** Hudi table name. */
  readonly table: string
  /** Stored columns (of a bag: the row id among them), without meta columns. */
  readonly columns: readonly LakeColumn[]
  /** Position of the row id of a bag in `columns`, −1 none. */
  readonly rowIdColumn: number
  /** The one column that the record key consists of; null or absent: there are several, or it doesn't matter. */
  readonly keyColumn?: string | null
  readonly instant: string
  readonly codec: WriteCodec
  /** Form of the data blocks. */
  readonly blocks: LogBlocks
  /** Avro schema text with meta columns, for the blocks' headers. */
  readonly schema: string
  /** Log compaction: instants whose blocks these ones stand for, comma-separated, newest first. */
  readonly compacted?: string
}

export function logTarget(t: Omit<LogTarget, 'schema'>): LogTarget {
  return { ...t, schema: avroSchemaText(t.table, t.columns, true) }
}

const META: readonly LakeColumn[] = META_COLUMNS.map((name) => ({ name, type: { kind: 'string' } }))

/**
 * Writes the log file of one file group in one commit: data blocks and delete blocks, each made in memory and then written
 * whole. No key may be in both (readers differ in what they make of it). Nothing can be seen of the file before `close`.
 */
export class LogFileWriter {
  readonly #target: LogTarget
  readonly #fileId: string
  readonly #partition: string
  readonly #out: ObjectWriter
  readonly #sequence: SequenceNumbers
  readonly #scratch = new Scratch()
  /** Bytes of the blocks so far. */
  bytes = 0
  /** Records in data blocks, keys in delete blocks. */
  records = 0
  deletes = 0

  private constructor(target: LogTarget, out: ObjectWriter, fileId: string, partition: string, ordinal: number) {
    this.#target = target
    this.#out = out
    this.#fileId = fileId
    this.#partition = partition
    this.#sequence = new SequenceNumbers(target.instant, ordinal)
  }

  /** `ordinal`: number of the file in its commit, part of the sequence numbers. */
  static async create(
    target: LogTarget,
    at: { readonly key: string; readonly fileId: string; readonly partition: string; readonly ordinal: number },
  ): Promise<LogFileWriter> {
    return new LogFileWriter(target, await target.store.writer(at.key), at.fileId, at.partition, at.ordinal)
  }

  /** A data block of these rows. */
  async data(rows: ChangedRows): Promise<void> {
    if (rows.count === 0) return
    const { blocks } = this.#target
    await this.#block(blocks, blocks === 'avro' ? [await this.#avro(rows)] : await this.#parquet(rows))
    this.records += rows.count
  }

  /** A delete block of these record keys. */
  async delete(keys: PlainVector): Promise<void> {
    const count = keys.starts.length - 1
    if (count === 0) return
    await this.#block('delete', [deleteContent(keys, this.#partition)])
    this.deletes += count
  }

  /** Returns the size of the file. */
  async close(): Promise<number> {
    await this.#out.close()
    return this.bytes
  }

  async abort(): Promise<void> {
    await this.#out.abort()
  }

  async #block(type: BlockType, content: readonly Uint8Array[]): Promise<void> {
    const { instant, schema, compacted } = this.#target
    const header = new Map<HeaderKey, string>([
      ['instant', instant],
      ['schema', schema],
    ])
    if (compacted !== undefined) header.set('compacted', compacted)
    for (const part of printBlock(type, header, content)) {
      await this.#out.write(part)
      this.bytes += part.length
    }
  }

  /** The meta columns of rows. */
  #meta(rows: ChangedRows): Column[] {
    const { count, keys } = rows
    const constant = (text: string): Column => constantColumn(Buffer.from(text), count)
    const own = rows.meta?.bind(rows)
    const time = own === undefined ? constant(this.#target.instant) : own('_hoodie_commit_time', ownMemory)
    const sequence = own === undefined ? this.#sequence.take(count, this.#scratch.take) : own('_hoodie_commit_seqno', ownMemory)
    return [time, sequence, keys, constant(this.#partition), constant(this.#fileId)]
  }

  #column(rows: ChangedRows, c: number, allocate = ownMemory): Column {
    const { columns, rowIdColumn } = this.#target
    if (c === rowIdColumn) return rows.keys
    if (columns[c].name !== PARTITION_COLUMN) return rows.column(c, allocate)
    const nulls = this.#partition === NULL_PARTITION
    return nulls ? nullColumn({ kind: 'string' }, rows.count) : constantColumn(Buffer.from(this.#partition), rows.count)
  }

  async #avro(rows: ChangedRows): Promise<Buffer> {
    const { columns } = this.#target
    const values = [...this.#meta(rows), ...columns.map((_, c) => this.#column(rows, c))]
    const content = avroRowsContent([...META, ...columns], values, rows.count)
    this.#scratch.release()
    return content
  }

  async #parquet(rows: ChangedRows): Promise<readonly Uint8Array[]> {
    const { table, columns, codec, schema } = this.#target
    const out = new Parts()
    const name = sanitizeName(table)
    const all = [...META, ...columns]
    // ranges serve to skip row groups; a block is read whole
    const withoutRange = new Set(all.map((c) => c.name))
    const parquet = new ParquetWriter(out, { root: `hoodie.${name}.${name}_record`, columns: all, codec, withoutRange })
    const { count } = rows
    await parquet.beginRowGroup(count)
    const again = rows.ownKeys === true ? textKeyOf(columns, this.#target.keyColumn ?? null) : -1
    for (const column of this.#meta(rows)) await parquet.writeColumn(column, column === rows.keys && again >= 0)
    for (let c = 0; c < columns.length; c++) {
      this.#scratch.reset()
      if (c === again) await parquet.repeatColumn()
      else await parquet.writeColumn(this.#column(rows, c, this.#scratch.take))
    }
    parquet.endRowGroup()
    this.#scratch.release()
    await parquet.close(
      new Map([
        ['parquet.avro.schema', schema],
        ['writer.model.name', 'avro'],
      ]),
    )
    return out.parts
  }
}

/** Keeps what is written: the writer of a Parquet file uses its buffer again for the next chunk, so each is copied. */
class Parts implements ObjectWriter {
  readonly parts: Uint8Array[] = []
  #size = 0

  async write(chunk: Uint8Array): Promise<void> {
    this.parts.push(Buffer.from(chunk))
    this.#size += chunk.length
  }

  async close(): Promise<number> {
    return this.#size
  }

  async abort(): Promise<void> {
    this.parts.length = 0
  }
}
