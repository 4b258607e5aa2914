import { describe, expect, it } from 'vitest'
import { Scratch } from '../../../src/format/parquet/scratch.ts'
import { SequenceNumbers } from '../../../src/lake/write/sequence-numbers.ts'

describe('sequence numbers', () => {
  it('count on from call to call and through each new digit', () => {
    const numbers = new SequenceNumbers('20261121100000000', 12)
    const scratch = new Scratch()
    const texts: string[] = []
    for (const count of [1, 8, 0, 2, 90, 1000, 9000, 4321, 100_000]) {
      scratch.reset()
      const { data, starts, extremes } = numbers.take(count, scratch.take)
      const before = texts.length
      for (let i = 0; i < count; i++) {
        expect(data.readInt32LE(starts[i])).toBe(starts[i + 1] - starts[i] - 4)
        texts.push(data.toString('latin1', starts[i] + 4, starts[i + 1]))
      }
      const sorted = texts.slice(before).sort()
      expect(extremes?.map((r) => texts[before + r])).toEqual(count === 0 ? undefined : [sorted[0], sorted.at(-1)])
    }
    expect(texts).toEqual(Array.from({ length: 114_422 }, (_, i) => `20261121100000000_12_${i}`))
  })
})
