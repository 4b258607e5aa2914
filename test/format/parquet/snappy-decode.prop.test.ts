import fc from 'fast-check'
import { compressSync, uncompressSync } from 'snappy'
import { describe, expect, it } from 'vitest'
import { decodeSnappy, SLACK } from '../../../src/format/parquet/snappy-decode.ts'

/** Bytes that repeat: pieces of an alphabet, runs, and copies of what came before. */
const repetitive = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 90 }).map((bytes) => ({ bytes, times: 1, back: 0 })),
      fc.record({ bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }), times: fc.integer({ min: 1, max: 60 }), back: fc.constant(0) }),
      fc.record({
        bytes: fc.constant(new Uint8Array(0)),
        times: fc.integer({ min: 1, max: 300 }),
        back: fc.integer({ min: 1, max: 70_000 }),
      }),
    ),
    { maxLength: 40 },
  )
  .map((parts) => {
    let out = Buffer.alloc(0)
    for (const { bytes, times, back } of parts) {
      const piece =
        back === 0 ? Buffer.concat(Array.from({ length: times }, () => bytes)) : Buffer.from(out.subarray(-back)).subarray(0, times)
      out = Buffer.concat([out, piece])
    }
    return out
  })

/** What the decoder makes of a stream, with memory behind the result that it must not touch beyond the slack. */
function decode(stored: Uint8Array, rawSize: number): Buffer | null {
  const memory = Buffer.alloc(rawSize + SLACK + 64, 0xee)
  const done = decodeSnappy(stored, rawSize, memory.subarray(0, rawSize + SLACK))
  expect(memory.subarray(rawSize + SLACK).every((b) => b === 0xee)).toBe(true)
  return done ? memory.subarray(0, rawSize) : null
}

describe('the Snappy decoder', () => {
  it('gives back what the native compressor was given', () => {
    fc.assert(
      fc.property(repetitive, (raw) => {
        expect(decode(compressSync(raw), raw.length)?.equals(raw)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  it('takes a stream for damaged where the native decoder does, and never writes outside its memory', () => {
    fc.assert(
      fc.property(
        repetitive.filter((r) => r.length > 0),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
        (raw, at, flip, cut) => {
          const stored = Buffer.from(compressSync(raw))
          const place = at % stored.length
          stored[place] ^= flip
          const damaged = cut ? stored.subarray(0, place) : stored
          let native: Buffer | null = null
          try {
            native = uncompressSync(damaged) as Buffer
          } catch (e) {
            expect(e).toBeInstanceOf(Error)
          }
          const ours = decode(damaged, raw.length)
          if (native !== null && native.length === raw.length) expect(ours?.equals(native)).toBe(true)
          else expect(ours).toBe(null)
        },
      ),
      { numRuns: 1000 },
    )
  })

  it('knows copies with long offsets and overlapping ones', () => {
    expect(decode(Buffer.from([8, 12, 1, 2, 3, 4, 0b001, 4]), 8)).toEqual(Buffer.from([1, 2, 3, 4, 1, 2, 3, 4]))
    expect(decode(Buffer.from([5, 0, 7, 0b1110, 1, 0]), 5)).toEqual(Buffer.from([7, 7, 7, 7, 7]))
    expect(decode(Buffer.from([5, 0, 7, 0b1111, 1, 0, 0, 0]), 5)).toEqual(Buffer.from([7, 7, 7, 7, 7]))
    expect(decode(Buffer.from([5, 0, 7, 0b1110, 2, 0]), 5)).toBe(null)
    expect(decode(Buffer.from([4, 12, 1, 2, 3, 4]), 5)).toBe(null)
    expect(decode(Buffer.from([4, 12, 1, 2]), 4)).toBe(null)
  })
})
