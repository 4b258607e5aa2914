/** The known name nearest to `name` (Levenshtein), or null when none is near enough to be what was meant. */
export function nearest(name: string, known: Iterable<string>): string | null {
  let best: string | null = null
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of known) {
    const d = distance(name.toLowerCase(), candidate.toLowerCase())
    if (d < bestDistance) {
      best = candidate
      bestDistance = d
    }
  }
  return best
}

/** A sentence to put behind "unknown …": ` Did you mean X?`, or the known names when none is near. */
export function suggestion(name: string, known: readonly string[], prefix = ''): string {
  const near = nearest(name, known)
  if (near !== null) return `Did you mean ${prefix}${near}?`
  return known.length === 0 ? 'There are none.' : `Known: ${known.map((k) => prefix + k).join(', ')}.`
}

function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replace = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(replace, previous[j]! + 1, row[j - 1]! + 1))
    }
    previous = row
  }
  return previous[b.length]!
}
