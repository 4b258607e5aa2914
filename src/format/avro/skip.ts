import type { ByteCursor } from '../bytes/cursor.ts'
import type { AvroNode } from './avro-node.ts'

export type Skipper = (c: ByteCursor) => void

/** A function that moves a cursor over one value of this schema. */
export function compileSkip(node: AvroNode): Skipper {
  switch (node.kind) {
    case 'null':
      return () => undefined
    case 'boolean':
      return (c) => c.skip(1)
    case 'int':
    case 'long':
      return skipVarint
    case 'float':
      return (c) => c.skip(4)
    case 'double':
      return (c) => c.skip(8)
    case 'string':
    case 'bytes':
      return skipBytes
    case 'union': {
      const branches = node.branches.map(compileSkip)
      return (c) => branches[c.zigzag32()](c)
    }
    case 'record': {
      const fields = node.fields.map((f) => compileSkip(f.node))
      return (c) => {
        for (let i = 0; i < fields.length; i++) fields[i](c)
      }
    }
    case 'array':
      return skipBlocks(compileSkip(node.items))
    case 'map': {
      const value = compileSkip(node.items)
      return skipBlocks((c) => {
        skipBytes(c)
        value(c)
      })
    }
  }
}

export function skipVarint(c: ByteCursor): void {
  const buf = c.buf
  let pos = c.pos
  while (buf[pos++] > 127);
  c.pos = pos
}

export function skipBytes(c: ByteCursor): void {
  c.skip(c.length())
}

function skipBlocks(item: Skipper): Skipper {
  return (c) => {
    for (let n = c.zigzag32(); n !== 0; n = c.zigzag32()) {
      if (n < 0) c.skip(c.length())
      else for (let i = 0; i < n; i++) item(c)
    }
  }
}
