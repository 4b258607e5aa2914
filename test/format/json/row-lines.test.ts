import { expect, test } from 'vitest'
import type { LakeColumn, Vector } from '../../../src/contract/columns.ts'
import { rowLines } from '../../../src/format/json/row-lines.ts'

function bytes(values: readonly (string | Buffer | null)[]): Vector & { kind: 'bytes' } {
  const parts = values.map((v) => (v === null ? Buffer.alloc(0) : Buffer.from(v as string)))
  const offsets = new Int32Array(parts.length + 1)
  parts.forEach((p, i) => {
    offsets[i + 1] = offsets[i] + p.length
  })
  return { kind: 'bytes', data: Buffer.concat(parts), offsets, valid: Uint8Array.from(values, (v) => (v === null ? 0 : 1)) }
}

function longs(values: readonly bigint[]): Vector {
  return { kind: 'fixed', width: 8, data: Buffer.from(BigInt64Array.from(values).buffer), valid: null }
}

test('one object per row, keys in column order, nested values as JSON', () => {
  const columns: LakeColumn[] = [
    { name: 'a "quoted" name', type: { kind: 'long' } },
    { name: 't', type: { kind: 'string' } },
    { name: 'b', type: { kind: 'bytes' } },
    { name: 'l', type: { kind: 'list', element: { kind: 'long' } } },
    { name: 'm', type: { kind: 'map', value: { kind: 'string' } } },
  ]
  const vectors: Vector[] = [
    longs([2n ** 53n - 1n, 2n ** 53n]),
    bytes(['line\nfeed "ü"', null]),
    bytes([Buffer.from([0, 255]), Buffer.alloc(0)]),
    { kind: 'list', offsets: Int32Array.of(0, 2, 2), valid: null, element: longs([1n, 2n]) },
    { kind: 'map', offsets: Int32Array.of(0, 0, 2), valid: Uint8Array.of(0, 1), key: bytes(['k', 'n']), value: bytes(['v', null]) },
  ]
  expect(rowLines(columns)(vectors, 2).split('\n')).toEqual([
    '{"a \\"quoted\\" name":9007199254740991,"t":"line\\nfeed \\"ü\\"","b":"AP8=","l":[1,2],"m":null}',
    '{"a \\"quoted\\" name":"9007199254740992","t":null,"b":"","l":[],"m":{"k":"v","n":null}}',
    '',
  ])
})

test('a table without columns has rows all the same', () => {
  expect(rowLines([])([], 2)).toBe('{}\n{}\n')
})
