/** Iteration order of a java.util.HashMap<String, …> after these insertions: by bucket, then by insertion. */
export function javaHashOrder<V>(entries: readonly (readonly [string, V])[]): (readonly [string, V])[] {
  let capacity = 16
  while (entries.length > capacity * 0.75) capacity *= 2
  const buckets: (readonly [string, V])[][] = Array.from({ length: capacity }, () => [])
  for (const e of entries) {
    let h = 0
    for (let i = 0; i < e[0].length; i++) h = (Math.imul(h, 31) + e[0].charCodeAt(i)) | 0
    buckets[(h ^ (h >>> 16)) & (capacity - 1)].push(e)
  }
  return buckets.flat()
}
