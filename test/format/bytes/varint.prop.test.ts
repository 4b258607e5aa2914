import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteCursor } from '../../../src/format/bytes/cursor.ts'
import { GrowableSink, writeAll, writeSlice } from '../../../src/format/bytes/growable-sink.ts'
import { javaHashOrder } from '../../../src/format/bytes/java-hash-order.ts'
import {
  varintSize,
  writeVarint,
  writeZigzag32,
  writeZigzag64,
  writeZigzagBigInt,
  writeZigzagMagnitude,
  writeZigzagNumber,
} from '../../../src/format/bytes/varint.ts'

const int64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(
    0n,
    -1n,
    2n ** 53n,
    -(2n ** 53n),
    2n ** 53n + 1n,
    2n ** 31n,
    -(2n ** 31n),
    2n ** 32n,
    2n ** 63n - 1n,
    -(2n ** 63n),
    63n,
    64n,
    -64n,
    -65n,
  ),
)

/** Reference: zigzag LEB128 of a bigint. */
function reference(v: bigint): Buffer {
  let z = BigInt.asUintN(64, (v << 1n) ^ (v >> 63n))
  const out: number[] = []
  for (; z > 127n; z >>= 7n) out.push(Number(z & 127n) | 128)
  out.push(Number(z))
  return Buffer.from(out)
}

const written = (write: (out: GrowableSink) => void): Buffer => {
  const out = new GrowableSink(1)
  write(out)
  return out.copy()
}

describe('varints', () => {
  it('64-bit writers agree with bigint arithmetic, and the cursor reads them back', () => {
    fc.assert(
      fc.property(int64, (v) => {
        const u = BigInt.asUintN(64, v)
        const hi = Number(u >> 32n)
        const lo = Number(u & 0xffffffffn)
        const want = reference(v)
        const m = v < 0n ? -v : v
        expect(written((o) => writeZigzag64(o, hi, lo))).toEqual(want)
        expect(written((o) => writeZigzagBigInt(o, v))).toEqual(want)
        expect(written((o) => writeZigzagMagnitude(o, v < 0n, Number(m >> 32n), Number(m & 0xffffffffn)))).toEqual(want)
        if (Number.isSafeInteger(Number(v)) && BigInt(Number(v)) === v)
          expect(written((o) => writeZigzagNumber(o, Number(v)))).toEqual(want)
        const c = new ByteCursor(want)
        c.zigzag64()
        expect([c.hi, c.lo, c.pos]).toEqual([hi, lo, want.length])
      }),
      { numRuns: 2000 },
    )
  })

  it('32-bit writers agree with the cursor', () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat({ max: 2 ** 32 - 1 }), (a, b) => {
        const bytes = written((o) => {
          writeZigzag32(o, a)
          writeVarint(o, b)
        })
        const c = new ByteCursor(bytes)
        expect([c.zigzag32(), c.varint()]).toEqual([a, b])
        expect(written((o) => writeVarint(o, b)).length).toBe(varintSize(b))
      }),
    )
  })

  it('a cursor never reads beyond its end', () => {
    const cut = Buffer.from([0x80, 0x80])
    expect(() => new ByteCursor(cut).varint()).toThrow(/TRB-INT-001/)
    expect(() => new ByteCursor(cut).zigzag64()).toThrow(/TRB-INT-001/)
    expect(() => new ByteCursor(Buffer.alloc(11, 0xff)).zigzag64()).toThrow(/TRB-INT-001/)
    expect(() => new ByteCursor(Buffer.from([8, 1])).length()).toThrow(/TRB-INT-001/)
    expect(() => new ByteCursor(Buffer.from([1])).length()).toThrow(/TRB-INT-001/)
  })
})

describe('growable sink', () => {
  it('keeps everything in order while it grows', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 })), (parts) => {
        const out = new GrowableSink(1)
        for (const p of parts) writeAll(out, p)
        for (const p of parts) writeSlice(out, Buffer.concat([Buffer.from([9]), p, Buffer.from([9])]), 1, p.length)
        const all = Buffer.concat(parts)
        expect(out.copy()).toEqual(Buffer.concat([all, all]))
        expect(out.take()).toEqual(Buffer.concat([all, all]))
        expect(out.pos).toBe(0)
      }),
    )
  })

  it('refuses to grow beyond its limit', () => {
    const out = new GrowableSink(4, 10)
    writeAll(out, Buffer.alloc(10))
    expect(() => out.reserve(1)).toThrow(/TRB-INT-001.*10 bytes/)
  })
})

it('java hash order is by bucket of the spread hash', () => {
  const order = (keys: string[]): string[] => javaHashOrder(keys.map((k) => [k, 0] as const)).map((e) => e[0])
  expect(order(['k1', 'k2', 'key 3'])).toEqual(['key 3', 'k1', 'k2'])
  expect(order(['a', 'BB', 'Aa'])).toEqual(['BB', 'Aa', 'a'])
})
