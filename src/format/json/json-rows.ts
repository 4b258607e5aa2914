import type { LakeColumn } from '../../contract/columns.ts'
import type { RowChunk } from '../../contract/slice.ts'
import { Failure } from '../../failure/failure.ts'
import { type ColumnBuilder, columnBuilder } from '../columns/builders.ts'
import { TypeGuess } from '../text/type-guess.ts'
import { type JsonCell, jsonCell } from './json-cells.ts'
import { JsonScanner, NotJson } from './json-scanner.ts'

/** Rows are handed over in chunks of about this many bytes. */
const CHUNK_BYTES = 4 << 20
const CHUNK_ROWS = 1 << 16
/** One row may be this large: a line without an end must not fill the memory. */
const LONGEST_LINE = 256 << 20

/** Where bytes come from, from the beginning each time; `name` is what messages call it. */
export interface ByteSource {
  readonly name: string
  open(): AsyncIterable<Buffer>
}

/** What a first reading of an input tells: its columns in order of appearance, with types that lose nothing, and how many rows it has. */
export interface InputShape {
  readonly columns: readonly LakeColumn[]
  readonly rows: number
}

/** The shape of JSON lines (types: text/type-guess.ts). Reads it all. */
export async function guessJsonColumns(source: ByteSource, skip: (name: string) => boolean): Promise<InputShape> {
  const guesses = new Map<string, TypeGuess>()
  const json = new JsonScanner(Buffer.alloc(0))
  let row = 0
  for await (const line of lines(source)) {
    if (!isRow(json, line)) continue
    row++
    inRow(source, row, () => {
      json.object((name) => {
        if (skip(name)) json.skip()
        else look(json, guessOf(guesses, name))
      })
      endOfRow(json)
    })
  }
  return { columns: [...guesses].map(([name, guess]) => ({ name, type: guess.type() })), rows: row }
}

function guessOf(guesses: Map<string, TypeGuess>, name: string): TypeGuess {
  const known = guesses.get(name)
  if (known !== undefined) return known
  const guess = new TypeGuess()
  guesses.set(name, guess)
  return guess
}

/** Takes one value into a guess. */
function look(json: JsonScanner, guess: TypeGuess): void {
  const kind = json.kind()
  if (kind === 'number') guess.number(json.number())
  else if (kind === 'array') {
    const element = guess.nested('list')
    json.array(() => look(json, element))
  } else if (kind === 'object') {
    const value = guess.nested('map')
    json.object(() => look(json, value))
  } else {
    json.skip()
    if (kind === 'string') guess.text()
    else if (kind !== 'null') guess.boolean()
  }
}

/**
 * JSON lines as rows of these columns: one object per line, empty lines are passed over, members that a row lacks are null. Fails with
 * TRB-LAKE-060 for a value that is none of its column's type, TRB-LAKE-061 for what is no JSON object, or names a column twice or one that
 * is not among `columns` (and not skipped).
 */
export async function* jsonRows(
  source: ByteSource,
  columns: readonly LakeColumn[],
  skip: (name: string) => boolean,
): AsyncGenerator<RowChunk> {
  const rows = new RowBuilder(source, columns, skip)
  for await (const line of lines(source)) {
    rows.add(line)
    if (rows.full) yield rows.take()
  }
  if (rows.count > 0) yield rows.take()
}

class RowBuilder {
  count = 0
  readonly #source: ByteSource
  readonly #columns: readonly LakeColumn[]
  readonly #skip: (name: string) => boolean
  readonly #builders: ColumnBuilder[]
  readonly #cells: JsonCell[]
  readonly #place: Map<string, number>
  readonly #json = new JsonScanner(Buffer.alloc(0))
  #row = 0
  #bytes = 0

  constructor(source: ByteSource, columns: readonly LakeColumn[], skip: (name: string) => boolean) {
    this.#source = source
    this.#columns = columns
    this.#skip = skip
    this.#builders = columns.map((c) => columnBuilder(c.type))
    this.#cells = columns.map((c) => jsonCell(c.type))
    this.#place = new Map(columns.map((c, i) => [c.name, i]))
  }

  get full(): boolean {
    return this.#bytes >= CHUNK_BYTES || this.count >= CHUNK_ROWS
  }

  add(line: Buffer): void {
    const json = this.#json
    if (!isRow(json, line)) return
    this.#row++
    this.#bytes += line.length
    inRow(this.#source, this.#row, () => {
      json.object((name) => this.#member(json, name))
      endOfRow(json)
    })
    this.count++
    for (const b of this.#builders) if (b.count < this.count) b.appendNull()
  }

  take(): RowChunk {
    const chunk = { columns: this.#columns, count: this.count, vectors: this.#builders.map((b) => b.take()) }
    this.count = 0
    this.#bytes = 0
    return chunk
  }

  #member(json: JsonScanner, name: string): void {
    const c = this.#place.get(name)
    if (c === undefined) {
      if (!this.#skip(name)) throw new NotJson(`the member ${JSON.stringify(name)} is no column of the table`, json.pos)
      json.skip()
      return
    }
    const builder = this.#builders[c]
    if (builder.count > this.count) throw new NotJson(`${JSON.stringify(name)} is there twice`, json.pos)
    const wrong = this.#cells[c](json, builder)
    if (wrong !== null) throw notOfType(this.#source, this.#row, this.#columns[c], wrong)
  }
}

/** TRB-LAKE-060 with the value cut to a readable length. */
export function notOfType(source: Pick<ByteSource, 'name'>, row: number, column: LakeColumn, value: string): Failure {
  const shown = value.length > 80 ? `${value.slice(0, 80)}…` : value
  const { type } = column
  const name = type.kind === 'decimal' ? `decimal(${type.precision},${type.scale})` : type.kind
  return new Failure('TRB-LAKE-060', { input: source.name, row, column: column.name, value: shown, type: name })
}

function inRow(source: ByteSource, row: number, read: () => void): void {
  try {
    read()
  } catch (e) {
    if (!(e instanceof NotJson)) throw e
    throw new Failure('TRB-LAKE-061', { input: source.name, row, problem: `${e.message} (byte ${e.at} of its line)` }, e)
  }
}

/** Points the scanner at a line; false when it is empty. */
function isRow(json: JsonScanner, line: Buffer): boolean {
  json.buf = line
  json.pos = 0
  json.end = line.length
  return json.peek() >= 0
}

function endOfRow(json: JsonScanner): void {
  if (json.peek() >= 0) throw new NotJson('there is something behind the object', json.pos)
}

/** Lines without their line feeds. A byte order mark before the first is left out. */
async function* lines(source: ByteSource): AsyncGenerator<Buffer> {
  let rest: Buffer[] = []
  let held = 0
  let first = true
  for await (const part of source.open()) {
    let at = 0
    if (first && part[0] === 0xef && part[1] === 0xbb && part[2] === 0xbf) at = 3
    first = false
    for (let end = part.indexOf(10, at); end >= 0; end = part.indexOf(10, at)) {
      const piece = part.subarray(at, end)
      yield rest.length === 0 ? piece : Buffer.concat([...rest, piece])
      rest = []
      held = 0
      at = end + 1
    }
    if (at === part.length) continue
    rest.push(part.subarray(at))
    held += part.length - at
    if (held > LONGEST_LINE)
      throw new Failure('TRB-LAKE-061', { input: source.name, row: 0, problem: `a line is longer than ${LONGEST_LINE} bytes` })
  }
  if (held > 0) yield Buffer.concat(rest)
}
