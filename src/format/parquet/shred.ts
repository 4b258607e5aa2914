import type { FixedVector, LakeType, Vector } from '../../contract/columns.ts'
import { assert } from '../../failure/failure.ts'
import { type Column, copyBytes, type DictionaryVector, isVector, type PlainVector, plainOfBytes } from './column.ts'

/**
 * A leaf of a column ready for pages: one definition (and repetition) level per entry, values only of the entries that are
 * not null, packed without gaps. A level array that would hold one value only is null: no repetition; all present.
 */
export interface LeafData {
  readonly maxRepetition: number
  readonly maxDefinition: number
  /** Entries: rows of a flat column. */
  readonly count: number
  readonly repetition: Uint8Array | null
  readonly definition: Uint8Array | null
  readonly dense: FixedVector | PlainVector | DictionaryVector
  readonly denseCount: number
}

/** Splits the first `n` rows of a column into its leaves, in schema order (`schemaOf`). */
export function shred(column: Column, type: LakeType, n: number): LeafData[] {
  if (type.kind !== 'list' && type.kind !== 'map' && type.kind !== 'struct') return [flat(column, n)]
  assert(isVector(column), 'nested columns are vectors')
  const leaves: LeafBuilder[] = []
  plan(type, [], 1, 0, leaves)
  for (const leaf of leaves) {
    for (let i = 0; i < n; i++) emit(leaf, 0, column, i, 0, 0)
  }
  return leaves.map(finish)
}

function flat(column: Column, n: number): LeafData {
  const of = (dense: LeafData['dense'], definition: Uint8Array | null, denseCount: number): LeafData => {
    return { maxRepetition: 0, maxDefinition: 1, count: n, repetition: null, definition, dense, denseCount }
  }
  switch (column.kind) {
    case 'fixed': {
      const present = countPresent(column.valid, n)
      if (column.valid === null || present === n) return of({ ...column, valid: null }, null, n)
      return of(compactFixed(column, n, present), column.valid.subarray(0, n), present)
    }
    case 'dictionary':
      return flatDictionary(column, n, of)
    case 'plain':
      return flatPlain(column, n, of)
    case 'bytes':
      return flatPlain(plainOfBytes(column, 0, n), n, of)
    default:
      throw new TypeError(`${column.kind} is not flat`)
  }
}

function flatDictionary(
  column: DictionaryVector,
  n: number,
  of: (dense: LeafData['dense'], definition: Uint8Array | null, denseCount: number) => LeafData,
): LeafData {
  const { indexes } = column
  let first = 0
  while (first < n && indexes[first] >= 0) first++
  if (first === n) return of({ ...column, indexes: indexes.subarray(0, n) }, null, n)
  const definition = new Uint8Array(n)
  const dense = new Int32Array(n)
  let k = 0
  for (let i = 0; i < n; i++) {
    if (indexes[i] < 0) continue
    definition[i] = 1
    dense[k++] = indexes[i]
  }
  return of({ ...column, indexes: dense.subarray(0, k) }, definition, k)
}

function flatPlain(
  column: PlainVector,
  n: number,
  of: (dense: LeafData['dense'], definition: Uint8Array | null, denseCount: number) => LeafData,
): LeafData {
  const { starts } = column
  if (column.extremes !== undefined && starts.length === n + 1) return of(column, null, n)
  let nulls = 0
  for (let i = 0; i < n; i++) if (starts[i + 1] === starts[i]) nulls++
  if (nulls === 0) return of({ kind: 'plain', data: column.data, starts: starts.subarray(0, n + 1) }, null, n)
  const definition = new Uint8Array(n)
  const dense = new Int32Array(n + 1)
  dense[0] = starts[0]
  let k = 0
  for (let i = 0; i < n; i++) {
    if (starts[i + 1] === starts[i]) continue
    definition[i] = 1
    dense[++k] = starts[i + 1]
  }
  return of({ kind: 'plain', data: column.data, starts: dense.subarray(0, k + 1) }, k === n ? null : definition, k)
}

function countPresent(valid: Uint8Array | null, n: number): number {
  if (valid === null) return n
  let present = 0
  for (let i = 0; i < n; i++) present += valid[i]
  return present
}

function compactFixed(v: FixedVector, n: number, present: number): FixedVector {
  const { width, data, valid } = v
  const out = Buffer.allocUnsafeSlow(present * width)
  let p = 0
  for (let i = 0; i < n; ) {
    if (valid![i] === 0) {
      i++
      continue
    }
    let j = i + 1
    while (j < n && valid![j] === 1) j++
    copyBytes(data, i * width, (j - i) * width, out, p)
    p += (j - i) * width
    i = j
  }
  return { kind: 'fixed', width, data: out, valid: null }
}

