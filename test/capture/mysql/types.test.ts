import { describe, expect, test } from 'vitest'
import { inet6Text } from '../../../src/capture/mysql/types/binary.ts'
import { binlogDecimal } from '../../../src/capture/mysql/types/binlog-decimal.ts'
import { charsetEncoder } from '../../../src/capture/mysql/types/charset.ts'
import type { MysqlColumn } from '../../../src/capture/mysql/types/column.ts'
import { connectColumn } from '../../../src/capture/mysql/types/connect-column.ts'
import { exactDecimal, jsonText } from '../../../src/capture/mysql/types/json.ts'
import { DEFAULT_MYSQL_TYPES, type MysqlTypeOptions, mysqlTypeOptions } from '../../../src/capture/mysql/types/options.ts'
import { T } from '../../../src/capture/mysql/wire/column-type.ts'
import type { ValueEncoder } from '../../../src/contract/change.ts'
import { isFailure } from '../../../src/failure/failure.ts'
import { ByteCursor } from '../../../src/format/bytes/cursor.ts'
import { GrowableSink } from '../../../src/format/bytes/growable-sink.ts'

const EXACT: MysqlTypeOptions = { ...DEFAULT_MYSQL_TYPES, quirks: true }

function column(dataType: string, over: Partial<MysqlColumn> = {}): MysqlColumn {
  return {
    ...{ name: 'c', dataType, columnType: dataType, unsigned: false, notNull: false, length: null, precision: null, scale: null },
    ...{ fraction: 0, charset: null, values: null, defaultText: null, defaultExpression: false, generated: false, autoIncrement: false },
    comment: '',
    ...over,
  }
}

const context = (options: MysqlTypeOptions, mariadb = false) => ({ options, mariadb, charsets: new Map(), path: 'd.t.c', propagate: null })

/** Encoders of a column that lies in the binlog as `type` with `meta`. */
function mapped(
  c: MysqlColumn,
  type: number,
  meta = 0,
  options = DEFAULT_MYSQL_TYPES,
  mariadb = false,
): { stream: ValueEncoder; text: ValueEncoder } {
  const made = connectColumn(c, { type, meta }, context(options, mariadb))!
  return { stream: made.encode, text: made.encodeSnapshot ?? made.encode }
}

function run(encode: ValueEncoder, bytes: Uint8Array): Buffer | null {
  const src = Buffer.concat([Buffer.from('--'), bytes, Buffer.from('--')])
  const out = new GrowableSink(64)
  return encode(src, 2, bytes.length, out) ? out.copy() : null
}

function long(b: Buffer | null): bigint | null {
  if (b === null) return null
  const c = new ByteCursor(b)
  c.zigzag64()
  return (BigInt(c.hi | 0) << 32n) | BigInt(c.lo)
}

const text = (b: Buffer | null): string | null => (b === null ? null : b.toString('utf8', b[0]! > 127 ? 2 : 1))
const hex = (s: string): Buffer => Buffer.from(s.replaceAll(' ', ''), 'hex')

describe('integers of the binlog and of the text protocol are the same numbers', () => {
  test.each<[string, boolean, number, string, string, bigint]>([
    ['tinyint', false, T.TINY, '80', '-128', -128n],
    ['tinyint', true, T.TINY, 'ff', '255', 255n],
    ['smallint', false, T.SHORT, '0080', '-32768', -32768n],
    ['smallint', true, T.SHORT, 'ffff', '65535', 65535n],
    ['mediumint', false, T.INT24, '000080', '-8388608', -8388608n],
    ['mediumint', true, T.INT24, 'ffffff', '16777215', 16777215n],
    ['int', false, T.LONG, '00000080', '-2147483648', -2147483648n],
    ['int', true, T.LONG, 'ffffffff', '4294967295', 4294967295n],
    ['int', true, T.LONG, '2a000000', '00000042', 42n],
    ['bigint', false, T.LONGLONG, '0000000000000080', '-9223372036854775808', -9223372036854775808n],
    ['bigint', false, T.LONGLONG, '0100000000002000', '9007199254740993', 9007199254740993n],
    ['bigint', true, T.LONGLONG, 'ffffffffffffffff', '18446744073709551615', -1n],
    ['year', false, T.YEAR, 'ff', '2155', 2155n],
  ])('%s unsigned=%s', (dataType, unsigned, type, raw, printed, value) => {
    const { stream, text: snapshot } = mapped(column(dataType, { unsigned }), type)
    expect(long(run(stream, hex(raw)))).toBe(value)
    expect(long(run(snapshot, Buffer.from(printed)))).toBe(value)
  })

  test('BIGINT UNSIGNED as a decimal keeps every value', () => {
    const precise = mapped(column('bigint', { unsigned: true }), T.LONGLONG, 0, { ...DEFAULT_MYSQL_TYPES, bigintUnsigned: 'precise' })
    for (const [raw, printed, bytes] of [
      ['ffffffffffffffff', '18446744073709551615', '1200ffffffffffffffff'],
      ['0000000000000080', '9223372036854775808', '12008000000000000000'],
      ['7f00000000000000', '127', '027f'],
      ['8000000000000000', '128', '040080'],
      ['0000000000000000', '0', '0200'],
    ]) {
      expect(run(precise.stream, hex(raw!))!.toString('hex')).toBe(bytes)
      expect(run(precise.text, Buffer.from(printed!))!.toString('hex')).toBe(bytes)
    }
  })
})

