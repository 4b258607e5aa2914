/** A size for people, in binary units. */
export function sizeText(bytes: number): string {
  const units: readonly (readonly [string, number])[] = [
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ]
  const unit = units.find(([, n]) => bytes >= n)
  return unit === undefined ? `${bytes} B` : `${(bytes / unit[1]).toFixed(1)} ${unit[0]}`
}

/** A count for people: exact below 100,000, then k and M in decimal units. */
export function countText(n: number): string {
  if (n < 100_000) return String(n)
  return n < 10_000_000 ? `${(n / 1000).toFixed(0)}k` : `${(n / 1_000_000).toFixed(1)}M`
}

/** So many things: `1 file`, `2 files`; words that do not just get an s give their plural. */
export function countOf(n: number, one: string, many = `${one}s`): string {
  return `${countText(n)} ${n === 1 ? one : many}`
}

/** A duration for people: two units at most, `850ms`, `12.4s`, `3m 5s`, `1h 4m`, `2d 3h`. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))}ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)}s`
  const s = Math.round(ms / 1000)
  const [d, h, m] = [Math.floor(s / 86_400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60]
  if (d > 0) return `${d}d ${h}h`
  return h > 0 ? `${h}h ${m}m` : `${m}m ${s % 60}s`
}
