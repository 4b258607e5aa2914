/** Counts for people: decimal units (`1.24M`), three significant digits. */
export function count(n: number): string {
  const units = ['', 'k', 'M', 'G', 'T']
  let v = n
  let unit = 0
  while (Math.abs(v) >= 999.5 && unit < units.length - 1) {
    v /= 1000
    unit++
  }
  return unit === 0 ? String(Math.round(v)) : `${digits(v)}${units[unit]}`
}

/** Sizes for people: binary units (`1.1 MiB`). */
export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let v = n
  let unit = 0
  while (v >= 1024 && unit < units.length - 1) {
    v /= 1024
    unit++
  }
  return unit === 0 ? `${Math.round(v)} B` : `${digits(v)} ${units[unit]}`
}

/** Times for people: `38ms`, `1.6s`, `4m 10s`, `3h 12m`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)}s`
  const seconds = Math.round(ms / 1000)
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}m ${seconds % 60}s`
  return `${Math.floor(minutes / 60)}h ${minutes % 60}m`
}

function digits(v: number): string {
  if (v >= 99.95) return v.toFixed(0)
  return v >= 9.995 ? v.toFixed(1) : v.toFixed(2)
}
