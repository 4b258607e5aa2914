import { isFailure } from '../../failure/failure.ts'
import { CompactedLog } from '../../log/kafka/compacted-log.ts'
import type { CompatibilityLevel } from '../../registry/avro/levels.ts'
import type { RegistryJournal } from '../../registry/server/schema-record.ts'
import { createStateJournal } from '../../registry/server/state-journal.ts'
import { createTopicJournal } from '../../registry/server/topic-journal.ts'
import { type KafkaFlagValues, kafkaOptionsOf } from '../kafka-flags.ts'
import { failureText, toFailure } from '../print-failure.ts'
import { openRegistryServer } from '../registry-server.ts'
import { openState } from '../state.ts'
import type { ContextWith, Outcome } from '../verb.ts'

interface RegistryFlags extends KafkaFlagValues {
  readonly topic: string
  readonly replication: number | null
  readonly listen: string
  readonly state: string
  readonly compatibility: CompatibilityLevel
  readonly user: string | null
  readonly password: string | null
  readonly 'tls-cert': string | null
  readonly 'tls-key': string | null
  readonly 'tls-client-ca': string | null
}

/**
 * Serves until the signal, or until its log can't be written any more. Fails with TRB-LOG-001 when another process has the directory,
 * TRB-REG-014 … -016 and TRB-KAFKA codes with --kafka, and as openRegistryServer.
 */
export async function runRegistry(context: ContextWith<RegistryFlags>): Promise<Outcome> {
  const { flags, signal, stderr, cwd } = context
  const { journal, release } = await openJournal(context)
  try {
    const lost = Promise.withResolvers<never>()
    const onError = (e: unknown): void => {
      void stderr.write(`${failureText(toFailure(e))}\n`)
      // After a failed write to Kafka it is not known what stands there: the next start reads it.
      if (flags.kafka.length > 0 && isFailure(e)) lost.reject(e)
    }
    const settings = {
      address: flags.listen,
      user: flags.user,
      password: flags.password,
      cert: flags['tls-cert'],
      key: flags['tls-key'],
      clientCa: flags['tls-client-ca'],
      level: flags.compatibility,
    }
    const server = await openRegistryServer(journal, settings, { cwd, onError })
    try {
      await stderr.write(`registry ${server.url}\n`)
      await Promise.race([untilAborted(signal), lost.promise])
      const subjects = server.registry.subjects('live').length
      return { summary: `${subjects} subjects`, result: { url: server.url, subjects } }
    } finally {
      await server.close()
    }
  } finally {
    release()
  }
}

interface OpenJournal {
  readonly journal: RegistryJournal
  release(): void
}

async function openJournal({ flags, clock, cwd, stderr }: ContextWith<RegistryFlags>): Promise<OpenJournal> {
  if (flags.kafka.length > 0) {
    const onRetry = (text: string): void => void stderr.write(`retry    Kafka: ${text}\n`)
    const kafka = await kafkaOptionsOf(flags, { clock, cwd, clientId: 'tributary-registry', onRetry })
    const topic = await CompactedLog.open({ kafka, topic: flags.topic, writer: 'tributary-registry', replication: flags.replication ?? -1 })
    return { journal: createTopicJournal(topic, flags.topic), release: () => undefined }
  }
  const retention = { maxAgeMs: 0, maxBytes: 0 }
  const state = openState(flags.state, { clock, retention, command: 'cdc registry', pid: process.pid })
  return { journal: createStateJournal(state.database), release: () => state.close() }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (signal.aborted) resolve()
  signal.addEventListener('abort', () => resolve(), { once: true })
  return promise
}