describe('decimals', () => {
  test.each([
    // the example of the server's own documentation: DECIMAL(14,4)
    [14, 4, '810dfb38d204d2', '1234567890.1234'],
    [14, 4, '7ef204c72dfb2d', '-1234567890.1234'],
    [10, 0, '8000000000', '0'],
    [3, 3, '8001', '0.001'],
  ])('DECIMAL(%i,%i)', (precision, scale, raw, value) => {
    expect(text(run(binlogDecimal(precision, scale, 'string'), hex(raw)))).toBe(value)
    const unscaled = run(binlogDecimal(precision, scale, 'precise'), hex(raw))!
    expect(BigInt.asIntN((unscaled.length - 1) * 8, BigInt(`0x${unscaled.toString('hex', 1)}`))).toBe(BigInt(value.replace('.', '')))
    expect(run(binlogDecimal(precision, scale, 'double'), hex(raw))!.readDoubleLE(0)).toBe(Number(value))
  })
})

describe('dates and times', () => {
  const time6 = mapped(column('time', { fraction: 6 }), T.TIME2, 6)
  test.each([
    ['800000 000000', '00:00:00', 0n],
    ['b46efb 0f423e', '838:59:59.999998', 3020399999998n],
    ['7fffff ffffff', '-00:00:00.000001', -1n],
    ['4b9104 f0bdc2', '-838:59:59.999998', -3020399999998n],
  ])('TIME(6) %s is %s', (raw, printed, micros) => {
    expect(long(run(time6.stream, hex(raw)))).toBe(micros)
    expect(long(run(time6.text, Buffer.from(printed)))).toBe(micros)
  })

  test('a zero date is null, and the epoch where null is not allowed', () => {
    for (const notNull of [false, true]) {
      const date = mapped(column('date', { notNull }), T.DATE)
      const expected = notNull ? 0n : null
      for (const printed of ['0000-00-00', '2020-00-00', '2020-01-00']) expect(long(run(date.text, Buffer.from(printed)))).toBe(expected)
      expect(long(run(date.stream, hex('000000')))).toBe(expected)
    }
  })

  test('the year 0000 is itself, not what the connector makes of it', () => {
    const at = column('datetime', { fraction: 6, notNull: true })
    const own = long(run(mapped(at, T.DATETIME2, 6).text, Buffer.from('0000-01-01 10:00:00')))
    expect(own).toBe(-62167183200000000n)
    expect(long(run(mapped(at, T.DATETIME2, 6, EXACT).text, Buffer.from('0000-01-01 10:00:00')))).toBe(978343200000000n)
  })

  test('a timestamp has the digits of its column; the connector prints fewer in snapshots', () => {
    const ts = column('timestamp', { fraction: 3 })
    expect(text(run(mapped(ts, T.TIMESTAMP2, 3).stream, hex('5e0be100 04b0')))).toBe('2020-01-01T00:00:00.120Z')
    expect(text(run(mapped(ts, T.TIMESTAMP2, 3).text, Buffer.from('2020-01-01 00:00:00.120')))).toBe('2020-01-01T00:00:00.120Z')
    expect(text(run(mapped(ts, T.TIMESTAMP2, 3, EXACT).text, Buffer.from('2020-01-01 00:00:00.120')))).toBe('2020-01-01T00:00:00.12Z')
    expect(run(mapped(ts, T.TIMESTAMP2, 3).stream, hex('00000000 0000'))).toBeNull()
  })

  test('text that is no date is refused, not guessed at', () => {
    const date = mapped(column('date'), T.DATE)
    expect(() => run(date.text, Buffer.from('2020-1x-01'))).toThrow(/TRB-ENV-001/)
  })
})

describe('labels, bits and binary padding', () => {
  test('a comma in an enum label is escaped only where the connector does it', () => {
    const e = column('enum', { values: ['a', 'b,c'] })
    expect(text(run(mapped(e, T.ENUM, 1).stream, hex('02')))).toBe('b,c')
    expect(text(run(mapped(e, T.ENUM, 1, EXACT).stream, hex('02')))).toBe('b\\,c')
    expect(text(run(mapped(e, T.ENUM, 1).stream, hex('00')))).toBe('')
    expect(() => run(mapped(e, T.ENUM, 1).stream, hex('03'))).toThrow(/TRB-ENV-001/)
    const made = connectColumn(e, null, context(DEFAULT_MYSQL_TYPES))!
    expect(made.connect.parameters).toEqual([['allowed', 'a,b\\,c']])
  })

  test('members of a set come in the order of its definition', () => {
    const s = mapped(column('set', { values: ['x', 'y', 'z'] }), T.SET, 1)
    expect(['05', '00', '06'].map((raw) => text(run(s.stream, hex(raw))))).toEqual(['x,z', '', 'y,z'])
  })

  test('bits are little-endian in all their bytes, BINARY is filled with zeros', () => {
    expect(run(mapped(column('bit', { precision: 10 }), T.BIT, 10).stream, hex('02aa'))!.toString('hex')).toBe('04aa02')
    expect(run(mapped(column('binary', { length: 4 }), T.STRING, 4).stream, hex('00ff'))!.toString('hex')).toBe('0800ff0000')
  })
})

