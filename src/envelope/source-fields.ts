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

/** A reader of the source struct: ts_ms, txId and lsn are kept, everything else is skipped. */
export function compileSource(node: AvroNode): Step {
  if (node.kind !== 'record') throw new Failure('TRB-ENV-004', { topic: '', reason: 'its source is no record' })
  const steps = node.fields.map((f): Step => {
    if (f.name === 'ts_ms') return readTime
    if (f.name === 'txId') return optionalStep(f.node, readTx, noTx)
    if (f.name === 'lsn') return optionalStep(f.node, readPlace, noPlace)
    return compileSkip(f.node)
  })
  const names = node.fields.map((f) => f.name)
  const hasTx = names.includes('txId')
  const hasPlace = names.includes('lsn')
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

function noPlace(_c: ByteCursor, into: SourceFields): void {
  into.hasPlace = false
}
