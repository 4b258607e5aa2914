import type { BytesVector, FixedVector, LakeType, ListVector, MapVector, StructVector, Vector } from '../../contract/columns.ts'
import { Failure } from '../../failure/failure.ts'
import { columnBuilder } from '../columns/builders.ts'
import type { LeafValues } from './chunk-reader.ts'
import { bytesOfPlain, type Column, copyBytes, type DictionaryVector, type PlainVector, plainOfDictionary } from './column.ts'
import { conformBytes, conformFixed } from './conform.ts'
import type { LeafNode, Node, StructNode } from './schema.ts'

/**
 * Rows of a column from its leaves. Flat byte strings stay plain or dictionary. `leaves` are those of the column in file
 * order, `first` is the ordinal of the first.
 */
export function assemble(node: Node, type: LakeType, leaves: readonly LeafValues[], first: number, file: string): Column {
  if (node.kind === 'leaf') return flat(node, type, leaves[node.leaf - first], file)
  return nested(node, type, leaves, first, 0, file)
}

function flat(node: LeafNode, type: LakeType, values: LeafValues, file: string): Column {
  const { dense, count } = values
  const definition = presence(values, node.definition)
  if (dense.kind === 'dense-fixed') {
    const fixed = conformFixed(dense, values.denseCount, node, type, file)
    return definition === null ? fixed : spreadFixed(fixed, definition)
  }
  const conformed = conformBytes(dense, node, type, file)
  if (conformed.kind === 'fixed') return definition === null ? conformed : spreadFixed(conformed, definition)
  if (definition === null) return conformed
  return conformed.kind === 'dictionary' ? spreadDictionary(conformed, definition, count) : spreadPlain(conformed, definition, count)
}

/** 1 per entry that is present; null: all are. */
function presence(values: LeafValues, max: number): Uint8Array | null {
  if (values.definition === null) return null
  if (max === 1) return values.definition
  return values.definition.map((d) => (d === max ? 1 : 0))
}

function spreadFixed(v: FixedVector, valid: Uint8Array): FixedVector {
  const { width, data } = v
  const n = valid.length
  const out = Buffer.alloc(n * width)
  for (let i = 0, p = 0; i < n; ) {
    if (valid[i] === 0) {
      i++
      continue
    }
    let j = i + 1
    while (j < n && valid[j] === 1) j++
    copyBytes(data, p, (j - i) * width, out, i * width)
    p += (j - i) * width
    i = j
  }
  return { kind: 'fixed', width, data: out, valid }
}

function spreadPlain(v: PlainVector, valid: Uint8Array, n: number): PlainVector {
  const starts = new Int32Array(n + 1)
  starts[0] = v.starts[0]
  for (let i = 0, k = 0; i < n; i++) {
    if (valid[i] === 1) k++
    starts[i + 1] = v.starts[k]
  }
  return { kind: 'plain', data: v.data, starts }
}

function spreadDictionary(v: DictionaryVector, valid: Uint8Array, n: number): DictionaryVector {
  const indexes = new Int32Array(n)
  for (let i = 0, k = 0; i < n; i++) indexes[i] = valid[i] === 1 ? v.indexes[k++] : -1
  return { ...v, indexes }
}

/** Entries of one leaf that concern the node in question: those at a depth where a value, null or empty of it shows. */
function nested(node: Node, type: LakeType, leaves: readonly LeafValues[], first: number, above: number, file: string): Vector {
  const witness = leaves[firstLeaf(node) - first]
  if (node.kind === 'leaf') return nestedLeaf(node, type, witness, above, file)
  if (type.kind !== node.kind) throw new Failure('TRB-LAKE-402', { file, feature: `a ${node.kind} where the table has ${type.kind}` })
  if (node.kind === 'struct' && type.kind === 'struct') return struct(node, type, leaves, first, above, file)
  if (node.kind === 'struct') throw new Failure('TRB-INT-001', { invariant: 'a struct node has a struct type' })
  const { offsets, valid } = containers(witness, node.definition, node.repetition, above)
  if (node.kind === 'list' && type.kind === 'list') {
    const element = nested(node.item, type.element, leaves, first, node.definition + 1, file)
    return { kind: 'list', offsets, valid, element } satisfies ListVector
  }
  if (node.kind === 'map' && type.kind === 'map') {
    const key = nested(node.key, { kind: 'string' }, leaves, first, node.definition + 1, file) as BytesVector
    const value = nested(node.value, type.value, leaves, first, node.definition + 1, file)
    return { kind: 'map', offsets, valid, key, value } satisfies MapVector
  }
  throw new Failure('TRB-LAKE-402', { file, feature: `a ${node.kind} where the table has ${type.kind}` })
}

