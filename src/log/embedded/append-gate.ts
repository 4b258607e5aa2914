import type { Clock } from '../../contract/clock.ts'
import type { AppendSignal, Log } from '../../contract/log.ts'

/** Followers in the process (or thread) that is told of each append: `advance` opens the gate for all that wait for less. */
export class AppendGate implements AppendSignal {
  private newest: number
  private waiters: (() => void)[] = []

  constructor(newest: number) {
    this.newest = newest
  }

  advance(id: number): void {
    if (id <= this.newest) return
    this.newest = id
    const waiters = this.waiters
    this.waiters = []
    for (const wake of waiters) wake()
  }

  async wait(after: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    while (this.newest <= after) {
      await new Promise<void>((resolve, reject) => {
        const abort = (): void => reject(signal.reason)
        signal.addEventListener('abort', abort, { once: true })
        this.waiters.push(() => {
          signal.removeEventListener('abort', abort)
          resolve()
        })
      })
    }
  }
}

/** Followers in another process: asks the log every `intervalMs`. */
export function pollingSignal(log: Log, clock: Clock, intervalMs: number): AppendSignal {
  return {
    async wait(after, signal) {
      for (;;) {
        signal.throwIfAborted()
        for (const _ of log.appends(after)) return
        await clock.sleep(intervalMs, signal)
      }
    },
  }
}
