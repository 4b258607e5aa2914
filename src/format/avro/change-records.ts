import type { LakeColumn, Vector } from '../../contract/columns.ts'
import { ByteCursor } from '../bytes/cursor.ts'
import { RowColumns, skip } from './row-columns.ts'
import type { WriterShape } from './writer-shape.ts'
import { parseWriterSchema } from './writer-shape.ts'

/** Change records in columns: record i has operation `op[i]`, and rows `before[i]` and `after[i]` of the columns; −1: none. */
export interface DecodedChanges {
  readonly count: number
  /** ASCII i, u, d. */
  readonly op: Uint8Array
  readonly before: Int32Array
  readonly after: Int32Array
  /** Parallel to the columns; null: the records have no such column. */
  readonly beforeColumns: readonly (Vector | null)[]
  readonly afterColumns: readonly (Vector | null)[]
}

type Step = (c: ByteCursor) => void

/**
 * Decodes Hudi's change data records, of the mode that holds both images of a row:
 *
 *   record => op:string ts_ms:string before:row after:row        each in a union with null, `row` a record of the table's columns
 */
export class ChangeRecords {
  readonly #op: number[] = []
  readonly #before: number[] = []
  readonly #after: number[] = []
  readonly #beforeRows: RowColumns
  readonly #afterRows: RowColumns
  readonly #steps: Step[]
  readonly #cursor = new ByteCursor()

  /** Null: the schema is one of the modes that keep less. Throws as RowColumns does. */
  static of(schemaText: string, columns: readonly LakeColumn[]): ChangeRecords | null {
    const shape = parseWriterSchema(schemaText)
    if (shape.kind !== 'record') throw new Error('the Avro schema is no record')
    const names = shape.fields.map((f) => f.name)
    return ['op', 'before', 'after'].every((n) => names.includes(n)) ? new ChangeRecords(schemaText, shape.fields, columns) : null
  }

  private constructor(
    schemaText: string,
    fields: readonly { readonly name: string; readonly shape: WriterShape }[],
    columns: readonly LakeColumn[],
  ) {
    const row = rowSchema(schemaText)
    this.#beforeRows = new RowColumns(row, columns)
    this.#afterRows = new RowColumns(row, columns)
    this.#steps = fields.map(({ name, shape }): Step => {
      if (name === 'op') return text(shape, (code) => this.#op.push(code))
      if (name === 'before') return image(shape, this.#beforeRows, this.#before)
      return name === 'after' ? image(shape, this.#afterRows, this.#after) : skip(shape)
    })
  }

  /** Adds the datum buf[from, to). Throws when it is none of this schema. */
  add(buf: Buffer, from: number, to: number): void {
    const c = this.#cursor
    c.reset(buf, from, to)
    for (const step of this.#steps) step(c)
    if (c.pos !== to) throw new Error('an Avro record has another length than it says')
  }

  take(): DecodedChanges {
    return {
      count: this.#op.length,
      op: Uint8Array.from(this.#op),
      before: Int32Array.from(this.#before),
      after: Int32Array.from(this.#after),
      beforeColumns: this.#beforeRows.take(),
      afterColumns: this.#afterRows.take(),
    }
  }
}

/** Schema of the rows: the record that `before` defines. */
function rowSchema(schemaText: string): string {
  const { fields } = JSON.parse(schemaText) as { fields: readonly { name: string; type: unknown }[] }
  const type = fields.find((f) => f.name === 'before')?.type
  const record = (Array.isArray(type) ? type : [type]).find((t) => (t as { type?: string } | null)?.type === 'record')
  if (record === undefined) throw new Error('the rows of change records have no schema of their own')
  return JSON.stringify(record)
}

/** The first letter of a text. */
function text(shape: WriterShape, put: (code: number) => void): Step {
  const read: Step = (c) => {
    const n = c.length()
    put(n === 0 ? 0 : c.buf[c.pos])
    c.pos += n
  }
  return branches(shape, 'string', read, () => put(0))
}

function image(shape: WriterShape, rows: RowColumns, numbers: number[]): Step {
  const row = (shape.kind === 'union' ? shape.branches : [shape]).find((b) => b.kind === 'record')
  if (row === undefined) throw new Error('an image of a row is no record')
  const over = skip(row)
  const read: Step = (c) => {
    const from = c.pos
    over(c)
    numbers.push(rows.count)
    rows.add(c.buf, from, c.pos)
  }
  return branches(shape, 'record', read, () => numbers.push(-1))
}

function branches(shape: WriterShape, kind: string, read: Step, none: () => void): Step {
  if (shape.kind !== 'union') return read
  const present = shape.branches.findIndex((b) => b.kind === kind)
  return (c) => {
    if (c.zigzag32() === present) read(c)
    else none()
  }
}
