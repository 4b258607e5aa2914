import type { BatchBuilder } from '../../batch-builder.ts'
import { putI32 } from './big-endian.ts'

const TAB = 0x09
const NEWLINE = 0x0a
const BACKSLASH = 0x5c

/**
 * One line of COPY … TO STDOUT (text format) as a tuple in the builder's arena (grammar in contract/change.ts):
 *   line  => field (TAB field)* LF
 *   field => '\N' (null) | bytes with \b \f \n \r \t \v \\ escaped
 * Returns the arena offset of the tuple. `columns` is the number of fields; a line with another number answers −1.
 */
export function copyLineToTuple(line: Uint8Array, start: number, end: number, columns: number, builder: BatchBuilder): number {
  builder.reserve(2 + columns * 5 + (end - start))
  const out = builder.arena
  const offset = builder.filled
  out[offset] = columns >>> 8
  out[offset + 1] = columns
  let to = offset + 2
  let p = start
  let fields = 0
  // A table may have no column at all: its lines are empty.
  while (columns > 0 || line[p] !== NEWLINE) {
    if (fields === columns) return -1
    if (line[p] === BACKSLASH && line[p + 1] === 0x4e) {
      out[to++] = 0x6e
      p += 2
    } else {
      out[to] = 0x74
      const from = to + 5
      let at = from
      let c = line[p]
      while (c !== TAB && c !== NEWLINE) {
        if (c === BACKSLASH) c = escaped(line[++p])
        out[at++] = c
        c = line[++p]
      }
      putI32(out, to + 1, at - from)
      to = at
    }
    fields++
    if (line[p] !== TAB || p >= end) break
    p++
  }
  if (fields !== columns || line[p] !== NEWLINE || p !== end - 1) return -1
  builder.filled = to
  builder.parsed = to
  return offset
}

/** The byte after a backslash; the server escapes these six controls and the backslash, nothing else. */
function escaped(c: number): number {
  switch (c) {
    case 0x62:
      return 0x08
    case 0x66:
      return 0x0c
    case 0x6e:
      return NEWLINE
    case 0x72:
      return 0x0d
    case 0x74:
      return TAB
    case 0x76:
      return 0x0b
    default:
      return c
  }
}
