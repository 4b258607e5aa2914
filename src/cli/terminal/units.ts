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
