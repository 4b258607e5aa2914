import type { LakeColumn, LakeType, RowChanges, Vector } from '../../src/contract/columns.ts'

/** Values of a vector as plain JavaScript: integers as bigint, decimals as text, bytes as hex. Independent of the code under test. */
export function values(type: LakeType, v: Vector, count: number): unknown[] {
  return Array.from({ length: count }, (_, i) => valueAt(type, v, i))
}

function valueAt(type: LakeType, v: Vector, i: number): unknown {
  if (v.valid !== null && v.valid[i] === 0) return null
  if (v.kind === 'fixed') return fixedAt(type, v.data, v.width, i)
  if (v.kind === 'bytes') {
    const bytes = v.data.subarray(v.offsets[i], v.offsets[i + 1])
    return type.kind === 'string' ? bytes.toString('utf8') : bytes.toString('hex')
  }
  if (v.kind === 'struct') throw new Error('a change of a source has no structs')
  const out: unknown[] = []
  for (let k = v.offsets[i]; k < v.offsets[i + 1]; k++) {
    if (v.kind === 'list' && type.kind === 'list') out.push(valueAt(type.element, v.element, k))
    if (v.kind === 'map' && type.kind === 'map') out.push([valueAt({ kind: 'string' }, v.key, k), valueAt(type.value, v.value, k)])
  }
  return out
}

function fixedAt(type: LakeType, data: Buffer, width: number, i: number): unknown {
  const at = i * width
  switch (type.kind) {
    case 'boolean':
      return data[at] === 1
    case 'int':
    case 'date':
      return BigInt(data.readInt32LE(at))
    case 'float':
      return data.readFloatLE(at)
    case 'double':
      return data.readDoubleLE(at)
    case 'decimal':
      return decimalText(BigInt.asIntN(width * 8, BigInt(`0x${data.toString('hex', at, at + width)}`)), type.scale)
    default:
      return data.readBigInt64LE(at)
  }
}

export function decimalText(unscaled: bigint, scale: number): string {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0')
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`
  return unscaled < 0n ? `-${text}` : text
}

/** All rows of some chunks as objects. */
export function rows(chunks: Iterable<RowChanges>): { op: string; row: Record<string, unknown>; unavailable: string[] }[] {
  const out: { op: string; row: Record<string, unknown>; unavailable: string[] }[] = []
  for (const c of chunks) {
    const columns = c.columns.map((col: LakeColumn, k) => values(col.type, c.vectors[k], c.count))
    for (let i = 0; i < c.count; i++) {
      out.push({
        op: String.fromCharCode(c.op[i]),
        row: Object.fromEntries(c.columns.map((col, k) => [col.name, columns[k][i]])),
        unavailable: c.columns.filter((_, k) => c.unavailable[k]?.[i] === 1).map((col) => col.name),
      })
    }
  }
  return out
}
