import type { LakeColumn, LakeType } from '../../contract/columns.ts'
import { Failure } from '../../failure/failure.ts'

/**
 * `--types a:long,b:decimal(10,2),c:list<string>`:
 *
 *   list => column ':' type (',' column ':' type)*
 *   type => boolean | int | long | float | double | string | bytes | date | time | timestamp
 *         | decimal '(' precision ',' scale ')' | 'list<' type '>' | 'map<' type '>' | 'struct<' list '>'
 *
 * A column's name may hold ':' but the last. TRB-CLI-004 for anything else.
 */
export function parseTypes(command: string, text: string): LakeColumn[] {
  return parts(text).map((part) => {
    const column = columnOf(part)
    if (column === null) {
      const expected =
        'column:type, where type is boolean, int, long, float, double, string, bytes, date, time, timestamp, decimal(p,s), list<type>, map<type> or struct<name:type,…>'
      throw new Failure('TRB-CLI-004', { command, where: '--types', value: JSON.stringify(part), expected })
    }
    return column
  })
}

/** The first ':' before the brackets of a nested type, else the last. */
function columnOf(part: string): LakeColumn | null {
  const bracket = part.search(/(list|map|struct)</)
  const at = (bracket < 0 ? part : part.slice(0, bracket)).lastIndexOf(':')
  const type = at < 1 ? null : typeOf(part.slice(at + 1).trim())
  return type === null ? null : { name: part.slice(0, at).trim(), type }
}

/** Cuts at commas outside brackets. */
function parts(text: string): string[] {
  const out: string[] = []
  let depth = 0
  let from = 0
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '(' || text[i] === '<') depth++
    else if (text[i] === ')' || text[i] === '>') depth--
    else if (text[i] === ',' && depth === 0) {
      out.push(text.slice(from, i))
      from = i + 1
    }
  }
  return [...out, text.slice(from)].map((p) => p.trim())
}

const PLAIN: Readonly<Record<string, LakeType>> = {
  boolean: { kind: 'boolean' },
  int: { kind: 'int' },
  long: { kind: 'long' },
  float: { kind: 'float' },
  double: { kind: 'double' },
  string: { kind: 'string' },
  bytes: { kind: 'bytes' },
  date: { kind: 'date' },
  time: { kind: 'time-micros' },
  timestamp: { kind: 'timestamp-micros' },
}

function typeOf(text: string): LakeType | null {
  const plain = Object.hasOwn(PLAIN, text) ? PLAIN[text] : undefined
  if (plain !== undefined) return plain
  const decimal = /^decimal\((\d{1,2}),\s*(\d{1,2})\)$/.exec(text)
  if (decimal !== null) {
    const [precision, scale] = [Number(decimal[1]), Number(decimal[2])]
    return precision >= 1 && precision <= 38 && scale <= precision ? { kind: 'decimal', precision, scale } : null
  }
  const struct = /^struct<(.+)>$/.exec(text)
  if (struct !== null) {
    const fields = parts(struct[1]!).map(columnOf)
    return fields.every((f) => f !== null) ? { kind: 'struct', fields } : null
  }
  const nested = /^(list|map)<(.+)>$/.exec(text)
  const inner = nested === null ? null : typeOf(nested[2]!.trim())
  if (nested === null || inner === null) return null
  return nested[1] === 'list' ? { kind: 'list', element: inner } : { kind: 'map', value: inner }
}
