import type { LakeType, StructField } from '../../contract/columns.ts'
import { type BytesBuilder, type ColumnBuilder, ListBuilder, MapBuilder, StructBuilder } from '../columns/builders.ts'
import { scalarParser } from '../text/scalar-parsers.ts'
import type { JsonScanner } from './json-scanner.ts'

/** Consumes the next JSON value and appends it to a builder of the type; the text of the value when it is none of the type. */
export type JsonCell = (json: JsonScanner, builder: ColumnBuilder) => string | null

/**
 * JSON values of a type: numbers and strings for all number types (exact), ISO strings for dates and times (dates also as days, the others
 * as microseconds, when they are integers), base64 for bytes. A text column takes any value: other than strings by their JSON text.
 */
export function jsonCell(type: LakeType): JsonCell {
  const present = presentCell(type)
  return (json, builder) => {
    if (json.kind() !== 'null') return present(json, builder)
    json.word('null')
    builder.appendNull()
    return null
  }
}

function presentCell(type: LakeType): JsonCell {
  if (type.kind === 'list') return listCell(type.element)
  if (type.kind === 'map') return mapCell(type.value)
  if (type.kind === 'struct') return structCell(type.fields)
  if (type.kind === 'string') return textCell
  const parse = scalarParser(type)!
  const number = numberParser(type) ?? parse
  return (json, builder) => {
    const kind = json.kind()
    if (kind === 'string') {
      const text = json.string()
      return parse(builder, text) ? null : JSON.stringify(text)
    }
    if (kind === 'number') {
      const text = json.number()
      return number(builder, text) ? null : text
    }
    const text = json.raw()
    return (kind === 'true' || kind === 'false') && type.kind === 'boolean' && parse(builder, text) ? null : text
  }
}

/** A number in place of a date or a time is its storage form: days, or microseconds. No number stands for bytes or a boolean. */
function numberParser(type: LakeType): ((b: ColumnBuilder, text: string) => boolean) | null {
  if (type.kind === 'date') return scalarParser({ kind: 'int' })
  if (type.kind === 'time-micros' || type.kind === 'timestamp-micros') return scalarParser({ kind: 'long' })
  return type.kind === 'bytes' || type.kind === 'boolean' ? () => false : null
}

const textCell: JsonCell = (json, builder) => {
  const text = json.kind() === 'string' ? json.string() : json.raw()
  const bytes = Buffer.from(text, 'utf8')
  ;(builder as BytesBuilder).append(bytes, 0, bytes.length)
  return null
}

function listCell(element: LakeType): JsonCell {
  const cell = jsonCell(element)
  return (json, builder) => {
    if (json.kind() !== 'array' || !(builder instanceof ListBuilder)) return json.raw()
    let bad: string | null = null
    json.array(() => {
      const wrong = cell(json, builder.element)
      if (wrong !== null) {
        bad ??= wrong
        builder.element.appendNull()
      }
    })
    builder.end()
    return bad
  }
}

function mapCell(value: LakeType): JsonCell {
  const cell = jsonCell(value)
  return (json, builder) => {
    if (json.kind() !== 'object' || !(builder instanceof MapBuilder)) return json.raw()
    let bad: string | null = null
    json.object((name) => {
      const key = Buffer.from(name, 'utf8')
      builder.key.append(key, 0, key.length)
      const wrong = cell(json, builder.value)
      if (wrong !== null) {
        bad ??= wrong
        builder.value.appendNull()
      }
    })
    builder.end()
    return bad
  }
}

/** Members by name; one that is no field, or comes twice, makes the value none of the type. Fields without a member are null. */
function structCell(fields: readonly StructField[]): JsonCell {
  const place = new Map(fields.map((f, i) => [f.name, i]))
  const cells = fields.map((f) => jsonCell(f.type))
  return (json, builder) => {
    if (json.kind() !== 'object' || !(builder instanceof StructBuilder)) return json.raw()
    const { count } = builder
    let bad: string | null = null
    json.object((name) => {
      const at = place.get(name)
      if (at === undefined || builder.fields[at]!.count > count) {
        bad ??= JSON.stringify(name)
        json.skip()
        return
      }
      const wrong = cells[at]!(json, builder.fields[at]!)
      if (wrong !== null) {
        bad ??= wrong
        builder.fields[at]!.appendNull()
      }
    })
    builder.end()
    return bad
  }
}
