import { jsonText } from './json.ts'
import { type AvroField, type AvroSchema, isNamed, type Props } from './schema.ts'

/** Whether two schemas are one and the same type with the same properties; docs and aliases don't count. Java's Schema.equals. */
export function sameSchema(a: AvroSchema, b: AvroSchema, assumed = new Map<AvroSchema, AvroSchema>()): boolean {
  if (a === b || assumed.get(a) === b) return true
  if (a.kind !== b.kind) return false
  if (a.kind === 'union') {
    const other = (b as typeof a).branches
    return a.branches.length === other.length && a.branches.every((x, i) => sameSchema(x, other[i]!, assumed))
  }
  if (propsText(a.props) !== propsText((b as typeof a).props)) return false
  if (isNamed(a)) {
    if (a.name.full !== (b as typeof a).name.full) return false
    assumed.set(a, b)
  }
  switch (a.kind) {
    case 'array':
      return sameSchema(a.items, (b as typeof a).items, assumed)
    case 'map':
      return sameSchema(a.values, (b as typeof a).values, assumed)
    case 'fixed':
      return a.size === (b as typeof a).size
    case 'enum':
      return a.symbols.join() === (b as typeof a).symbols.join()
    case 'record': {
      const other = (b as typeof a).fields
      return a.fields.length === other.length && a.fields.every((f, i) => sameField(f, other[i]!, assumed))
    }
    default:
      return true
  }
}

function sameField(a: AvroField, b: AvroField, assumed: Map<AvroSchema, AvroSchema>): boolean {
  if (a.name !== b.name || a.order !== b.order || propsText(a.props) !== propsText(b.props)) return false
  const [x, y] = [a.default, b.default].map((d) => (d === undefined ? '' : jsonText(d)))
  return x === y && sameSchema(a.type, b.type, assumed)
}

function propsText(props: Props): string {
  return [...props]
    .map(([k, v]) => `${JSON.stringify(k)}:${jsonText(v)}`)
    .sort()
    .join()
}
