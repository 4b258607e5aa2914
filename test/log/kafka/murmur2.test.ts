import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { murmur2, partitionOf } from '../../../src/log/kafka/murmur2.ts'

/** Key in hex, its hash, and its partition of 7 and of 25, as Kafka 4.3.1's own class Utils (murmur2, toPositive) gives them. */
const vectors = JSON.parse(readFileSync('test/golden/kafka/murmur2.json', 'utf8')) as [string, number, number, number][]

test('keys hash, and are spread over partitions, as by the default partitioner of Kafka', () => {
  expect(vectors.length).toBeGreaterThan(100)
  for (const [hex, hash, of7, of25] of vectors) {
    const key = Buffer.from(hex, 'hex')
    expect([hex, murmur2(key, 0, key.length)]).toEqual([hex, hash])
    const within = Buffer.concat([Buffer.from('xyz'), key, Buffer.from('q')])
    expect(partitionOf(within, 3, 3 + key.length, 7)).toBe(of7)
    expect(partitionOf(within, 3, 3 + key.length, 25)).toBe(of25)
  }
})
