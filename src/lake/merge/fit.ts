import type { FixedVector, LakeColumn, LakeType, Vector } from '../../contract/columns.ts'
import { Failure } from '../../failure/failure.ts'
import { int32View, toVector } from '../../format/parquet/column.ts'
import { fixedWidth, nullColumn } from './gather.ts'

/**
 * Schema evolution. A column may grow: int → long, int → double, float → double,
 * decimal(p, s) → decimal(larger p, s), and element-wise in lists, maps and structs, which may also get more fields. The wider of two types, or null.
 */
export function widerType(a: LakeType, b: LakeType): LakeType | null {
  if (sameType(a, b) || canWiden(b, a)) return a
  return canWiden(a, b) ? b : null
}

export function sameType(a: LakeType, b: LakeType): boolean {
  if (a.kind === 'decimal' && b.kind === 'decimal') return a.precision === b.precision && a.scale === b.scale
  if (a.kind === 'list' && b.kind === 'list') return sameType(a.element, b.element)
  if (a.kind === 'map' && b.kind === 'map') return sameType(a.value, b.value)
  if (a.kind === 'struct' && b.kind === 'struct') {
    return (
      a.fields.length === b.fields.length && a.fields.every((f, i) => f.name === b.fields[i].name && sameType(f.type, b.fields[i].type))
    )
  }
  return a.kind === b.kind
}

export function canWiden(from: LakeType, to: LakeType): boolean {
  if (sameType(from, to)) return true
  if (from.kind === 'int') return to.kind === 'long' || to.kind === 'double'
  if (from.kind === 'float') return to.kind === 'double'
  if (from.kind === 'decimal' && to.kind === 'decimal') return from.scale === to.scale && from.precision <= to.precision
  if (from.kind === 'list' && to.kind === 'list') return canWiden(from.element, to.element)
  if (from.kind === 'map' && to.kind === 'map') return canWiden(from.value, to.value)
  if (from.kind === 'struct' && to.kind === 'struct') {
    // more fields, in any order
    return from.fields.every((f) => to.fields.some((t) => t.name === f.name && canWiden(f.type, t.type)))
  }
  return false
}

/**
 * The table's columns after a change of shape at the source: wider types, new columns before the change columns, none taken away.
 * TRB-LAKE-406 for a change of type that old rows cannot follow.
 */
export function evolvedColumns(
  table: string,
  now: readonly LakeColumn[],
  wanted: readonly LakeColumn[],
  isChange: (name: string) => boolean,
): LakeColumn[] {
  const byName = new Map(wanted.map((c) => [c.name, c]))
  const kept = now.map((c): LakeColumn => {
    const w = byName.get(c.name)
    if (w === undefined) return c
    const type = widerType(c.type, w.type)
    if (type === null) throw new Failure('TRB-LAKE-406', { table, column: c.name, from: typeText(c.type), to: typeText(w.type) })
    return { ...c, type }
  })
  const known = new Set(now.map((c) => c.name))
  const added = wanted.filter((c) => !known.has(c.name))
  const rows = kept.filter((c) => !isChange(c.name))
  return [
    ...rows,
    ...added.filter((c) => !isChange(c.name)),
    ...kept.filter((c) => isChange(c.name)),
    ...added.filter((c) => isChange(c.name)),
  ]
}

export function typeText(t: LakeType): string {
  if (t.kind === 'decimal') return `decimal(${t.precision},${t.scale})`
  if (t.kind === 'list') return `list of ${typeText(t.element)}`
  if (t.kind === 'map') return `map of ${typeText(t.value)}`
  if (t.kind === 'struct') return `struct of ${t.fields.map((f) => `${f.name}: ${typeText(f.type)}`).join(', ')}`
  return t.kind
}

/** `v`, of type `from`, as type `to`: the same object when nothing changes. */
export function widen(v: Vector, from: LakeType, to: LakeType): Vector {
  if (sameType(from, to)) return v
  if (v.kind === 'list' && from.kind === 'list' && to.kind === 'list') return { ...v, element: widen(v.element, from.element, to.element) }
  if (v.kind === 'map' && from.kind === 'map' && to.kind === 'map') return { ...v, value: widen(v.value, from.value, to.value) }
  if (v.kind === 'struct' && from.kind === 'struct' && to.kind === 'struct') {
    const fields = to.fields.map((t) => {
      const at = from.fields.findIndex((f) => f.name === t.name)
      return at < 0 ? toVector(nullColumn(t.type, v.count)) : widen(v.fields[at], from.fields[at].type, t.type)
    })
    return { ...v, fields }
  }
  if (v.kind === 'fixed') return widenFixed(v, from, to)
  throw new Failure('TRB-INT-001', { invariant: `${typeText(from)} widens to ${typeText(to)}` })
}

function widenFixed(v: FixedVector, from: LakeType, to: LakeType): FixedVector {
  const n = Math.floor(v.data.length / v.width)
  const width = fixedWidth(to)
  const out = Buffer.alloc(n * width)
  if (from.kind === 'int') {
    const ints = int32View(v.data, n)
    if (to.kind === 'long') {
      for (let i = 0; i < n; i++) {
        out.writeInt32LE(ints[i], i * 8)
        out.writeInt32LE(ints[i] >> 31, i * 8 + 4)
      }
    } else for (let i = 0; i < n; i++) out.writeDoubleLE(ints[i], i * 8)
  } else if (from.kind === 'float') {
    for (let i = 0; i < n; i++) out.writeDoubleLE(v.data.readFloatLE(i * 4), i * 8)
  } else {
    const shift = width - v.width
    for (let i = 0; i < n; i++) {
      const at = i * width
      out.fill((v.data[i * v.width] & 0x80) !== 0 ? 0xff : 0, at, at + shift)
      v.data.copy(out, at + shift, i * v.width, (i + 1) * v.width)
    }
  }
  return { kind: 'fixed', width, data: out, valid: v.valid }
}
