import type { CompatibilityLevel } from '../../registry/avro/levels.ts'
import { createStateJournal } from '../../registry/server/state-journal.ts'
import { failureText, toFailure } from '../print-failure.ts'
import { openRegistryServer } from '../registry-server.ts'
import { openState } from '../state.ts'
import type { ContextWith, Outcome } from '../verb.ts'

interface RegistryFlags {
  readonly listen: string
  readonly state: string
  readonly compatibility: CompatibilityLevel
  readonly user: string | null
  readonly password: string | null
  readonly 'tls-cert': string | null
  readonly 'tls-key': string | null
  readonly 'tls-client-ca': string | null
}

/** Serves until the signal. Fails with TRB-LOG-001 when another process has the directory, and as openRegistryServer. */
export async function runRegistry(context: ContextWith<RegistryFlags>): Promise<Outcome> {
  const { flags, clock, signal, stderr, cwd } = context
  const retention = { maxAgeMs: 0, maxBytes: 0 }
  const state = openState(flags.state, { clock, retention, command: 'cdc registry', pid: process.pid })
  try {
    const settings = {
      address: flags.listen,
      user: flags.user,
      password: flags.password,
      cert: flags['tls-cert'],
      key: flags['tls-key'],
      clientCa: flags['tls-client-ca'],
      level: flags.compatibility,
    }
    const onError = (e: unknown): void => void stderr.write(`${failureText(toFailure(e))}\n`)
    const server = await openRegistryServer(createStateJournal(state.database), settings, { cwd, onError })
    await stderr.write(`registry ${server.url}\n`)
    await untilAborted(signal)
    const subjects = server.registry.subjects('live').length
    await server.close()
    return { summary: `${subjects} subjects`, result: { url: server.url, subjects } }
  } finally {
    state.close()
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (signal.aborted) resolve()
  signal.addEventListener('abort', () => resolve(), { once: true })
  return promise
}
