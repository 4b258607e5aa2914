import type { Clock } from '../../contract/clock.ts'

/** Rows per second and time left of one table's snapshot. */
export class Rate {
  readonly #clock: Clock
  readonly #started: number
  #rows = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#started = clock.now()
  }

  add(rows: number): void {
    this.#rows += rows
  }

  get rows(): number {
    return this.#rows
  }

  get perSecond(): number {
    const ms = this.#clock.now() - this.#started
    return ms <= 0 ? 0 : Math.round((this.#rows * 1000) / ms)
  }

  /** Seconds left when the table has `estimate` rows, `before` of them already read in an earlier run; −1 unknown. */
  etaSeconds(estimate: number, before: number): number {
    const rate = this.perSecond
    if (estimate < 0 || rate === 0) return -1
    return Math.max(0, Math.round((estimate - before - this.#rows) / rate))
  }
}
