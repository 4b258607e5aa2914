import { Failure } from '../../failure/failure.ts'

/** An Avro schema with its names resolved, and the Connect properties that Confluent adds to types. */
export type AvroNode =
  | (AvroProps & { readonly kind: 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'string' | 'bytes' })
  | (AvroProps & { readonly kind: 'record'; readonly fields: readonly AvroField[] })
  | (AvroProps & { readonly kind: 'array' | 'map'; readonly items: AvroNode })
  | (AvroProps & { readonly kind: 'union'; readonly branches: readonly AvroNode[] })

export interface AvroProps {
  /** connect.name; for records without it the full Avro name. */
  readonly name: string | null
  readonly logicalType: string | null
  /** connect.parameters. */
  readonly parameters: Readonly<Record<string, string>>
}

export interface AvroField {
  readonly name: string
  readonly node: AvroNode
}

const PRIMITIVES = ['null', 'boolean', 'int', 'long', 'float', 'double', 'string', 'bytes'] as const
const NO_PROPS: AvroProps = { name: null, logicalType: null, parameters: {} }

/** Parses a schema text. Types that Debezium's records never use (enum, fixed) are refused with TRB-ENV-004. */
export function parseAvroSchema(text: string): AvroNode {
  return parse(JSON.parse(text), '', new Map())
}

function parse(schema: unknown, space: string, names: Map<string, AvroNode>): AvroNode {
  if (typeof schema === 'string') {
    const primitive = PRIMITIVES.find((p) => p === schema)
    if (primitive !== undefined) return { ...NO_PROPS, kind: primitive }
    const known = names.get(schema) ?? names.get(`${space}.${schema}`)
    if (known === undefined) throw unsupported(schema)
    return known
  }
  if (Array.isArray(schema)) return { ...NO_PROPS, kind: 'union', branches: schema.map((s) => parse(s, space, names)) }
  const s = schema as Record<string, unknown>
  const props = propsOf(s)
  if (s['type'] === 'array') return { ...props, kind: 'array', items: parse(s['items'], space, names) }
  if (s['type'] === 'map') return { ...props, kind: 'map', items: parse(s['values'], space, names) }
  if (s['type'] === 'record') return parseRecord(s, props, space, names)
  const primitive = PRIMITIVES.find((p) => p === s['type'])
  if (primitive === undefined) throw unsupported(String(s['type']))
  return { ...props, kind: primitive }
}

function parseRecord(s: Record<string, unknown>, props: AvroProps, space: string, names: Map<string, AvroNode>): AvroNode {
  const namespace = typeof s['namespace'] === 'string' ? s['namespace'] : space
  const name = String(s['name'])
  const full = name.includes('.') || namespace === '' ? name : `${namespace}.${name}`
  const inner = full.includes('.') ? full.slice(0, full.lastIndexOf('.')) : ''
  const fields: AvroField[] = []
  const node: AvroNode = { ...props, name: props.name ?? full, kind: 'record', fields }
  names.set(full, node)
  for (const f of s['fields'] as { name: string; type: unknown }[]) fields.push({ name: f.name, node: parse(f.type, inner, names) })
  return node
}

function propsOf(s: Record<string, unknown>): AvroProps {
  const text = (key: string): string | null => (typeof s[key] === 'string' ? s[key] : null)
  const parameters = (s['connect.parameters'] ?? {}) as Record<string, string>
  return { name: text('connect.name'), logicalType: text('logicalType'), parameters }
}

function unsupported(type: string): Failure {
  return new Failure('TRB-ENV-004', { topic: '(schema)', reason: `its schema uses the Avro type ${type}` })
}

/** The branch of a union that is not null, and the index of null (−1: no null). Unions of more than one type are refused. */
export function nonNull(node: AvroNode): { readonly node: AvroNode; readonly nullBranch: number } {
  if (node.kind !== 'union') return { node, nullBranch: -1 }
  const nullBranch = node.branches.findIndex((b) => b.kind === 'null')
  if (node.branches.length !== 2 || nullBranch < 0) throw unsupported('union of several types')
  return { node: node.branches[1 - nullBranch], nullBranch }
}
