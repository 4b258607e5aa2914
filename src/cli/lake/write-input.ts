import { createReadStream, createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Clock } from '../../contract/clock.ts'
import type { LakeColumn } from '../../contract/columns.ts'
import type { RowChunk } from '../../contract/slice.ts'
import { Failure } from '../../failure/failure.ts'
import { csvRows, guessCsvColumns } from '../../format/csv/csv-rows.ts'
import { type ByteSource, guessJsonColumns, type InputShape, jsonRows } from '../../format/json/json-rows.ts'
import { ParquetFile } from '../../format/parquet/file.ts'
import { lakeColumnsOf } from '../../format/parquet/lake-columns.ts'
import { baseRows } from '../../lake/read/base-rows.ts'
import { DiskStore } from '../../storage/disk/disk-store.ts'

export type InputFormat = 'jsonl' | 'csv' | 'parquet'

/** Rows to write, which may be read several times. */
export interface WriteInput extends InputShape {
  /** What messages call it. */
  readonly name: string
  /** Of the file. */
  readonly bytes: number
  /** The types of its columns are its own, not guessed. */
  readonly typed: boolean
  /**
   * The rows with these columns and types; members and columns that are not among them fail, Hudi's own are passed over. `some`: what is not among
   * the columns is passed over, too.
   */
  read(columns: readonly LakeColumn[], some?: boolean): AsyncIterable<RowChunk>
  /** The rows with at least the columns `looked`. All `columns` are checked, so that what `read` would refuse is refused here already. */
  check(columns: readonly LakeColumn[], looked: readonly LakeColumn[], some?: boolean): AsyncIterable<RowChunk>
}

/** Columns that `lake read` prints and Hudi makes itself. */
const isMeta = (name: string): boolean => name.startsWith('_hoodie_') && name !== '_hoodie_is_deleted'
const NOTHING_HIDDEN = new Int32Array(0)

/**
 * Opens `--input`: a file, or `-` for stdin, which is kept in `scratch` because it is read more than once. The format is that of the
 * ending (.jsonl .json .ndjson, .csv, .parquet) unless given; of stdin it is JSON lines. TRB-CLI-004 when it cannot be opened or told.
 */
export async function openInput(
  command: string,
  given: { readonly input: string; readonly format: InputFormat | null },
  world: { readonly cwd: string; readonly stdin: Readable; readonly clock: Clock },
  scratch: string,
): Promise<WriteInput> {
  const standard = given.input === '-'
  const file = standard ? join(scratch, 'stdin') : resolve(world.cwd, given.input)
  if (standard) await pipeline(world.stdin, createWriteStream(file))
  const size = await sizeOf(command, given.input, file)
  const format = given.format ?? (standard ? 'jsonl' : formatOf(command, given.input))
  const name = standard ? 'stdin' : given.input
  if (format === 'parquet') return parquetInput(name, file, size, world.clock)
  const source: ByteSource = { name, open: () => createReadStream(file, { highWaterMark: 1 << 20 }) }
  const shape = await (format === 'csv' ? guessCsvColumns : guessJsonColumns)(source, isMeta)
  const rows = format === 'csv' ? csvRows : jsonRows
  const read = (columns: readonly LakeColumn[], some = false): AsyncIterable<RowChunk> => rows(source, columns, some ? () => true : isMeta)
  return { name, bytes: size, typed: false, ...shape, read, check: (columns, _, some) => read(columns, some) }
}

async function sizeOf(command: string, input: string, file: string): Promise<number> {
  try {
    const s = await stat(file)
    if (!s.isFile()) throw notInput(command, input, 'a file; this is none')
    return s.size
  } catch (e) {
    if (e instanceof Failure) throw e
    throw notInput(command, input, `a file that can be read (${(e as NodeJS.ErrnoException).code ?? String(e)})`)
  }
}

function formatOf(command: string, input: string): InputFormat {
  if (/\.(jsonl|ndjson|json)$/i.test(input)) return 'jsonl'
  if (/\.csv$/i.test(input)) return 'csv'
  if (/\.parquet$/i.test(input)) return 'parquet'
  throw notInput(command, input, 'a name that ends with .jsonl, .csv or .parquet, or --input-format')
}

function notInput(command: string, input: string, expected: string): Failure {
  return new Failure('TRB-CLI-004', { command, where: '--input', value: JSON.stringify(input), expected })
}

async function parquetInput(name: string, path: string, size: number, clock: Clock): Promise<WriteInput> {
  const file = await ParquetFile.open(new DiskStore(dirname(path), clock), basename(path), size)
  const columns = lakeColumnsOf(
    file.columns.filter((c) => !isMeta(c.name)),
    name,
  )
  return {
    name,
    bytes: size,
    typed: true,
    columns,
    rows: file.meta.rows,
    read: (wanted, some = false) => {
      const names = new Set(wanted.map((w) => w.name))
      const unknown = some ? undefined : columns.find((c) => !names.has(c.name))
      if (unknown !== undefined)
        throw new Failure('TRB-LAKE-061', { input: name, row: 0, problem: `the column ${unknown.name} is none of the table` })
      return baseRows(file, wanted, NOTHING_HIDDEN)
    },
    // The types of a Parquet file are known without its values.
    check: (_, looked) => baseRows(file, looked, NOTHING_HIDDEN),
  }
}
