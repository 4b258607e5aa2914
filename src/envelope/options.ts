import type { OpCode, TableId } from '../contract/change.ts'
import type { Clock } from '../contract/clock.ts'
import type { SchemaRegistry } from '../contract/log.ts'
import type { SourceBlock } from '../contract/source-block.ts'
import { Failure } from '../failure/failure.ts'
import type { MessageContent } from './logical-message.ts'
import type { NameMode } from './name-adjuster.ts'

/** What of a Debezium configuration decides which records there are. */
export interface EnvelopeSettings {
  /** `tombstones.on.delete`. */
  readonly tombstones: boolean
  /** `skipped.operations`. */
  readonly skipped: readonly OpCode[]
  /** `skip.messages.without.change`: updates whose old and new row, as captured, are the same give no record. */
  readonly skipUnchanged: boolean
  /** `provide.transaction.metadata`. */
  readonly transactions: boolean
  /** `topic.transaction`: the topic is `<prefix>.<this>`. */
  readonly transactionTopic: string
  /** `extended.headers.enabled`: the four `__debezium.context.*` headers. */
  readonly contextHeaders: boolean
  /** `schema.name.adjustment.mode`. */
  readonly schemaNames: NameMode
  /** `field.name.adjustment.mode`. */
  readonly fieldNames: NameMode
  /** Logical messages are records of `<prefix>.message`, their content in this form; absent: there are none. */
  readonly messages?: MessageContent
  /** `heartbeat.topics.prefix`: the topic is `<this>.<prefix>`. */
  readonly heartbeatTopic?: string
}

export const HEARTBEAT_TOPIC = '__debezium-heartbeat'

export const DEFAULT_ENVELOPE_SETTINGS: EnvelopeSettings = {
  tombstones: true,
  skipped: [116],
  skipUnchanged: false,
  transactions: false,
  transactionTopic: 'transaction',
  contextHeaders: true,
  schemaNames: 'none',
  fieldNames: 'none',
}

export interface EnvelopeOptions extends EnvelopeSettings {
  /** topic.prefix. */
  readonly prefix: string
  /** Shown in the context headers: `postgresql`. */
  readonly connector: string
  readonly source: SourceBlock
  readonly registry: SchemaRegistry
  readonly clock: Clock
  /** UUID of this start, for the context headers. */
  readonly runId: string
  /**
   * Bytes of header values. simple: as Kafka Connect's SimpleHeaderConverter, its default (text; structs as `{"id":2}`).
   * json: as JsonConverter with schemas.
   */
  readonly headerFormat: 'simple' | 'json'
  /**
   * Called for every value that the record shows as null because it has no form there (numeric NaN in precise mode, times beyond a long); not for
   * those of the old row of an update.
   */
  readonly onUnshown?: (table: TableId, column: string) => void
  /** Records are handed out without a copy and belong to the caller until it calls `recycle`; otherwise they are its own for good. */
  readonly lends?: boolean
  /** `side` also tells which values are nulls that show a default (high bit set): a transform asks. */
  readonly marksDefaults?: boolean
  /** What the values of snapshot rows have in common may be left out of them: TopicBatch.valueTail. */
  readonly sharesTails?: boolean
}

/** Reads the settings above from a Debezium configuration. Fails with TRB-ENV-002 on a value that is none. */
export function envelopeSettingsOf(config: ReadonlyMap<string, string>): EnvelopeSettings {
  const d = DEFAULT_ENVELOPE_SETTINGS
  return {
    tombstones: flag(config, 'tombstones.on.delete', d.tombstones),
    skipped: skippedOf(config.get('skipped.operations')),
    skipUnchanged: flag(config, 'skip.messages.without.change', d.skipUnchanged),
    transactions: flag(config, 'provide.transaction.metadata', d.transactions),
    transactionTopic: config.get('topic.transaction') ?? d.transactionTopic,
    contextHeaders: flag(config, 'extended.headers.enabled', d.contextHeaders),
    schemaNames: nameMode(config, 'schema.name.adjustment.mode'),
    fieldNames: nameMode(config, 'field.name.adjustment.mode'),
    heartbeatTopic: config.get('topic.heartbeat.prefix') ?? config.get('heartbeat.topics.prefix') ?? HEARTBEAT_TOPIC,
  }
}

function flag(config: ReadonlyMap<string, string>, option: string, otherwise: boolean): boolean {
  const value = config.get(option)?.trim()
  if (value === undefined) return otherwise
  if (value !== 'true' && value !== 'false') throw new Failure('TRB-ENV-002', { option, value, supported: 'true, false' })
  return value === 'true'
}

function nameMode(config: ReadonlyMap<string, string>, option: string): NameMode {
  const value = config.get(option) ?? 'none'
  if (value === 'none' || value === 'avro' || value === 'avro_unicode') return value
  throw new Failure('TRB-ENV-002', { option, value, supported: 'none, avro, avro_unicode' })
}

function skippedOf(value: string | undefined): readonly OpCode[] {
  if (value === undefined) return DEFAULT_ENVELOPE_SETTINGS.skipped
  const names = value.split(',').map((s) => s.trim())
  if (names.includes('none')) return []
  const codes: Readonly<Record<string, OpCode>> = { c: 99, u: 117, d: 100, t: 116 }
  return names.map((n) => {
    if (codes[n] === undefined) throw new Failure('TRB-ENV-002', { option: 'skipped.operations', value, supported: 'c, u, d, t, none' })
    return codes[n]
  })
}
