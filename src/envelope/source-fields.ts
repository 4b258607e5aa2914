import { Failure } from '../failure/failure.ts'
import { type AvroNode, nonNull } from '../format/avro/avro-node.ts'
import { compileSkip } from '../format/avro/skip.ts'
import type { ByteCursor } from '../format/bytes/cursor.ts'

/** What the lake keeps of the `source` struct; 64-bit values as u32 halves. */
export interface SourceFields {
  tsHi: number
  tsLo: number
  txHi: number
  txLo: number
  hasTx: boolean
  placeHi: number
  placeLo: number
  hasPlace: boolean
}

type Step = (c: ByteCursor, into: SourceFields) => void

/**
 * A reader of the source struct: ts_ms, txId and the place are kept, everything else is skipped. The place is `lsn`, and of MySQL and MariaDB
 * the number of the binlog `file` << 36 | `pos`: it increases with both.
 */
export function compileSource(node: AvroNode): Step {
  if (node.kind !== 'record') throw new Failure('TRB-ENV-004', { topic: '', reason: 'its source is no record' })
  const names = node.fields.map((f) => f.name)
  const binlog = !names.includes('lsn') && names.includes('file') && names.includes('pos')
  const steps = node.fields.map((f): Step => {
    if (f.name === 'ts_ms') return readTime
    if (f.name === 'txId') return optionalStep(f.node, readTx, noTx)
    if (f.name === 'lsn') return optionalStep(f.node, readPlace, noPlace)
    if (binlog && f.name === 'file') return readFile
    if (binlog && f.name === 'pos') return readPos
    return compileSkip(f.node)
  })
  const hasTx = names.includes('txId')
  const hasPlace = names.includes('lsn') || binlog
  return (c, into) => {
    if (!hasTx) into.hasTx = false
    if (!hasPlace) into.hasPlace = false
    for (let i = 0; i < steps.length; i++) steps[i](c, into)
  }
}

function optionalStep(node: AvroNode, value: Step, none: Step): Step {
  const { nullBranch } = nonNull(node)
  if (nullBranch < 0) return value
  const nullByte = nullBranch * 2
  return (c, into) => {
    if (c.buf[c.pos++] === nullByte) none(c, into)
    else value(c, into)
  }
}

function readTime(c: ByteCursor, into: SourceFields): void {
  c.zigzag64()
  into.tsHi = c.hi
  into.tsLo = c.lo
}

function readTx(c: ByteCursor, into: SourceFields): void {
  c.zigzag64()
  into.txHi = c.hi
  into.txLo = c.lo
  into.hasTx = true
}

function noTx(_c: ByteCursor, into: SourceFields): void {
  into.hasTx = false
}

function readPlace(c: ByteCursor, into: SourceFields): void {
  c.zigzag64()
  into.placeHi = c.hi
  into.placeLo = c.lo
  into.hasPlace = true
}

/** The number that ends the name of a binlog file, in the bits above 36. */
function readFile(c: ByteCursor, into: SourceFields): void {
  const length = c.length()
  const end = c.pos + length
  let start = end
  while (start > c.pos && c.buf[start - 1] >= 48 && c.buf[start - 1] <= 57) start--
  let n = 0
  for (let i = start; i < end; i++) n = n * 10 + c.buf[i] - 48
  c.pos = end
  into.placeHi = (n * 16) >>> 0
  into.placeLo = 0
  into.hasPlace = length > 0
}

/** Comes behind `file`. */
function readPos(c: ByteCursor, into: SourceFields): void {
  c.zigzag64()
  into.placeHi = (into.placeHi | (c.hi & 15)) >>> 0
  into.placeLo = c.lo
}

function noPlace(_c: ByteCursor, into: SourceFields): void {
  into.hasPlace = false
}
