import type { ByteSink, ValueEncoder } from '../../../contract/change.ts'
import { GrowableSink } from '../../../format/bytes/growable-sink.ts'
import { writeVarint, writeZigzag32 } from '../../../format/bytes/varint.ts'
import { badValue } from '../../types/bad-value.ts'

/**
 * PG array text → Avro array (one block, then 0; an empty array is the 0 alone).
 *   array   => [ '[' bounds ']' '=' ] '{' [ element (',' element)* ] '}'
 *   element => NULL | plain | '"' (char | '\' char)* '"' | array
 * Of a multidimensional array Debezium keeps only the outer length, with null elements (spec debezium B.23).
 * `optional`: elements are ["null", T].
 */
export function encodeArray(element: ValueEncoder, optional: boolean): ValueEncoder {
  const scratch = new GrowableSink(256)
  return (src, start, length, out) => {
    const end = start + length
    let i = start
    if (src[i] === 91) i = src.indexOf(61, i) + 1
    if (src[i] !== 123 || src[end - 1] !== 125) throw badValue('array', src, start, length)
    const count = countElements(src, i + 1, end - 1)
    if (count > 0) writeZigzag32(out, count)
    i++
    for (let n = 0; n < count; n++) i = oneElement(src, i, end - 1, element, optional, scratch, out)
    writeVarint(out, 0)
    return true
  }
}

/** Elements of the outer dimension. */
function countElements(src: Buffer, start: number, end: number): number {
  if (start === end) return 0
  let n = 1
  let depth = 0
  for (let i = start; i < end; i++) {
    const c = src[i]
    if (c === 34) i = closingQuote(src, i, end)
    else if (c === 92) i++
    else if (c === 123) depth++
    else if (c === 125) depth--
    else if (c === 44 && depth === 0) n++
  }
  return n
}

/** Writes the element at `start` and returns the start of the next one. */
function oneElement(
  src: Buffer,
  start: number,
  end: number,
  element: ValueEncoder,
  optional: boolean,
  scratch: GrowableSink,
  out: ByteSink,
): number {
  if (src[start] === 123) {
    writeElement(element, null, 0, 0, optional, out)
    return skipNested(src, start, end)
  }
  if (src[start] !== 34) {
    let stop = src.indexOf(44, start)
    if (stop < 0 || stop > end) stop = end
    const isNull = stop - start === 4 && src.toString('latin1', start, stop).toUpperCase() === 'NULL'
    writeElement(element, isNull ? null : src, start, stop - start, optional, out)
    return stop + 1
  }
  const close = closingQuote(src, start, end)
  scratch.pos = 0
  scratch.reserve(close - start)
  const buf = scratch.buf
  let n = 0
  for (let i = start + 1; i < close; i++) {
    if (src[i] === 92) i++
    buf[n++] = src[i]
  }
  writeElement(element, buf, 0, n, optional, out)
  return close + 2
}

function writeElement(element: ValueEncoder, src: Buffer | null, start: number, length: number, optional: boolean, out: ByteSink): void {
  if (!optional) {
    if (src === null || !element(src, start, length, out)) throw badValue('array without null elements', src ?? NULL_TEXT, 0, 4)
    return
  }
  out.reserve(1)
  const mark = out.pos
  out.buf[out.pos++] = 2
  if (src !== null && element(src, start, length, out)) return
  out.pos = mark
  out.buf[out.pos++] = 0
}

const NULL_TEXT = Buffer.from('NULL')

function closingQuote(src: Buffer, open: number, end: number): number {
  for (let i = open + 1; i < end; i++) {
    if (src[i] === 92) i++
    else if (src[i] === 34) return i
  }
  throw badValue('array', src, open, end - open)
}

function skipNested(src: Buffer, start: number, end: number): number {
  let depth = 0
  for (let i = start; i < end; i++) {
    const c = src[i]
    if (c === 34) i = closingQuote(src, i, end)
    else if (c === 92) i++
    else if (c === 123) depth++
    else if (c === 125 && --depth === 0) return i + 2
  }
  throw badValue('array', src, start, end - start)
}