/** One slot per entry of the container above, which shows once in the struct's first leaf; fields that the file lacks are null. */
function struct(
  node: StructNode,
  type: Extract<LakeType, { kind: 'struct' }>,
  leaves: readonly LeafValues[],
  first: number,
  above: number,
  file: string,
): StructVector {
  const witness = leaves[firstLeaf(node) - first]
  const slots: number[] = []
  for (let i = 0; i < witness.count; i++) {
    const r = witness.repetition === null ? 0 : witness.repetition[i]
    const d = witness.definition === null ? node.definition : witness.definition[i]
    // entries of lists inside the struct repeat deeper
    if (d >= above && r <= node.repetition) slots.push(d >= node.definition ? 1 : 0)
  }
  const fields = type.fields.map((f) => {
    const stored = node.fields.find((n) => n.name === f.name)
    return stored === undefined ? nullVector(f.type, slots.length) : nested(stored.node, f.type, leaves, first, above, file)
  })
  return { kind: 'struct', count: slots.length, valid: slots.includes(0) ? Uint8Array.from(slots) : null, fields }
}

/** `count` nulls. */
function nullVector(type: LakeType, count: number): Vector {
  const builder = columnBuilder(type)
  for (let i = 0; i < count; i++) builder.appendNull()
  return builder.take()
}

function firstLeaf(node: Node): number {
  if (node.kind === 'leaf') return node.leaf
  if (node.kind === 'list') return firstLeaf(node.item)
  return firstLeaf(node.kind === 'map' ? node.key : node.fields[0].node)
}

/**
 * Offsets and validity of a list or map. A container begins where the repetition level is below its own and the entry reaches
 * the container's parent (`above`); an entry of it is an entry with definition above the container's own level.
 */
function containers(
  w: LeafValues,
  definition: number,
  repetition: number,
  above: number,
): { offsets: Int32Array; valid: Uint8Array | null } {
  const offsets: number[] = []
  const valid: number[] = []
  let entries = 0
  let nulls = 0
  for (let i = 0; i < w.count; i++) {
    const r = w.repetition === null ? 0 : w.repetition[i]
    const d = w.definition === null ? definition + 1 : w.definition[i]
    if (d < above) continue
    if (r < repetition) {
      offsets.push(entries)
      valid.push(d >= definition ? 1 : 0)
      if (d < definition) nulls++
    }
    if (d > definition && r <= repetition) entries++
  }
  offsets.push(entries)
  return { offsets: Int32Array.from(offsets), valid: nulls === 0 ? null : Uint8Array.from(valid) }
}

/** The innermost vector: one slot per entry of the container above. */
function nestedLeaf(node: LeafNode, type: LakeType, values: LeafValues, above: number, file: string): Vector {
  const slots: number[] = []
  for (let i = 0; i < values.count; i++) {
    const d = values.definition === null ? node.definition : values.definition[i]
    if (d >= above) slots.push(d === node.definition ? 1 : 0)
  }
  const valid = Uint8Array.from(slots)
  const all = values.denseCount === valid.length
  const { dense } = values
  if (dense.kind === 'dense-fixed') {
    const fixed = conformFixed(dense, values.denseCount, node, type, file)
    return all ? fixed : spreadFixed(fixed, valid)
  }
  const c = conformBytes(dense, node, type, file)
  if (c.kind === 'fixed') return all ? c : spreadFixed(c, valid)
  const plain = c.kind === 'dictionary' ? plainOfDictionary(c) : c
  return bytesOfPlain(all ? plain : spreadPlain(plain, valid, valid.length))
}