describe('JSON', () => {
  // {"a": [1, null, "x"], "b": 1.5}, small object
  const doc = hex('00 0200 2b00 1200 0100 1300 0100 02 1400 0b 2300 61 62 0300 0f00 050100 040000 0c0d00 0178 000000000000f83f')
  test('the server prints blanks, the connector does not', () => {
    expect(jsonText(doc, { compact: false })).toBe('{"a": [1, null, "x"], "b": 1.5}')
    expect(jsonText(doc, { compact: true })).toBe('{"a":[1,null,"x"],"b":1.5}')
  })

  test('rows from before an ADD COLUMN … NOT NULL have no bytes: what stands for null is shown, the stream goes on', () => {
    const none = Buffer.alloc(0)
    const of = (dataType: string, type: number, notNull: boolean, options = DEFAULT_MYSQL_TYPES): Buffer | null =>
      run(mapped(column(dataType, { notNull }), type, 4, options).stream, none)
    expect(text(of('json', T.JSON, true))).toBe('null')
    expect(text(of('json', T.JSON, true, EXACT))).toBe('{}')
    expect(of('polygon', T.GEOMETRY, true)).toEqual(hex('12 01 07 00 00 00 00 00 00 00 00'))
    expect(of('polygon', T.GEOMETRY, true, EXACT)).toBe(null)
    expect(of('polygon', T.GEOMETRY, false)).toBe(null)
    expect(of('point', T.GEOMETRY, true)?.subarray(0, 16)).toEqual(Buffer.alloc(16))
    expect(of('point', T.GEOMETRY, false)).toBe(null)
  })

  test('a document that was cut is refused', () => {
    for (let n = 1; n < doc.length - 1; n++) {
      let code = 'read'
      try {
        jsonText(doc.subarray(0, n), { compact: false })
      } catch (e) {
        code = isFailure(e) ? e.code : String(e)
      }
      expect([n, code === 'read' || code === 'TRB-ENV-001']).toEqual([n, true])
    }
  })

  test('doubles have the exact value of their bits where Java would print an exponent', () => {
    expect(exactDecimal(1e20)).toBe('100000000000000000000')
    expect(exactDecimal(-0.5)).toBe('-0.5')
    expect(exactDecimal(1e-10)).toBe('0.00000000010000000000000000364321973154977415791655470655996396089904010295867919921875')
  })
})

describe('what MariaDB alone has', () => {
  test.each([
    ['00000000000000000000000000000000', '::'],
    ['00000000000000000000000000000001', '::1'],
    ['00000000000000000000000000010001', '::0.1.0.1'],
    ['20010db8000000000000ff0000428329', '2001:db8::ff00:42:8329'],
    ['00000000000000000000ffffc0a80001', '::ffff:192.168.0.1'],
    ['20010db8000100010001000100010001', '2001:db8:1:1:1:1:1:1'],
  ])('INET6 %s', (raw, printed) => {
    expect(inet6Text(hex(raw))).toBe(printed)
  })
})

describe('character sets', () => {
  test.each([
    ['gbk', 'babad7d6', '汉字'],
    ['sjis', '93fa967b', '日本'],
    ['utf16', '65e5672c', '日本'],
    ['utf32', '0001f600', '😀'],
    ['big5', 'a4a4a4e5', '中文'],
    ['euckr', 'c7d1', '한'],
  ])('%s', (charset, raw, printed) => {
    expect(text(run(charsetEncoder(charset, new Map()), hex(raw)))).toBe(printed)
  })
})

describe('settings of a Debezium configuration', () => {
  test('a value or converter that is not known is refused by name', () => {
    const code = (config: Record<string, string>): string => {
      try {
        mysqlTypeOptions(new Map(Object.entries(config)))
        return 'taken'
      } catch (e) {
        return isFailure(e) ? e.code : String(e)
      }
    }
    expect(code({ 'time.precision.mode': 'adaptive' })).toBe('TRB-ENV-002')
    expect(code({ converters: 'z', 'z.type': 'io.debezium.connector.binlog.converters.JdbcSinkDataTypesConverter' })).toBe('TRB-ENV-002')
    expect(code({ converters: 'z', 'z.type': 'io.debezium.connector.binlog.converters.TinyIntOneToBooleanConverter' })).toBe('taken')
  })
})
