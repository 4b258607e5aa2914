import type { Clock } from '../../contract/clock.ts'

export const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
export type Compression = (typeof COMPRESSIONS)[number]

export type KafkaSasl =
  | { readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'; readonly username: string; readonly password: string }
  /** The token is asked for at each login: it may have been renewed. */
  | { readonly mechanism: 'OAUTHBEARER'; readonly token: () => Promise<string> }

/** TLS as Node's tls.connect takes it; `{}` means the system's certificate authorities. */
export interface KafkaTls {
  /** PEM texts. */
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly passphrase?: string
  /** False: the broker's name is not compared with its certificate (its authority still is). */
  readonly verifyName?: boolean
}

/** How a cluster is reached. */
export interface KafkaOptions {
  /** host:port of some brokers; the others are asked for. */
  readonly bootstrap: readonly { readonly host: string; readonly port: number }[]
  readonly clientId: string
  /** Null: plaintext. */
  readonly tls: KafkaTls | null
  readonly sasl: KafkaSasl | null
  /** Milliseconds during which an outage (broker down, no leader, no coordinator) is waited out before it is an error. */
  readonly outageMs: number
  readonly clock: Clock
  /** A retry after something that is expected to pass; called at most once per second of an outage. */
  readonly onRetry?: (text: string) => void
}

/** How topics are created that do not exist yet; Debezium's topic.creation.* settings. */
export interface TopicSettings {
  /** −1: the broker's default. */
  readonly partitions: number
  /** −1: the broker's default. */
  readonly replication: number
  /** Topic configuration (cleanup.policy, retention.ms …) as given. */
  readonly config: ReadonlyMap<string, string>
}
