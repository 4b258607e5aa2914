/** Choices that a seed repeats. */
export interface Dice {
  /** From 0 to n − 1. */
  below(n: number): number
  flip(): boolean
  one<T>(of: readonly T[]): T
  /** n of them at most, each at most once. */
  some<T>(of: readonly T[], n: number): T[]
}

/** Mulberry32. */
export function dice(seed: number): Dice {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (n: number): number => Math.floor(next() * n)
  return {
    below,
    flip: () => below(2) === 0,
    one: (of) => of[below(of.length)]!,
    some(of, n) {
      const left = [...of]
      return Array.from({ length: Math.min(n, left.length) }, () => left.splice(below(left.length), 1)[0]!)
    },
  }
}
