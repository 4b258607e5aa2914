import type { LakeColumn } from '../../contract/columns.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { RowColumns, Unreadable } from '../../format/avro/row-columns.ts'
import { BytesBuilder } from '../../format/columns/builders.ts'
import { readHFile } from '../../format/hfile/reader.ts'
import type { LogBlock } from '../../format/hudi-log/block.ts'
import { readDeleteContent } from '../../format/hudi-log/delete-content.ts'
import type { LogReader } from '../../format/hudi-log/reader.ts'
import { CONTENT_VERSION } from '../../format/hudi-log/writer.ts'
import { type Column, columnLength } from '../../format/parquet/column.ts'
import { ParquetFile, type RangedReads } from '../../format/parquet/file.ts'
import { deletesChunk, type LogChunk, rowsChunk } from './log-chunk.ts'
import type { LogColumns } from './log-columns.ts'
import type { CountingBlock } from './log-scan.ts'

/** A Parquet block up to this size is read with one request. */
const WHOLE = 4 << 20
/** Avro blocks are read, and their rows handed on, in pieces of about this many bytes. */
const PIECE = 4 << 20

/** The rows of a block, or its deletes, in chunks: by row group, or by pieces. */
export async function* blockRows({ reader, block }: CountingBlock, of: LogColumns): AsyncGenerator<LogChunk> {
  switch (block.type) {
    case 'parquet':
      yield* parquetRows(reader, block, of)
      return
    case 'avro':
      yield* avroRows(reader, block, of)
      return
    case 'hfile':
      yield* hfileRows(reader, block, of)
      return
    case 'delete':
      yield deletesChunk(of, readDeleteContent(await reader.content(block), reader.key, block.at))
      return
    default:
      throw new Failure('TRB-LAKE-021', { file: reader.key, what: `rows in a block of type ${block.type}` })
  }
}

/** Rows have only some of the columns. */
export function isPartial(block: LogBlock): boolean {
  return block.header.get('partial') === 'true'
}

async function* parquetRows(reader: LogReader, block: LogBlock, of: LogColumns): AsyncGenerator<LogChunk> {
  const section = await sectionOf(reader, block)
  const file = await inBlock(reader, block, () => ParquetFile.open(section, reader.key, block.contentLength))
  for (const [g, group] of file.meta.rowGroups.entries()) {
    if (group.rows === 0) continue
    const all: (Column | null)[] = []
    for (const c of of.all) all.push(await inBlock(reader, block, () => readColumn(file, g, c, group.rows)))
    yield rowsChunk(of, all, group.rows, isPartial(block), reader.key)
  }
}

/** Damage to the Parquet file that a block holds is damage to the log. */
async function inBlock<T>(reader: LogReader, block: LogBlock, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (e) {
    if (!isFailure(e, 'TRB-LAKE-401')) throw e
    throw new Failure('TRB-LAKE-020', { file: reader.key, at: block.at, problem: String(e.details['problem']) }, e)
  }
}

async function readColumn(file: ParquetFile, group: number, column: LakeColumn, rows: number): Promise<Column | null> {
  const values = await file.read(group, column.name, column.type)
  if (values !== null && columnLength(values) !== rows) {
    throw new Failure('TRB-LAKE-401', { file: file.key, problem: `column ${column.name} has not as many values as its row group has rows` })
  }
  return values
}

/** A file inside a log file. */
export async function sectionOf(reader: LogReader, block: LogBlock): Promise<RangedReads> {
  const size = block.contentLength
  const whole = size <= WHOLE ? await reader.content(block) : null
  return {
    async range(_key, start, length) {
      const from = start < 0 ? size + start : start
      if (whole !== null) return whole.subarray(from, from + length)
      return reader.bytes(block.contentAt + from, Math.min(length, size - from))
    },
  }
}

