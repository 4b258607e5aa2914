import { describe, expect, it } from 'vitest'
import { BatchBuilder } from '../../src/capture/batch-builder.ts'
import type { ChangeBatch } from '../../src/contract/change.ts'

const END = { upTo: '1', boundary: true, snapshotDone: [], snapshotComplete: false }

/** A batch of `rows` changes whose arena is full of `byte`. */
function filled(builder: BatchBuilder, byte: number, rows = 2000, bytes = 4000): ChangeBatch {
  for (let i = 0; i < rows; i++) builder.add(0, 99, 0, -1, 0, i, 0, byte)
  builder.reserve(bytes)
  builder.arena.fill(byte, builder.filled, builder.filled + bytes)
  builder.filled += bytes
  builder.parsed = builder.filled
  return builder.cut(END)
}

describe('memory of batches', () => {
  it('is used again only after the batch was released', () => {
    const builder = new BatchBuilder(4096)
    const first = filled(builder, 1)
    const second = filled(builder, 2)
    expect(second.arena.buffer).not.toBe(first.arena.buffer)
    const arena = first.arena.buffer
    first.release?.()
    first.release?.()
    // what is being filled now was taken before the release
    const third = filled(builder, 3)
    const fourth = filled(builder, 4)
    const fifth = filled(builder, 5)
    expect([third, fourth, fifth].filter((b) => b.arena.buffer === arena)).toHaveLength(1)
    for (const [byte, b] of [second, third, fourth, fifth].entries()) {
      expect(b.arena.every((x) => x === byte + 2)).toBe(true)
      expect(b.placeLo.every((x) => x === byte + 2)).toBe(true)
      expect(b.after).toEqual(Int32Array.from({ length: 2000 }, (_, i) => i))
    }
  })

  it('of an arena that grew for one large change is not kept', () => {
    const builder = new BatchBuilder(4096)
    const large = filled(builder, 1, 1, 100_000)
    expect(large.release).toBe(undefined)
    expect(builder.arena.length).toBe(4096)
  })

  it('moves bytes of the next batch along into released memory', () => {
    const builder = new BatchBuilder(4096)
    for (const byte of [1, 2]) filled(builder, byte).release?.()
    builder.append(Buffer.alloc(4000, 7))
    builder.add(0, 99, 0, -1, 0, 0, 0, 0)
    builder.parsed = 3000
    const batch = builder.cut(END)
    expect(batch.arena.equals(Buffer.alloc(3000, 7))).toBe(true)
    expect(builder.arena.subarray(0, builder.filled).equals(Buffer.alloc(1000, 7))).toBe(true)
  })
})
