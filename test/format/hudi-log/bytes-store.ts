/** The ranged reads of a store over one object in memory, counted. */
export function bytesStore(bytes: Buffer): {
  readonly bytes: Buffer
  requests: number
  range(key: string, start: number, length: number): Promise<Buffer>
} {
  return {
    bytes,
    requests: 0,
    async range(_key, start, length) {
      this.requests++
      const from = start < 0 ? bytes.length + start : start
      return Buffer.from(bytes.subarray(from, from + length))
    },
  }
}