/** What a leaf passes on its way down: a list, one side of a map, or a field of a struct (its number). */
interface Step {
  readonly side: 'element' | 'key' | 'value' | number
  /** Definition level at which this container is not null; an entry of a list or map is one more. */
  readonly definition: number
  readonly repetition: number
}

interface LeafBuilder {
  readonly steps: readonly Step[]
  readonly maxDefinition: number
  readonly maxRepetition: number
  /** Row of each present value in the innermost vector. */
  rows: number[]
  repetition: number[]
  definition: number[]
  innermost: Vector | null
}

/** `definition` is the level at which a value of this type is not null. */
function plan(type: LakeType, steps: readonly Step[], definition: number, repetition: number, out: LeafBuilder[]): void {
  if (type.kind === 'list') {
    plan(type.element, [...steps, { side: 'element', definition, repetition: repetition + 1 }], definition + 2, repetition + 1, out)
  } else if (type.kind === 'map') {
    // keys are required, so a key is present at the entry's own level
    plan({ kind: 'string' }, [...steps, { side: 'key', definition, repetition: repetition + 1 }], definition + 1, repetition + 1, out)
    plan(type.value, [...steps, { side: 'value', definition, repetition: repetition + 1 }], definition + 2, repetition + 1, out)
  } else if (type.kind === 'struct') {
    type.fields.forEach((f, side) => {
      plan(f.type, [...steps, { side, definition, repetition }], definition + 1, repetition, out)
    })
  } else {
    out.push({ steps, maxDefinition: definition, maxRepetition: repetition, rows: [], repetition: [], definition: [], innermost: null })
  }
}

function emit(leaf: LeafBuilder, depth: number, v: Vector, row: number, repetition: number, above: number): void {
  const step = leaf.steps[depth]
  const push = (definition: number): void => {
    leaf.repetition.push(repetition)
    leaf.definition.push(definition)
  }
  if (v.valid !== null && v.valid[row] === 0) {
    push(above)
    return
  }
  if (step === undefined) {
    leaf.innermost = v
    leaf.rows.push(row)
    push(leaf.maxDefinition)
    return
  }
  if (v.kind === 'struct' && typeof step.side === 'number') {
    emit(leaf, depth + 1, v.fields[step.side], row, repetition, step.definition)
    return
  }
  assert(v.kind === 'list' || v.kind === 'map', 'a vector has the shape of its type')
  const child = v.kind === 'list' ? v.element : step.side === 'key' ? v.key : v.value
  const from = v.offsets[row]
  const to = v.offsets[row + 1]
  if (from === to) push(step.definition)
  for (let i = from; i < to; i++) emit(leaf, depth + 1, child, i, i === from ? repetition : step.repetition, step.definition + 1)
}

function finish(leaf: LeafBuilder): LeafData {
  const count = leaf.definition.length
  const denseCount = leaf.rows.length
  return {
    maxRepetition: leaf.maxRepetition,
    maxDefinition: leaf.maxDefinition,
    count,
    repetition: Uint8Array.from(leaf.repetition),
    definition: Uint8Array.from(leaf.definition),
    dense: leaf.innermost === null ? { kind: 'plain', data: Buffer.alloc(0), starts: new Int32Array(1) } : take(leaf.innermost, leaf.rows),
    denseCount,
  }
}

function take(v: Vector, rows: readonly number[]): FixedVector | PlainVector {
  if (v.kind === 'fixed') {
    const data = Buffer.allocUnsafeSlow(rows.length * v.width)
    rows.forEach((r, i) => {
      copyBytes(v.data, r * v.width, v.width, data, i * v.width)
    })
    return { kind: 'fixed', width: v.width, data, valid: null }
  }
  assert(v.kind === 'bytes', 'a leaf is fixed or bytes')
  const starts = new Int32Array(rows.length + 1)
  rows.forEach((r, i) => {
    starts[i + 1] = starts[i] + 4 + v.offsets[r + 1] - v.offsets[r]
  })
  const data = Buffer.allocUnsafeSlow(starts[rows.length])
  rows.forEach((r, i) => {
    const length = v.offsets[r + 1] - v.offsets[r]
    data.writeInt32LE(length, starts[i])
    copyBytes(v.data, v.offsets[r], length, data, starts[i] + 4)
  })
  return { kind: 'plain', data, starts }
}
