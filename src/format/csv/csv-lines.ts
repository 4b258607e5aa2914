import type { LakeColumn, Vector } from '../../contract/columns.ts'
import { assert } from '../../failure/failure.ts'
import { type CellWriter, cellWriter } from '../json/row-lines.ts'

/** The header of a CSV with these columns, with its line end. */
export function csvHeader(columns: readonly LakeColumn[]): string {
  return `${columns.map((c) => field(c.name)).join(',')}\n`
}

/**
 * Turns chunks of rows into CSV as `csvRows` reads it: RFC 4180 with LF, null an empty field, the empty text "". Values are those of the JSON lines
 * (row-lines.ts) without their quotes; lists and maps are JSON. Of rows [from, to).
 */
export function csvLines(columns: readonly LakeColumn[]): (vectors: readonly Vector[], to: number, from?: number) => string {
  const cells = columns.map((c) => (c.type.kind === 'string' ? plainText : bare(cellWriter(c.type))))
  return (vectors, to, from = 0) => {
    let out = ''
    for (let r = from; r < to; r++) {
      for (let c = 0; c < cells.length; c++) {
        const v = vectors[c]
        if (c > 0) out += ','
        if (v.valid === null || v.valid[r] !== 0) out += field(cells[c](v, r))
      }
      out += '\n'
    }
    return out
  }
}

const plainText: CellWriter = (v, i) => {
  assert(v.kind === 'bytes', 'a column of texts has bytes vectors')
  return v.data.toString('utf8', v.offsets[i], v.offsets[i + 1])
}

/** What JSON has in quotes here (dates, decimals, base64, NaN) holds nothing that is escaped. */
function bare(json: CellWriter): CellWriter {
  return (v, i) => {
    const text = json(v, i)
    return text[0] === '"' ? text.slice(1, -1) : text
  }
}

function field(text: string): string {
  return text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
