import { SchemaError } from './json.ts'
import { type AvroField, type AvroRecord, type AvroSchema, isNamed, type NamedSchema } from './schema.ts'

export type IncompatibilityKind =
  | 'NAME_MISMATCH'
  | 'FIXED_SIZE_MISMATCH'
  | 'MISSING_ENUM_SYMBOLS'
  | 'READER_FIELD_MISSING_DEFAULT_VALUE'
  | 'TYPE_MISMATCH'
  | 'MISSING_UNION_BRANCH'

export interface Incompatibility {
  readonly kind: IncompatibilityKind
  /** JSON pointer into the reader's schema: `/fields/1/type`. */
  readonly path: string
  /** Names of the fields on the way, e.g. `after.total`; '' at the top. */
  readonly field: string
  /** What exactly: the field, the missing symbols, the types. */
  readonly detail: string
  /** Of a union without a fitting branch: what is against the branch of the same type and name. Empty: it has none. */
  readonly causes: readonly Incompatibility[]
}

/** What a place of the reader is called. */
interface Place {
  readonly path: string
  readonly field: string
}

/**
 * Why data written with `writer` can't be read with `reader`, by Avro's resolution rules as Java's SchemaCompatibility carries them out:
 * names are compared without their namespaces, an alias of the reader counts with its full name. Empty: it can.
 * Fails with SchemaError when an alias makes a field of the reader two fields of the writer.
 */
export function incompatibilities(reader: AvroSchema, writer: AvroSchema): readonly Incompatibility[] {
  return new Checker().pair(reader, writer, { path: '', field: '' })
}

class Checker {
  /** Pairs met so far; one in progress counts as compatible, so that recursive types end. */
  readonly #known = new Map<AvroSchema, Map<AvroSchema, readonly Incompatibility[]>>()

  pair(reader: AvroSchema, writer: AvroSchema, at: Place): readonly Incompatibility[] {
    let row = this.#known.get(reader)
    if (row === undefined) {
      row = new Map()
      this.#known.set(reader, row)
    }
    const known = row.get(writer)
    if (known !== undefined) return known
    row.set(writer, [])
    const found = this.#compare(reader, writer, at)
    row.set(writer, found)
    return found
  }

  #compare(reader: AvroSchema, writer: AvroSchema, at: Place): readonly Incompatibility[] {
    if (writer.kind === 'union') {
      return writer.branches.flatMap((b, i) => {
        const place = { ...at, path: `${at.path}/${i}` }
        const found = this.pair(reader, b, place)
        return found.length === 0 || reader.kind !== 'union' ? found : [this.#missingBranch(reader, b, place)]
      })
    }
    if (reader.kind === 'union') {
      const fits = reader.branches.some((b) => this.pair(b, writer, at).length === 0)
      return fits ? [] : [this.#missingBranch(reader, writer, at)]
    }
    if (reader.kind !== writer.kind) return promotes(reader.kind, writer.kind) ? [] : [mismatch(reader, writer, at)]
    switch (reader.kind) {
      case 'array':
        return this.pair(reader.items, (writer as typeof reader).items, { ...at, path: `${at.path}/items` })
      case 'map':
        return this.pair(reader.values, (writer as typeof reader).values, { ...at, path: `${at.path}/values` })
      case 'fixed':
      case 'enum':
      case 'record':
        return [...names(reader, writer as NamedSchema, at), ...this.#contents(reader, writer as NamedSchema, at)]
      default:
        return []
    }
  }

  #missingBranch(reader: AvroSchema & { readonly kind: 'union' }, writer: AvroSchema, at: Place): Incompatibility {
    const alike = reader.branches.find((b) => b.kind === writer.kind && (!isNamed(b) || b.name.name === (writer as NamedSchema).name.name))
    const causes = alike === undefined ? [] : this.pair(alike, writer, at)
    const detail = `reader union lacking writer type: ${writer.kind.toUpperCase()}`
    return { kind: 'MISSING_UNION_BRANCH', path: at.path === '' ? '/' : at.path, field: at.field, detail, causes }
  }

  #contents(reader: NamedSchema, writer: NamedSchema, at: Place): readonly Incompatibility[] {
    if (reader.kind === 'record') return this.#fields(reader, writer as AvroRecord, at)
    if (reader.kind === 'fixed') {
      const [want, have] = [reader.size, (writer as typeof reader).size]
      if (want === have) return []
      return [{ ...issue('FIXED_SIZE_MISMATCH', at, 'size'), detail: `expected: ${have}, found: ${want}` }]
    }
    const missing = (writer as typeof reader).symbols.filter((s) => !reader.symbols.includes(s)).sort()
    if (missing.length === 0 || reader.default !== null) return []
    return [{ ...issue('MISSING_ENUM_SYMBOLS', at, 'symbols'), detail: `[${missing.join(', ')}]` }]
  }

  #fields(reader: AvroRecord, writer: AvroRecord, at: Place): readonly Incompatibility[] {
    return reader.fields.flatMap((f, i) => {
      const place = { path: `${at.path}/fields/${i}`, field: at.field === '' ? f.name : `${at.field}.${f.name}` }
      const written = writtenField(f, writer)
      if (written !== undefined) return this.pair(f.type, written.type, { ...place, path: `${place.path}/type` })
      if (f.default !== undefined) return []
      if (f.type.kind === 'enum' && f.type.default !== null) return this.pair(f.type, writer, { ...place, path: `${place.path}/type` })
      return [{ kind: 'READER_FIELD_MISSING_DEFAULT_VALUE', ...place, detail: f.name, causes: [] }]
    })
  }
}

/** The writer's field that has the name or an alias of the reader's. Two of them: Avro can't tell which. */
function writtenField(field: AvroField, writer: AvroRecord): AvroField | undefined {
  const [first, second] = writer.fields.filter((f) => f.name === field.name || field.aliases?.includes(f.name))
  if (second === undefined) return first
  throw new SchemaError(`field ${field.name} of the reader is ${first!.name} and ${second.name} of the writer, by its aliases`)
}

function names(reader: NamedSchema, writer: NamedSchema, at: Place): readonly Incompatibility[] {
  if (reader.name.name === writer.name.name || reader.aliases?.some((a) => a.full === writer.name.full)) return []
  return [{ ...issue('NAME_MISMATCH', at, 'name'), detail: `expected: ${writer.name.full}` }]
}

/** Whether a value of the writer's type may be read as another one. */
function promotes(reader: AvroSchema['kind'], writer: AvroSchema['kind']): boolean {
  const from: Partial<Record<AvroSchema['kind'], readonly AvroSchema['kind'][]>> = {
    long: ['int'],
    float: ['int', 'long'],
    double: ['int', 'long', 'float'],
    bytes: ['string'],
    string: ['bytes'],
  }
  return from[reader]?.includes(writer) ?? false
}

function issue(kind: IncompatibilityKind, at: Place, member: string): Omit<Incompatibility, 'detail'> {
  return { kind, path: `${at.path}/${member}`, field: at.field, causes: [] }
}

function mismatch(reader: AvroSchema, writer: AvroSchema, at: Place): Incompatibility {
  const detail = `reader type: ${reader.kind.toUpperCase()} not compatible with writer type: ${writer.kind.toUpperCase()}`
  return { kind: 'TYPE_MISMATCH', path: at.path === '' ? '/' : at.path, field: at.field, detail, causes: [] }
}
