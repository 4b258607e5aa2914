import avro from 'avsc'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeArray } from '../../../src/capture/postgres/types/array.ts'
import { parseHstore } from '../../../src/capture/postgres/types/hstore.ts'
import { encodeDecimal, encodeVariableDecimal, twosComplement } from '../../../src/capture/types/decimal.ts'
import { encodeDouble, encodeFloat } from '../../../src/capture/types/float.ts'
import { encodeInt, encodeLong } from '../../../src/capture/types/integer.ts'
import { encodeDate, encodeTimestampMicros, encodeZonedTime, encodeZonedTimestamp } from '../../../src/capture/types/temporal.ts'
import { encodeBits, encodeBytea, encodeText } from '../../../src/capture/types/text.ts'
import type { ValueEncoder } from '../../../src/contract/change.ts'
import { GrowableSink } from '../../../src/format/bytes/growable-sink.ts'

/** Avro bytes of a text that stands in the middle of other bytes, as in an arena; null when the encoder shows none. */
function encoded(encode: ValueEncoder, text: string): Buffer | null {
  const bytes = Buffer.from(text, 'utf8')
  const out = new GrowableSink(8)
  return encode(Buffer.concat([Buffer.from('99'), bytes, Buffer.from('99')]), 2, bytes.length, out) ? out.copy() : null
}

/** Zigzag varint → bigint: the reference decoder for longs. */
function long(b: Buffer): bigint {
  let z = 0n
  for (const [i, byte] of b.entries()) z |= BigInt(byte & 127) << BigInt(7 * i)
  return (z >> 1n) ^ -(z & 1n)
}

const bytesType = avro.Type.forSchema('bytes')
const signed = (b: Buffer): bigint => BigInt.asIntN(b.length * 8, BigInt(`0x${b.toString('hex')}`))

const int64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(
    2n ** 53n - 1n,
    2n ** 53n,
    2n ** 53n + 1n,
    -(2n ** 53n) - 1n,
    2n ** 63n - 1n,
    -(2n ** 63n),
    10n ** 15n,
    10n ** 15n - 1n,
    0n,
  ),
)

describe('integers', () => {
  it('int8 keeps all 64 bits', () => {
    fc.assert(
      fc.property(int64, (v) => {
        expect(long(encoded(encodeLong, String(v))!)).toBe(v)
      }),
      { numRuns: 2000 },
    )
  })

  it('int4 keeps all 32 bits', () => {
    fc.assert(
      fc.property(fc.integer(), (v) => {
        expect(long(encoded(encodeInt, String(v))!)).toBe(BigInt(v))
      }),
    )
  })
})

