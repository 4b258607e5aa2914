import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BatchBuilder } from '../../../src/capture/batch-builder.ts'
import { copyLineToTuple } from '../../../src/capture/postgres/wire/copy-text.ts'

/** The manual's rule for COPY text output, written once more: backslash sequences for the controls, \N for null. */
function line(cells: readonly (string | null)[]): Buffer {
  const names: Record<string, string> = { '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\v': '\\v', '\\': '\\\\' }
  return Buffer.from(`${cells.map((c) => (c === null ? '\\N' : c.replace(/[\b\f\n\r\t\v\\]/g, (ch) => names[ch]))).join('\t')}\n`)
}

function read(builder: BatchBuilder, offset: number): (string | null)[] {
  let p = offset + 2
  return Array.from({ length: builder.arena.readUInt16BE(offset) }, () => {
    if (builder.arena[p++] === 0x6e) return null
    const length = builder.arena.readInt32BE(p)
    p += 4 + length
    return builder.arena.toString('utf8', p - length, p)
  })
}

const cell = fc.option(
  fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: fc.constantFrom('\\', 'N', '\t', '\n', '\r', 'a', 'b', '\b', '\f', '\v', '.', '') }),
  ),
  { nil: null },
)

describe('COPY text', () => {
  test('a line becomes the tuple it stands for, whatever is in the cells', () => {
    const builder = new BatchBuilder(64)
    fc.assert(
      fc.property(fc.array(cell, { minLength: 1, maxLength: 8 }), (cells) => {
        const bytes = Buffer.concat([Buffer.from('junk'), line(cells), Buffer.from('junk\n')])
        const offset = copyLineToTuple(bytes, 4, bytes.length - 5, cells.length, builder)
        expect(read(builder, offset)).toEqual(cells)
        expect(builder.filled).toBe(builder.parsed)
      }),
    )
  })

  test('a line with another number of fields, or cut short, is not taken', () => {
    const builder = new BatchBuilder(64)
    const take = (text: string, columns: number): number => copyLineToTuple(Buffer.from(text), 0, text.length, columns, builder)
    expect(take('a\tb\n', 1)).toBe(-1)
    expect(take('a\tb\n', 3)).toBe(-1)
    expect(take('a\tb\nc\n', 2)).toBe(-1)
    expect(take('a\tb\n', 2)).toBe(0)
  })
})
