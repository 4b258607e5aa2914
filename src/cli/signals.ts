/** Why the context's signal is aborted. */
export class Interrupted extends Error {
  readonly by: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'closed'
  constructor(by: Interrupted['by']) {
    super(by === 'closed' ? 'the reader of stdout has gone' : `stopped by ${by}`)
    this.name = 'Interrupted'
    this.by = by
  }

  /** Exit status of a verb that could not end in order. */
  get exit(): number {
    return { SIGINT: 130, SIGTERM: 143, SIGHUP: 129, closed: 0 }[this.by]
  }
}

const abandoned = new AbortController()
/** Aborted by the second signal: what is on its way to a store is given up. */
export const STORES_ABANDONED: AbortSignal = abandoned.signal

/** For files that were being written to be taken away, after the second signal. */
const LEAVE_MS = 100

type Stop = 'SIGINT' | 'SIGTERM' | 'SIGHUP'

/**
 * First signal: abort. Second: give up what is on its way to a store, and leave with 130 as soon as that has been told. Third: leave at once.
 * Signals come from the system and, behind bin/launch.mjs, as messages; one Ctrl-C then arrives on both ways, so the larger of the two counts is
 * what was sent.
 */
export function watchSignals(abort: (reason: Interrupted) => void): void {
  const counts = { system: 0, launcher: 0 }
  const arrived = (way: keyof typeof counts, by: Stop): void => {
    const before = Math.max(counts.system, counts.launcher)
    counts[way]++
    const now = Math.max(counts.system, counts.launcher)
    if (now === before) return
    if (now > 2) process.exit(130)
    if (now === 2) {
      abandoned.abort(new Interrupted(by))
      setTimeout(() => process.exit(130), LEAVE_MS)
      return
    }
    abort(new Interrupted(by))
  }
  for (const by of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(by, () => arrived('system', by))
  if (process.channel === undefined) return
  process.on('message', (m: { signal?: Stop }) => {
    if (m.signal !== undefined) arrived('launcher', m.signal)
  })
  // The launcher was killed: nobody would forward a signal any more, and its caller believes the program is dead. Not process.exit:
  // it waits for native threads at work.
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
  process.channel.unref()
}

/** The arguments that bin/launch.mjs sends over the channel. */
export async function argumentsFromLauncher(): Promise<readonly string[]> {
  return await new Promise((resolve) => {
    process.once('message', (m: { argv: readonly string[] }) => resolve(m.argv))
  })
}
