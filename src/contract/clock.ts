/** Time and randomness enter as a value, so that tests and the simulator own them. */
export interface Clock {
  /** Milliseconds since epoch. */
  now(): number
  /** Resolves after ms, rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  uuid(): string
  /** Uniform in [0, 1): jitter only. */
  random(): number
}
