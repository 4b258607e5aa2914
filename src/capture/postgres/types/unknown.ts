import type { ByteSink } from '../../../contract/change.ts'
import { javaDouble } from '../../../format/text/java-number.ts'
import { type BinaryMode, binaryText, encodeText } from '../../types/text.ts'
import type { TypeMapping } from '../../types/type-mapping.ts'
import type { CatalogType } from '../catalog-column.ts'
import type { TypeOptions } from './options.ts'
import { arrayPlaceholder } from './placeholder.ts'

/** Types that the JDBC driver reads into objects of its own and prints again, their numbers as Java prints doubles. */
const GEOMETRIC = ['box', 'lseg', 'path', 'polygon', 'circle', 'line']

const NUMBER = /[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/g

/** With include.unknown.datatypes: the bytes of the text, in the form of binary.handling.mode. */
export function unknownType(type: CatalogType, options: TypeOptions): TypeMapping {
  const root = type.base?.type ?? type
  const geometric = GEOMETRIC.includes(root.name)
  const mode = options.binary
  const encode = (src: Buffer, start: number, length: number, out: ByteSink): boolean => {
    const bytes = geometric ? printed(src.toString('latin1', start, start + length)) : src.subarray(start, start + length)
    const shown = inMode(bytes, mode)
    return encodeText(shown, 0, shown.length, out)
  }
  const schema: TypeMapping['schema'] = { type: mode === 'bytes' ? 'bytes' : 'string' }
  return { schema, encode, fallback: Buffer.from([0]), unavailable: arrayPlaceholder('bytea', options) }
}

function inMode(bytes: Buffer, mode: BinaryMode): Buffer {
  return mode === 'bytes' ? bytes : Buffer.from(binaryText(bytes, mode), 'latin1')
}

function printed(text: string): Buffer {
  return Buffer.from(
    text.replace(NUMBER, (n) => javaDouble(Number(n))),
    'latin1',
  )
}
