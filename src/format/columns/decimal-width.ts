/** Least number of bytes whose two's complement holds every decimal of `precision` digits: Parquet's FIXED width for DECIMAL. */
export function decimalWidth(precision: number): number {
  const largest = 10n ** BigInt(precision) - 1n
  let width = 1
  while (1n << BigInt(8 * width - 1) <= largest) width++
  return width
}
