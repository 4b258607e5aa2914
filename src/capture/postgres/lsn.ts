/** Log sequence numbers: byte addresses in the WAL, 64 bits, written by Postgres as `16/B374D848` (two hexadecimal halves). */

/** `16/B374D848` → number of the byte; null when the text is not an LSN. */
export function parseLsn(text: string): bigint | null {
  const m = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text)
  return m === null ? null : (BigInt(`0x${m[1]}`) << 32n) | BigInt(`0x${m[2]}`)
}

export function printLsn(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`
}

export function lsnOf(hi: number, lo: number): bigint {
  return (BigInt(hi) << 32n) | BigInt(lo)
}

export function lsnHi(lsn: bigint): number {
  return Number(lsn >> 32n)
}

export function lsnLo(lsn: bigint): number {
  return Number(lsn & 0xffffffffn)
}

/** The smallest of them. */
export function minLsn(first: bigint, rest: Iterable<bigint>): bigint {
  let min = first
  for (const lsn of rest) if (lsn < min) min = lsn
  return min
}
