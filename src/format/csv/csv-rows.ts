import type { LakeColumn } from '../../contract/columns.ts'
import type { RowChunk } from '../../contract/slice.ts'
import { Failure } from '../../failure/failure.ts'
import { type ColumnBuilder, columnBuilder } from '../columns/builders.ts'
import { type JsonCell, jsonCell } from '../json/json-cells.ts'
import { type ByteSource, type InputShape, notOfType } from '../json/json-rows.ts'
import { JsonScanner, NotJson } from '../json/json-scanner.ts'
import { type ScalarParser, scalarParser } from '../text/scalar-parsers.ts'
import { TypeGuess } from '../text/type-guess.ts'

/**
 * CSV (RFC 4180) in UTF-8: a header, then records; LF, CR LF or CR. A field in quotes may hold separators, line ends and doubled quotes.
 *
 *   record => field (',' field)* end
 *   field  => '"' (char | '""')* '"' | char*       an empty field without quotes is null, "" is the empty text
 */
const CHUNK_ROWS = 1 << 14
const LONGEST_FIELD = 256 << 20

/** Null: an empty field without quotes. */
type Field = string | null

/** The shape of a CSV: columns by its header. Fields with leading zeros are texts. Reads it all. */
export async function guessCsvColumns(source: ByteSource, skip: (name: string) => boolean): Promise<InputShape> {
  let names: string[] | null = null
  let guesses: TypeGuess[] = []
  let row = 0
  for await (const record of records(source)) {
    if (names === null) {
      names = headerOf(source, record)
      guesses = names.map(() => new TypeGuess())
      continue
    }
    checkWidth(source, ++row, record, names)
    for (let i = 0; i < names.length; i++) look(guesses[i], record[i])
  }
  return { columns: (names ?? []).flatMap((name, i) => (skip(name) ? [] : [{ name, type: guesses[i].type() }])), rows: row }
}

function look(guess: TypeGuess, field: Field): void {
  if (field === null) return
  if (/^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(field)) guess.number(field)
  else if (field === 'true' || field === 'false') guess.boolean()
  else guess.text()
}

/** The records of a CSV as rows of these columns. Failures as of `jsonRows`. */
export async function* csvRows(
  source: ByteSource,
  columns: readonly LakeColumn[],
  skip: (name: string) => boolean,
): AsyncGenerator<RowChunk> {
  const builders = columns.map((c) => columnBuilder(c.type))
  const cells = columns.map((c) => cellOf(c))
  let names: string[] | null = null
  let place: number[] = []
  let count = 0
  let row = 0
  const take = (): RowChunk => {
    const chunk = { columns, count, vectors: builders.map((b) => b.take()) }
    count = 0
    return chunk
  }
  for await (const record of records(source)) {
    if (names === null) {
      names = headerOf(source, record)
      place = places(source, names, columns, skip)
      continue
    }
    checkWidth(source, ++row, record, names)
    count++
    for (let i = 0; i < record.length; i++) {
      if (place[i] >= 0) append(source, row, columns[place[i]], cells[place[i]], builders[place[i]], record[i])
    }
    for (const b of builders) if (b.count < count) b.appendNull()
    if (count >= CHUNK_ROWS) yield take()
  }
  if (count > 0) yield take()
}

function append(source: ByteSource, row: number, column: LakeColumn, cell: ScalarParser, builder: ColumnBuilder, field: Field): void {
  if (field === null) builder.appendNull()
  else if (!cell(builder, field)) throw notOfType(source, row, column, field)
}

/** Nested values are JSON in their field. */
function cellOf(column: LakeColumn): ScalarParser {
  const scalar = scalarParser(column.type)
  if (scalar !== null) return scalar
  const cell: JsonCell = jsonCell(column.type)
  return (builder, text) => {
    const json = new JsonScanner(Buffer.from(text, 'utf8'))
    try {
      return cell(json, builder) === null && json.peek() < 0
    } catch (e) {
      if (e instanceof NotJson) return false
      throw e
    }
  }
}

function headerOf(source: ByteSource, record: readonly Field[]): string[] {
  const names = record.map((f) => f ?? '')
  const twice = names.find((n, i) => names.indexOf(n) !== i)
  if (twice !== undefined) throw malformed(source, 0, `the header names ${JSON.stringify(twice)} twice`)
  return names
}

