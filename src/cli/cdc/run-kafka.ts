import type { SchemaRegistry } from '../../contract/log.ts'
import { Failure } from '../../failure/failure.ts'
import { type KafkaLog, type KafkaLogOptions, openKafkaLog } from '../../log/kafka/kafka-writer.ts'
import type { TopicSettings } from '../../log/kafka/options.ts'
import { ConfluentRegistry } from '../../registry/confluent/confluent-registry.ts'
import { registryName } from '../../registry/confluent/registry-http.ts'
import { createSchemaCache } from '../../registry/confluent/schema-cache.ts'
import { createStateJournal } from '../../registry/server/state-journal.ts'
import type { FlagValues } from '../flag.ts'
import { kafkaOptionsOf } from '../kafka-flags.ts'
import { failureText, toFailure } from '../print-failure.ts'
import { confluentOptionsOf, type registryFlags } from '../registry-flags.ts'
import { listenSettingsOf, openRegistryServer, type registryListenFlags } from '../registry-server.ts'
import type { State } from '../state.ts'
import type { Context } from '../verb.ts'
import { cursorOfOffset, offsetOfCursor } from './kafka-offset.ts'
import type { runKafkaFlags } from './run-kafka-flags.ts'

type KafkaFlags = FlagValues<typeof runKafkaFlags & typeof registryFlags & typeof registryListenFlags> & { readonly name: string }
type KafkaContext = Pick<Context, 'clock' | 'cwd' | 'secret'> & { readonly flags: KafkaFlags }

/** Where schema ids come from. */
export interface RunRegistry {
  readonly registry: SchemaRegistry
  /** For people. */
  readonly text: string
  close(): Promise<void>
}

/**
 * The registry of a run whose topics others read: --registry, or the built-in one. Fails with TRB-KAFKA-014 when the ids would be known to
 * nobody else, and as the registry. `tell` hears of outages.
 */
export async function openRunRegistry(context: KafkaContext, state: State, tell: (text: string) => void): Promise<RunRegistry> {
  const { flags } = context
  const confluent = await confluentOptionsOf(flags, context)
  if (confluent !== null) {
    const cache = createSchemaCache(state.database, registryName(confluent.urls))
    const onOutage = (outage: boolean, cause: string): void =>
      tell(outage ? `registry  does not answer (${cause}); known schemas go on` : 'registry  answers again')
    const registry = new ConfluentRegistry({ ...confluent, cache, onOutage })
    return { registry, text: `registry ${registry.name}`, close: async () => registry.close() }
  }
  if (flags['registry-listen'] === null) throw new Failure('TRB-KAFKA-014', { state: state.dir })
  if (flags['registry-listen'] === 'none') {
    return { registry: state.registry, text: 'registry in the state directory', close: async () => undefined }
  }
  const settings = listenSettingsOf(flags['registry-listen'], flags)
  const server = await openRegistryServer(createStateJournal(state.database), settings, {
    cwd: context.cwd,
    onError: (e) => tell(failureText(toFailure(e))),
  })
  return { registry: server.registry, text: `registry ${server.url}`, close: () => server.close() }
}

export interface KafkaSinkEvents {
  warn(text: string): void
  retry(text: string): void
}

/** Opens the log in Kafka as the flags say. Fails with TRB-KAFKA codes. */
export async function openKafkaSink(context: KafkaContext, tell: KafkaSinkEvents): Promise<KafkaLog> {
  const { flags, clock, cwd } = context
  const clientId = `tributary-${flags.name}`
  const kafka = await kafkaOptionsOf(flags, { clock, cwd, clientId, onRetry: (t) => tell.retry(t) })
  const options: KafkaLogOptions = {
    kafka,
    name: flags.name,
    connector: flags['kafka-connector'] ?? flags.name,
    prefix: flags.name,
    offsetsTopic: flags['kafka-offsets-topic'] ?? `${flags.name}.offsets`,
    topics: topicSettingsOf(flags),
    compression: flags['kafka-compression'],
    refuseDifferent: flags['kafka-existing'] === 'refuse',
    adopt: flags['kafka-adopt'],
    transactionMs: flags['kafka-transaction-timeout'],
    describe: (cursor) => cursor.offset ?? offsetOfCursor(cursor),
    understand: (offset) => {
      const { cursor, repeats } = cursorOfOffset(offset, flags.name)
      if (repeats) tell.warn('the offset is inside a transaction, whose changes come once more')
      return cursor
    },
    warn: (t) => tell.warn(t),
  }
  return await openKafkaLog(options)
}

function topicSettingsOf(flags: KafkaFlags): TopicSettings {
  const config = new Map<string, string>()
  for (const entry of flags['kafka-topic-config']) {
    const at = entry.indexOf('=')
    if (at < 1) {
      const detail = `${entry} is not KEY=VALUE`
      throw new Failure('TRB-KAFKA-016', { flag: '--kafka-topic-config', detail, fix: '--kafka-topic-config retention.ms=604800000' })
    }
    config.set(entry.slice(0, at).trim(), entry.slice(at + 1).trim())
  }
  return { partitions: flags['kafka-partitions'] ?? -1, replication: flags['kafka-replication'] ?? -1, config }
}