async function* avroRows(reader: LogReader, block: LogBlock, of: LogColumns): AsyncGenerator<LogChunk> {
  const rows = rowColumns(reader, block, of)
  const bad = (problem: string, cause?: unknown): Failure => new Failure('TRB-LAKE-020', { file: reader.key, at: block.at, problem }, cause)
  const end = block.contentAt + block.contentLength
  const head = await reader.bytes(block.contentAt, Math.min(8, block.contentLength))
  if (head.length < 8) throw bad('an Avro block is too short')
  const version = head.readInt32BE(0)
  if (version !== CONTENT_VERSION) throw new Failure('TRB-LAKE-021', { file: reader.key, what: `an Avro block of version ${version}` })
  const total = head.readInt32BE(4)
  let read = 0
  for (let at = block.contentAt + 8; at < end; ) {
    let piece = await reader.bytes(at, Math.min(PIECE, end - at))
    const first = piece.length >= 4 ? piece.readInt32BE(0) : -1
    if (first < 0 || at + 4 + first > end) throw bad('an Avro block ends inside a record')
    if (first + 4 > piece.length) piece = await reader.bytes(at, first + 4)
    const before = rows.count
    at += addDatums(rows, piece, bad)
    read += rows.count - before
    if (rows.bytes >= PIECE || at >= end) yield avroChunk(rows, of, block, reader.key)
  }
  if (read !== total) throw bad(`an Avro block says that it has ${total} records and has ${read}`)
}

/** Rows of an HFile block are Avro datums by their keys; a datum has no key of its own then. */
async function* hfileRows(reader: LogReader, block: LogBlock, of: LogColumns): AsyncGenerator<LogChunk> {
  const rows = rowColumns(reader, block, of)
  const bad = (problem: string, cause?: unknown): Failure => new Failure('TRB-LAKE-020', { file: reader.key, at: block.at, problem }, cause)
  const section = await sectionOf(reader, block)
  for await (const cells of readHFile(section, reader.key, block.contentLength)) {
    const keys = new BytesBuilder()
    for (let i = 0; i < cells.count; i++) {
      addDatum(rows, cells.data, cells.valueFrom[i], cells.valueTo[i], bad)
      keys.append(cells.data, cells.keyFrom[i], cells.keyTo[i] - cells.keyFrom[i])
    }
    const { count } = rows
    const all: (Column | null)[] = rows.take()
    all[of.key] = keys.take()
    if (count > 0) yield rowsChunk(of, all, count, isPartial(block), reader.key)
  }
}

/** Adds the whole datums at the beginning of `piece`; returns their bytes. */
function addDatums(rows: RowColumns, piece: Buffer, bad: (problem: string, cause?: unknown) => Failure): number {
  let p = 0
  while (p + 4 <= piece.length) {
    const length = piece.readInt32BE(p)
    if (length < 0) throw bad('an Avro record has a negative length')
    if (p + 4 + length > piece.length) break
    addDatum(rows, piece, p + 4, p + 4 + length, bad)
    p += 4 + length
  }
  return p
}

function addDatum(rows: RowColumns, data: Buffer, from: number, to: number, bad: (problem: string, cause?: unknown) => Failure): void {
  try {
    rows.add(data, from, to)
  } catch (e) {
    if (isFailure(e) && e.code !== 'TRB-INT-001') throw e
    throw bad('an Avro record cannot be decoded with the schema of its block', e)
  }
}

function avroChunk(rows: RowColumns, of: LogColumns, block: LogBlock, file: string): LogChunk {
  const { count } = rows
  return rowsChunk(of, rows.take(), count, isPartial(block), file)
}

function rowColumns(reader: LogReader, block: LogBlock, of: LogColumns): RowColumns {
  const schema = block.header.get('schema')
  const bad = (problem: string, cause?: unknown): Failure => new Failure('TRB-LAKE-020', { file: reader.key, at: block.at, problem }, cause)
  if (schema === undefined) throw bad('an Avro block has no schema')
  try {
    return new RowColumns(schema, of.all)
  } catch (e) {
    if (!(e instanceof Unreadable)) throw bad('the schema of an Avro block cannot be read', e)
    const to = of.all.find((c) => c.name === e.column)?.type.kind ?? ''
    throw new Failure('TRB-LAKE-024', { file: reader.key, column: e.column, from: e.from, to }, e)
  }
}