function places(source: ByteSource, names: readonly string[], columns: readonly LakeColumn[], skip: (name: string) => boolean): number[] {
  return names.map((name) => {
    const at = columns.findIndex((c) => c.name === name)
    if (at < 0 && !skip(name)) throw malformed(source, 0, `the column ${JSON.stringify(name)} of the header is none of the table`)
    return at
  })
}

function checkWidth(source: ByteSource, row: number, record: readonly Field[], names: readonly string[]): void {
  if (record.length !== names.length) throw malformed(source, row, `it has ${record.length} fields, the header has ${names.length}`)
}

function malformed(source: ByteSource, row: number, problem: string): Failure {
  return new Failure('TRB-LAKE-061', { input: source.name, row, problem })
}

const QUOTE = 0x22
const COMMA = 0x2c
const LF = 0x0a
const CR = 0x0d

/** All records, the header first. Empty lines are passed over. */
async function* records(source: ByteSource): AsyncGenerator<Field[]> {
  let rest: Buffer = Buffer.alloc(0)
  let first = true
  for await (const part of source.open()) {
    let buf = rest.length === 0 ? part : Buffer.concat([rest, part])
    if (first && buf[0] === 0xef && buf[1] === 0xbb && buf[2] === 0xbf) buf = buf.subarray(3)
    first = false
    const parser = new RecordParser(source, buf)
    for (let record = parser.next(false); record !== null; record = parser.next(false)) {
      if (!isEmpty(record)) yield record
    }
    rest = buf.subarray(parser.at)
    if (rest.length > LONGEST_FIELD) throw malformed(source, 0, `a record is longer than ${LONGEST_FIELD} bytes`)
  }
  const parser = new RecordParser(source, rest)
  for (let record = parser.next(true); record !== null; record = parser.next(true)) if (!isEmpty(record)) yield record
}

function isEmpty(record: readonly Field[]): boolean {
  return record.length === 1 && record[0] === null
}

class RecordParser {
  /** Where the next record begins. */
  at = 0
  readonly #source: ByteSource
  readonly #buf: Buffer

  constructor(source: ByteSource, buf: Buffer) {
    this.#source = source
    this.#buf = buf
  }

  /** The next record; null when the bytes end before it does (`last`: nothing more comes, so that it does). */
  next(last: boolean): Field[] | null {
    const buf = this.#buf
    const out: Field[] = []
    let p = this.at
    if (p >= buf.length) return null
    for (;;) {
      const from = p
      if (buf[p] === QUOTE) {
        p = this.#closing(p + 1, last)
        if (p < 0) return null
        out.push(buf.toString('utf8', from + 1, p).replaceAll('""', '"'))
        p++
      } else {
        while (p < buf.length && buf[p] !== COMMA && buf[p] !== LF && buf[p] !== CR) p++
        out.push(p === from ? null : buf.toString('utf8', from, p))
      }
      if (p >= buf.length) return last ? this.#done(out, p) : null
      if (buf[p] === COMMA) p++
      else if (buf[p] === LF) return this.#done(out, p + 1)
      else if (buf[p] === CR) {
        // the LF of a CR LF may be in the next part
        if (p + 1 >= buf.length && !last) return null
        return this.#done(out, buf[p + 1] === LF ? p + 2 : p + 1)
      } else throw malformed(this.#source, 0, `there is text behind the closing quote of a field: ${buf.toString('utf8', from, p + 1)}`)
    }
  }

  /** Place of the quote that ends a field; −1: not in these bytes. */
  #closing(from: number, last: boolean): number {
    const buf = this.#buf
    for (let p = buf.indexOf(QUOTE, from); p >= 0; p = buf.indexOf(QUOTE, p + 2)) {
      if (p + 1 >= buf.length && !last) return -1
      if (buf[p + 1] !== QUOTE) return p
    }
    if (last) throw malformed(this.#source, 0, 'a quoted field has no end')
    return -1
  }

  #done(record: Field[], next: number): Field[] {
    this.at = next
    return record
  }
}
