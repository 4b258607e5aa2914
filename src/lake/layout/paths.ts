import { Failure } from '../../failure/failure.ts'

/** Directory of timeline and configuration inside a table. */
export const HOODIE_DIR = '.hoodie'
export const PARTITION_METADATA = '.hoodie_partition_metadata'
/** Directory of Tributary's own files at the root of a lake. */
export const LAKE_DIR = '.tributary'

export type MarkerKind = 'CREATE' | 'MERGE' | 'APPEND'

/** Key of a file in the table's `.hoodie/`. */
export function hoodieKey(table: string, name: string): string {
  return `${join(table, HOODIE_DIR)}/${name}`
}

/** `a/b`, where either may be empty. */
export function join(a: string, b: string): string {
  if (a === '') return b
  return b === '' ? a : `${a}/${b}`
}

/** Key prefix of the markers of an instant. */
export function markerPrefix(table: string, instant: string): string {
  return hoodieKey(table, `.temp/${instant}/`)
}

/** Key of a DIRECT marker: it names a data file (path relative to the table) before that file exists. */
export function markerKey(table: string, instant: string, path: string, kind: MarkerKind): string {
  return `${markerPrefix(table, instant)}${path}.marker.${kind}`
}

/** Path (relative to the table) of the data file that a marker names; null: no DIRECT marker. */
export function markedPath(table: string, instant: string, key: string): string | null {
  const rest = key.slice(markerPrefix(table, instant).length)
  const m = /^(.+)\.marker\.(?:CREATE|MERGE|APPEND)$/.exec(rest)
  return m === null ? null : m[1]
}

/**
 * Store path of a source table: `<prefix>/<schema>/<table>`. Bytes of a name outside `[A-Za-z0-9._-]` become `%XX` (UTF-8, upper case),
 * and so do a leading dot and the `%` itself, so that different names never meet and no name is a special one.
 */
export function tablePath(prefix: string, schema: string, table: string): string {
  return [prefix, schema, table]
    .filter((p) => p !== '')
    .map(encodeName)
    .join('/')
}

/** One path segment of `tablePath`. Refuses the empty name. */
export function encodeName(name: string): string {
  if (name === '') throw new Failure('TRB-LAKE-013', { name })
  const bytes = Buffer.from(name, 'utf8')
  let out = ''
  for (const [i, b] of bytes.entries()) {
    const c = String.fromCharCode(b)
    const plain = b < 0x80 && /[A-Za-z0-9._-]/.test(c) && !(i === 0 && c === '.')
    out += plain ? c : percent(b)
  }
  return out
}

/** Reverse of `encodeName`. */
export function decodeName(segment: string): string {
  const bytes: number[] = []
  for (let i = 0; i < segment.length; i++) {
    if (segment[i] === '%') {
      bytes.push(Number.parseInt(segment.slice(i + 1, i + 3), 16))
      i += 2
    } else bytes.push(segment.charCodeAt(i))
  }
  return Buffer.from(bytes).toString('utf8')
}

/** Characters that Hudi escapes in partition values when `partitionpath.urlencode` is on (as Hive does). */
const ESCAPED = /[\u0001-\u001f"#%'*/:=?\\\u007f{[\]^]/g
/** Directory of rows whose partition column is null or empty. */
export const NULL_PARTITION = '__HIVE_DEFAULT_PARTITION__'

/** Directory name of a partition value, as Hudi's key generators write it with URL encoding on. */
export function partitionSegment(value: string | null): string {
  if (value === null || value === '') return NULL_PARTITION
  return value.replace(ESCAPED, (c) => percent(c.charCodeAt(0)))
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}
