import type { CatalogType } from '../catalog-column.ts'

/** What a length is where there is none. */
const UNLIMITED = 2_147_483_647

/** Length and scale as the JDBC driver tells them, for `__debezium.source.column.*`. */
interface Sizes {
  readonly length: number
  readonly scale: number | null
}

/** Parameters `__debezium.source.column.*` in Debezium's order. `stream`: sizes as in the stream, which differ from the snapshot's for numeric. */
export function sourceTypeParameters(name: string, type: CatalogType, typmod: number, stream: boolean): (readonly [string, string])[] {
  const { length, scale } = sizesOf(type, typmod, stream)
  const of = (what: string): string => `__debezium.source.column.${what}`
  return [
    [of('type'), type.name.toUpperCase()],
    [of('length'), String(length)],
    ...(scale === null ? [] : [[of('scale'), String(scale)] as const]),
    [of('name'), name],
  ]
}

/** True when the two phases tell different sizes of such a column. */
export function hasTwoSizes(type: CatalogType, typmod: number): boolean {
  return root(type).name === 'numeric' && typmod < 0
}

function root(type: CatalogType): CatalogType {
  return type.element !== null && type.name.startsWith('_') ? type.element : type
}

const FIXED: Readonly<Record<string, readonly [number, number]>> = {
  int2: [5, 0],
  int4: [10, 0],
  oid: [10, 0],
  int8: [19, 0],
  float4: [8, 8],
  float8: [17, 17],
  bool: [1, 0],
  char: [1, 0],
  date: [13, 0],
}

function sizesOf(type: CatalogType, typmod: number, stream: boolean): Sizes {
  const { name } = root(type)
  const fixed = FIXED[name]
  if (fixed !== undefined) return { length: fixed[0], scale: fixed[1] }
  switch (name) {
    case 'numeric':
      if (typmod >= 4) return { length: ((typmod - 4) >> 16) & 0xffff, scale: (typmod - 4) & 0xffff }
      return stream ? { length: 131_089, scale: 0 } : { length: 0, scale: null }
    case 'bpchar':
    case 'varchar':
      return { length: typmod < 4 ? UNLIMITED : typmod - 4, scale: 0 }
    case 'bit':
    case 'varbit':
      return { length: typmod < 0 ? UNLIMITED : typmod, scale: 0 }
    case 'interval':
      return { length: 49, scale: typmod < 0 ? 6 : typmod & 0xffff }
    default:
      return temporalSizes(name, typmod) ?? { length: UNLIMITED, scale: 0 }
  }
}

const TEMPORAL: Readonly<Record<string, number>> = { time: 8, timetz: 14, timestamp: 22, timestamptz: 28 }

/** Characters of the widest value: point and digits of the second behind the rest. */
function temporalSizes(name: string, typmod: number): Sizes | null {
  const width = TEMPORAL[name]
  if (width === undefined) return null
  const digits = typmod < 0 ? 6 : typmod
  return { length: width + (digits === 0 ? 0 : digits === 1 ? 3 : digits + 1), scale: digits }
}
