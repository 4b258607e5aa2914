import type { LakeColumn, Vector } from '../../contract/columns.ts'
import { Failure } from '../../failure/failure.ts'
import { GrowableSink, writeSlice } from '../../format/bytes/growable-sink.ts'
import { ascii, type TextWriter, textWriter } from './java-text.ts'
import { hashKeys, type Keys } from './keys.ts'

/**
 * Record keys as Hudi's key generators write them: one field, the value's text alone; several, `a:1,b:2` (ComplexKeyGenerator), where
 * null is `__null__` and '' is `__empty__` (of one field a null is an error). Bytes are written as hex (Java would write the name of a buffer).
 *
 * Hudi's composite form is ambiguous for texts that look like the rest of a key: a='1,b:2' b='3' and a='1' b='2,b:3' are both
 * `a:1,b:2,b:3`. Such texts are percent-escaped, so that two rows never share a key; all others are exactly Hudi's.
 */
export interface KeyWriter {
  readonly fields: readonly string[]
  /** Keys of rows `rows` (null: 0 … n − 1) of a chunk; `vectors[i]` is the column of `fields[i]`. */
  write(vectors: readonly Vector[], rows: Int32Array | null, n: number, seed: number): Keys
}

/** `named`: a key of one field is written as `field:value`, too. */
export function keyWriter(table: string, key: readonly LakeColumn[], named?: boolean): KeyWriter {
  const fields = key.map((c) => c.name)
  const composite = key.length > 1 || named === true
  const names = fields.map((f, i) => `${i > 0 ? ',' : ''}${f}:`)
  const fixed = key.map((c): TextWriter | null => (c.type.kind === 'string' || c.type.kind === 'bytes' ? null : keyText(table, c)))
  const ambiguous = new RegExp(`(,|%(25)*2C)(${fields.join('|')}):|^(%(25)*5F|_)_empty__$`)
  const out = new GrowableSink(1 << 16)

  const writeField = (f: number, v: Vector, row: number): void => {
    if (composite) ascii(names[f], out)
    if (v.valid !== null && v.valid[row] === 0) {
      if (key.length === 1) throw new Failure('TRB-LAKE-403', { table, column: fields[f] })
      ascii('__null__', out)
      return
    }
    const print = fixed[f]
    if (print !== null && v.kind === 'fixed') print(v, row, out)
    else if (v.kind === 'bytes') writeText(v.data, v.offsets[row], v.offsets[row + 1], key[f].type.kind === 'bytes')
    else throw new Failure('TRB-INT-001', { invariant: 'a key column has the vector of its type' })
  }
  const writeText = (data: Buffer, from: number, to: number, hex: boolean): void => {
    if (hex) ascii(data.toString('hex', from, to), out)
    else if (!composite) writeSlice(out, data, from, to - from)
    else if (from === to) ascii('__empty__', out)
    else if (!suspicious(data, from, to)) writeSlice(out, data, from, to - from)
    else {
      const text = data.toString('utf8', from, to)
      const safe = ambiguous.test(text) ? text.replace(/[%,]/g, percent).replace(/^_/, '%5F') : text
      const bytes = Buffer.from(safe, 'utf8')
      writeSlice(out, bytes, 0, bytes.length)
    }
  }

  return {
    fields,
    write(vectors, rows, n, seed) {
      out.pos = 0
      const offsets = new Int32Array(n + 1)
      for (let i = 0; i < n; i++) {
        const row = rows === null ? i : rows[i]
        for (let f = 0; f < vectors.length; f++) writeField(f, vectors[f], row)
        offsets[i + 1] = out.pos
      }
      const data = Buffer.allocUnsafeSlow(out.pos)
      out.buf.copy(data, 0, 0, out.pos)
      return hashKeys(data, offsets, n, seed)
    },
  }
}

function keyText(table: string, c: LakeColumn): TextWriter {
  if (c.type.kind === 'list' || c.type.kind === 'map' || c.type.kind === 'struct')
    throw new Failure('TRB-LAKE-404', { table, column: c.name, type: c.type.kind })
  return textWriter(c.type)
}

/** Only texts with ',' or '%', or that begin with '_', can be ambiguous. */
function suspicious(data: Uint8Array, from: number, to: number): boolean {
  if (data[from] === 0x5f) return true
  for (let i = from; i < to; i++) if (data[i] === 0x2c || data[i] === 0x25) return true
  return false
}

function percent(c: string): string {
  return c === ',' ? '%2C' : '%25'
}
