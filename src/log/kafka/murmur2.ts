const M = 0x5bd1e995
const SEED = 0x9747b28c

/** The 32-bit MurmurHash2 variant of Kafka's org.apache.kafka.common.utils.Utils.murmur2 over bytes [start, end). Signed, as in Java. */
export function murmur2(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  let h = SEED ^ length
  const whole = start + (length & ~3)
  for (let i = start; i < whole; i += 4) {
    let k = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)
    k = Math.imul(k, M)
    k ^= k >>> 24
    h = Math.imul(h, M) ^ Math.imul(k, M)
  }
  const rest = end - whole
  if (rest === 3) h ^= bytes[whole + 2]! << 16
  if (rest >= 2) h ^= bytes[whole + 1]! << 8
  if (rest >= 1) h = Math.imul(h ^ bytes[whole]!, M)
  h ^= h >>> 13
  h = Math.imul(h, M)
  return h ^ (h >>> 15)
}

/** Partition of a key as Kafka's default partitioner chooses it: the hash made positive by clearing its sign bit, modulo the partitions. */
export function partitionOf(bytes: Uint8Array, start: number, end: number, partitions: number): number {
  return (murmur2(bytes, start, end) & 0x7fffffff) % partitions
}
