import type { DuckDBValue } from '@duckdb/node-api'
import { displayWidth, padDisplay, visible } from './display-width.ts'
import type { ResultColumn, SqlResult } from './sql.ts'
import { isNumeric, jsonWriter, textWriter } from './values.ts'

export type TextFormat = 'table' | 'json' | 'jsonl' | 'csv'
export type Write = (text: string) => Promise<void>

/** Writes all rows in a text format; returns how many there were. `maxRows` bounds what a table shows (0: all). */
export async function writeRows(result: SqlResult, format: TextFormat, maxRows: number, write: Write): Promise<number> {
  switch (format) {
    case 'table':
      return await writeTable(result, maxRows, write)
    case 'csv':
      return await writeCsv(result, write)
    default:
      return await writeJson(result, format === 'jsonl', write)
  }
}

/** JSON text of each row as an object, column order kept; a name that repeats gets _1, _2 … */
export function rowToJson(columns: readonly ResultColumn[]): (row: readonly DuckDBValue[]) => string {
  const names = distinct(columns.map((c) => c.name)).map((n) => `${JSON.stringify(n)}:`)
  const writers = columns.map((c) => jsonWriter(c.type))
  return (row) => `{${row.map((v, i) => names[i]! + writers[i]!(v)).join(',')}}`
}

/** An array of objects, or one object per line. */
async function writeJson(result: SqlResult, lines: boolean, write: Write): Promise<number> {
  const toText = rowToJson(result.columns)
  let count = 0
  for await (const block of result.blocks) {
    let text = ''
    for (const row of block) {
      if (lines) text += `${toText(row)}\n`
      else text += `${count === 0 ? '[\n' : ',\n'}${toText(row)}`
      count++
    }
    await write(text)
  }
  if (!lines) await write(count === 0 ? '[]\n' : '\n]\n')
  return count
}

/** RFC 4180 with LF: NULL is an empty field, the empty text is "". */
async function writeCsv(result: SqlResult, write: Write): Promise<number> {
  const writers = result.columns.map((c) => textWriter(c.type))
  await write(`${result.columns.map((c) => csvField(c.name)).join(',')}\n`)
  let count = 0
  for await (const block of result.blocks) {
    let text = ''
    for (const row of block) text += `${row.map((v, i) => (v === null ? '' : csvField(writers[i]!(v)))).join(',')}\n`
    count += block.length
    await write(text)
  }
  return count
}

function csvField(text: string): string {
  return text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** Aligned columns, numbers to the right, NULL visible, control characters shown as escapes so that data cannot steer a terminal. */
async function writeTable(result: SqlResult, maxRows: number, write: Write): Promise<number> {
  const { columns } = result
  const writers = columns.map((c) => textWriter(c.type))
  const rows: string[][] = []
  let count = 0
  for await (const block of result.blocks) {
    for (const row of block) {
      if (maxRows === 0 || count < maxRows) rows.push(row.map((v, i) => (v === null ? 'NULL' : visible(writers[i]!(v)))))
      count++
    }
  }
  const names = columns.map((c) => visible(c.name))
  const widths = names.map((n, i) => rows.reduce((w, r) => Math.max(w, displayWidth(r[i]!)), displayWidth(n)))
  const line = (cells: readonly string[]): string =>
    ` ${cells.map((c, i) => padDisplay(c, widths[i]!, isNumeric(columns[i]!.type))).join('  ')}`.trimEnd()
  await write(`${line(names)}\n`)
  for (let i = 0; i < rows.length; i += 500)
    await write(
      rows
        .slice(i, i + 500)
        .map((r) => `${line(r)}\n`)
        .join(''),
    )
  return count
}

function distinct(names: readonly string[]): string[] {
  const used = new Set<string>()
  return names.map((name) => {
    let candidate = name
    for (let n = 1; used.has(candidate); n++) candidate = `${name}_${n}`
    used.add(candidate)
    return candidate
  })
}