describe('decimals', () => {
  const numeric = fc.tuple(
    fc.oneof(fc.bigInt(), fc.bigInt({ min: -(10n ** 300n), max: 10n ** 300n }), int64),
    fc.integer({ min: 0, max: 40 }),
  )
  /** numeric_out: sign, digits, point, exactly `scale` digits. */
  const text = (unscaled: bigint, scale: number): string => {
    const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0')
    const plain = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`
    return unscaled < 0n ? `-${plain}` : plain
  }

  it('are the minimal two’s complement of the unscaled value, of any size', () => {
    fc.assert(
      fc.property(numeric, ([v, scale]) => {
        const b = bytesType.fromBuffer(encoded(encodeDecimal(scale), text(v, scale))!) as Buffer
        expect(signed(b)).toBe(v)
        if (b.length > 1) expect(BigInt.asIntN((b.length - 1) * 8, v)).not.toBe(v)
      }),
      { numRuns: 1000 },
    )
  })

  it('are brought to a larger scale', () => {
    fc.assert(
      fc.property(numeric, fc.integer({ min: 0, max: 60 }), ([v, scale], more) => {
        const b = bytesType.fromBuffer(encoded(encodeDecimal(scale + more), text(v, scale))!) as Buffer
        expect(signed(b)).toBe(v * 10n ** BigInt(more))
      }),
    )
  })

  it('without a scale lose only zeros', () => {
    const type = avro.Type.forSchema({
      type: 'record',
      name: 'v',
      fields: [
        { name: 'scale', type: 'int' },
        { name: 'value', type: 'bytes' },
      ],
    })
    fc.assert(
      fc.property(numeric, ([v, scale]) => {
        const got = type.fromBuffer(encoded(encodeVariableDecimal, text(v, scale))!) as { scale: number; value: Buffer }
        expect(signed(got.value) * 10n ** BigInt(scale - got.scale)).toBe(v)
        if (got.scale > 0) expect(signed(got.value) % 10n).not.toBe(0n)
      }),
    )
  })

  it('twosComplement is that of java.math.BigInteger', () => {
    fc.assert(
      fc.property(fc.bigInt(), (v) => {
        expect(signed(twosComplement(v))).toBe(v)
      }),
    )
    expect(twosComplement(127n).toString('hex')).toBe('7f')
    expect(twosComplement(128n).toString('hex')).toBe('0080')
    expect(twosComplement(-128n).toString('hex')).toBe('80')
    expect(twosComplement(-129n).toString('hex')).toBe('ff7f')
    expect(twosComplement(0n).toString('hex')).toBe('00')
  })
})

describe('floats', () => {
  it('float8 is the nearest double of its text', () => {
    fc.assert(
      fc.property(fc.double(), (v) => {
        expect(encoded(encodeDouble, Object.is(v, -0) ? '-0' : String(v))!.readDoubleLE()).toBe(v)
      }),
      { numRuns: 1000 },
    )
    fc.assert(
      fc.property(fc.integer({ min: -(10 ** 9), max: 10 ** 9 }), fc.integer({ min: 0, max: 6 }), (m, s) => {
        const text = (m / 10 ** s).toFixed(s)
        expect(encoded(encodeDouble, text)!.readDoubleLE()).toBe(Number(text))
      }),
    )
  })

  it('float8 of 16 and 17 digits is rounded once, also half way between two doubles', () => {
    const check = (text: string): void => expect(encoded(encodeDouble, text)!.readDoubleLE()).toBe(Number(text))
    const digits = fc.oneof(fc.bigInt({ min: 10n ** 15n, max: 10n ** 17n - 1n }), fc.constantFrom(9007199254740993n, 9007199254740995n))
    fc.assert(
      fc.property(digits, fc.integer({ min: 0, max: 22 }), fc.boolean(), (n, scale, negative) => {
        const text = String(n).padStart(scale + 1, '0')
        check(`${negative ? '-' : ''}${scale === 0 ? text : `${text.slice(0, -scale)}.${text.slice(-scale)}`}`)
      }),
      { numRuns: 3000 },
    )
    // exactly between two doubles: to the even one
    for (const n of [9007199254740993n, 36028797018963964n, 36028797018963972n]) for (const t of [`${n}`, `${n}.0`.slice(0, 18)]) check(t)
  })

  it('float4 is the nearest float of its text', () => {
    fc.assert(
      fc.property(fc.float(), (v) => {
        expect(encoded(encodeFloat, Object.is(v, -0) ? '-0' : String(v))!.readFloatLE()).toBe(v)
      }),
    )
  })
})

/** Julian day number as PG's date2j computes it, for any year: another formula than the code's. */
function julianDay(year: number, month: number, day: number): number {
  let y = year
  let m = month
  if (m > 2) {
    m += 1
    y += 4800
  } else {
    m += 13
    y += 4799
  }
  const century = Math.floor(y / 100)
  return y * 365 - 32167 + Math.floor(y / 4) - century + Math.floor(century / 4) + Math.floor((7834 * m) / 256) + day
}

const EPOCH = julianDay(1970, 1, 1)
const pad = (n: number, width: number): string => String(n).padStart(width, '0')

describe('dates and times', () => {
  const date = fc.record({
    year: fc.integer({ min: -4700, max: 294000 }),
    month: fc.integer({ min: 1, max: 12 }),
    day: fc.integer({ min: 1, max: 28 }),
  })
  const time = fc.record({
    h: fc.integer({ min: 0, max: 23 }),
    m: fc.integer({ min: 0, max: 59 }),
    s: fc.integer({ min: 0, max: 59 }),
    us: fc.integer({ min: 0, max: 999999 }),
  })
  // Year 0 is 1 BC.
  const dateText = (d: { year: number; month: number; day: number }): [string, string] => [
    `${pad(d.year > 0 ? d.year : 1 - d.year, 4)}-${pad(d.month, 2)}-${pad(d.day, 2)}`,
    d.year > 0 ? '' : ' BC',
  ]
  const timeText = (t: { h: number; m: number; s: number; us: number }): string => {
    const fraction = t.us === 0 ? '' : `.${pad(t.us, 6).replace(/0+$/, '')}`
    return `${pad(t.h, 2)}:${pad(t.m, 2)}:${pad(t.s, 2)}${fraction}`
  }
  const micros = (t: { h: number; m: number; s: number; us: number }): bigint =>
    BigInt(t.h * 3600 + t.m * 60 + t.s) * 1000000n + BigInt(t.us)
  const days = (d: { year: number; month: number; day: number }): bigint => BigInt(julianDay(d.year, d.month, d.day) - EPOCH)

  it('date is days since the epoch, in every era', () => {
    fc.assert(
      fc.property(date, (d) => {
        expect(long(encoded(encodeDate, dateText(d).join(''))!)).toBe(days(d))
      }),
      { numRuns: 1000 },
    )
  })

  it('timestamp is microseconds since the epoch, beyond 2^53 too', () => {
    fc.assert(
      fc.property(date, time, (d, t) => {
        const [text, era] = dateText(d)
        expect(long(encoded(encodeTimestampMicros, `${text} ${timeText(t)}${era}`)!)).toBe(days(d) * 86400000000n + micros(t))
      }),
      { numRuns: 1000 },
    )
  })

  it('timestamptz is ISO text in UTC, whatever the offset', () => {
    const offset = fc.integer({ min: -15 * 60 + 1, max: 15 * 60 - 1 })
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0001-01-03T00:00:00Z'), max: new Date('9999-12-29T00:00:00Z'), noInvalidDate: true }),
        offset,
        (at, minutes) => {
          const local = new Date(at.getTime() + minutes * 60000).toISOString()
          const sign = minutes < 0 ? '-' : '+'
          const zone = `${sign}${pad(Math.floor(Math.abs(minutes) / 60), 2)}${minutes % 60 === 0 ? '' : `:${pad(Math.abs(minutes) % 60, 2)}`}`
          const fraction = local.slice(20, 23) === '000' ? '' : `.${local.slice(20, 23)}`
          const text = `${local.slice(0, 10)} ${local.slice(11, 19)}${fraction}${zone}`
          expect(encoded(encodeZonedTimestamp(3), text)!.toString('utf8', 1)).toBe(at.toISOString())
          expect(encoded(encodeZonedTimestamp(6), text)!.toString('utf8', 1)).toBe(at.toISOString().replace('Z', '000Z'))
        },
      ),
      { numRuns: 500 },
    )
  })

  it('timetz is UTC with the shortest fraction', () => {
    fc.assert(
      fc.property(time, fc.integer({ min: -15, max: 15 }), (t, hours) => {
        const text = `${timeText(t)}${hours < 0 ? '-' : '+'}${pad(Math.abs(hours), 2)}`
        const utc = { ...t, h: (((t.h - hours) % 24) + 24) % 24 }
        expect(encoded(encodeZonedTime, text)!.toString('utf8', 1)).toBe(`${timeText(utc)}Z`)
      }),
    )
  })
})

describe('text and bytes', () => {
  it('arrays give back every element', () => {
    const type = avro.Type.forSchema({ type: 'array', items: ['null', 'string'] })
    const quote = (s: string | null): string => (s === null ? 'NULL' : `"${s.replace(/[\\"]/g, '\\$&')}"`)
    fc.assert(
      fc.property(fc.array(fc.option(fc.string({ unit: 'grapheme' }))), (elements) => {
        const got = type.fromBuffer(encoded(encodeArray(encodeText, true), `{${elements.map(quote).join(',')}}`)!) as (null | {
          string: string
        })[]
        expect(got.map((e) => (e === null ? null : typeof e === 'string' ? e : e.string))).toEqual(elements)
      }),
    )
  })

  it('bytea in hex and in escape form is the same bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const hex = `\\x${Buffer.from(bytes).toString('hex')}`
        const escaped = [...bytes]
          .map((b) => (b === 92 ? '\\\\' : b < 32 || b > 126 ? `\\${pad(Number(b.toString(8)), 3)}` : String.fromCharCode(b)))
          .join('')
        expect(bytesType.fromBuffer(encoded(encodeBytea('bytes'), hex)!)).toEqual(Buffer.from(bytes))
        expect(bytesType.fromBuffer(encoded(encodeBytea('bytes'), escaped)!)).toEqual(Buffer.from(bytes))
      }),
    )
  })

  it('bits are little-endian without leading zero bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('0', '1'), maxLength: 100 }), (bits) => {
        const b = bytesType.fromBuffer(encoded(encodeBits, bits)!) as Buffer
        const value = bits === '' ? 0n : BigInt(`0b${bits}`)
        expect(b.length === 0 ? 0n : BigInt(`0x${Buffer.from(b).reverse().toString('hex')}`)).toBe(value)
        expect(b.at(-1)).not.toBe(0)
      }),
    )
  })

  it('hstore gives back every pair', () => {
    const quoted = (s: string): string => `"${s.replace(/[\\"]/g, '\\$&')}"`
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.option(fc.string({ unit: 'grapheme' }))), (map) => {
        const entries = Object.entries(map)
        const src = Buffer.from(entries.map(([k, v]) => `${quoted(k)}=>${v === null ? 'NULL' : quoted(v)}`).join(', '))
        expect(new Map(parseHstore(src, 0, src.length))).toEqual(new Map(entries))
      }),
    )
  })
})
