import fc from 'fast-check'
import { expect, it } from 'vitest'
import { GrowableSink, writeAll } from '../../../src/format/bytes/growable-sink.ts'
import { RecordReader, readHeaders } from '../../../src/format/record-batch/reader.ts'
import { closeBlob, openBlob, writeBlob, writeHeaders, writeNullBlob, writeTimestamp } from '../../../src/format/record-batch/writer.ts'

const blob = fc.option(
  fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.integer({ min: 120, max: 20000 }).map((n) => new Uint8Array(n).fill(7)),
  ),
)
const header = fc.record({ name: fc.string({ unit: 'grapheme' }), value: fc.option(fc.uint8Array()) })
const record = fc.record({
  timestamp: fc.integer({ min: -1, max: 2 ** 48 }),
  key: blob,
  value: blob,
  side: fc.option(fc.uint8Array({ maxLength: 8 })),
  headers: fc.array(header, { maxLength: 3 }),
  width: fc.constantFrom(1 as const, 2 as const),
})

it('what is written is read back, whatever length was guessed for a blob', () => {
  fc.assert(
    fc.property(fc.array(record, { maxLength: 5 }), (records) => {
      const out = new GrowableSink(16)
      for (const r of records) {
        writeTimestamp(out, r.timestamp)
        if (r.key === null) writeNullBlob(out)
        else {
          const mark = openBlob(out, r.width)
          writeAll(out, r.key)
          closeBlob(out, mark, r.width)
        }
        for (const b of [r.value, r.side]) b === null ? writeNullBlob(out) : writeBlob(out, b)
        writeHeaders(out, r.headers)
      }
      const reader = new RecordReader()
      reader.open(out.copy(), records.length)
      for (const r of records) {
        expect(reader.next()).toBe(true)
        const part = (start: number, end: number): Uint8Array | null => (start < 0 ? null : new Uint8Array(reader.buf.subarray(start, end)))
        expect(reader.timestampMs).toBe(r.timestamp)
        expect(part(reader.keyStart, reader.keyEnd)).toEqual(r.key)
        expect(part(reader.valueStart, reader.valueEnd)).toEqual(r.value)
        expect(part(reader.sideStart, reader.sideEnd)).toEqual(r.side)
        expect(reader.headers().map((h) => [h.name, h.value === null ? null : new Uint8Array(h.value)])).toEqual(
          r.headers.map((h) => [h.name, h.value]),
        )
      }
      expect(reader.next()).toBe(false)
    }),
  )
})

it.each([1, 2] as const)('a short blob that ends with the buffer keeps its bytes (width %i)', (width) => {
  for (let room = 16; room < 48; room++) {
    const out = new GrowableSink(room)
    out.pos = 12
    const mark = openBlob(out, width)
    writeAll(out, Buffer.from('x'))
    closeBlob(out, mark, width)
    expect([...out.buf.subarray(12, out.pos)], `${room} bytes`).toEqual([2, 0x78])
  }
})

it('reads a header list on its own', () => {
  const out = new GrowableSink(16)
  writeHeaders(out, [{ name: 'a', value: Buffer.from('x') }])
  expect(readHeaders(new Uint8Array(out.copy())).map((h) => [h.name, String(h.value)])).toEqual([['a', 'x']])
})

it('a batch that ends inside a record is refused', () => {
  const reader = new RecordReader()
  reader.open(Buffer.from([2, 200, 1]), 1)
  expect(() => reader.next()).toThrow(/TRB-INT-001/)
})
