import type { Clock } from '../../contract/clock.ts'
import type { SchemaCache } from './schema-cache.ts'

/**
 * Under which subject a schema is registered, as Confluent's strategies of these names: `topic` (TopicNameStrategy: `<topic>-key`,
 * `<topic>-value`), `record` (RecordNameStrategy: the record's full name), `topic-record` (`<topic>-<record's full name>`).
 */
export type SubjectNaming = 'topic' | 'record' | 'topic-record'

/** PEM texts. */
export interface RegistryTls {
  readonly ca: string | null
  readonly cert: string | null
  readonly key: string | null
  readonly passphrase: string | null
}

export type RegistryAuth =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string }

export interface ConfluentOptions {
  /** http:// or https://, a path is kept; user and password in one of them count as basic authentication. Tried in turn. */
  readonly urls: readonly string[]
  readonly auth: RegistryAuth
  readonly tls: RegistryTls | null
  readonly subjects: SubjectNaming
  /** False: schemas must be registered already (Confluent's auto.register.schemas=false). */
  readonly autoRegister: boolean
  readonly clock: Clock
  /** Longest silence of a server within one request, ms. */
  readonly timeoutMs: number
  /** Longest time that one question is repeated while no server answers, ms. With an answer in the cache each server is asked once. */
  readonly patienceMs: number
  /** What earlier processes were told; null: only this process's own memory. */
  readonly cache: SchemaCache | null
  /** Ends the waiting for a registry that does not answer; a question that is being answered goes on. */
  readonly signal?: AbortSignal
  /** Called once when the registry stops answering and the cache takes over, and once when it answers again. */
  readonly onOutage?: (outage: boolean, cause: string) => void
}

export const DEFAULT_CONFLUENT_OPTIONS = {
  auth: { kind: 'none' },
  tls: null,
  subjects: 'topic',
  autoRegister: true,
  timeoutMs: 10_000,
  patienceMs: 30_000,
  cache: null,
} as const satisfies Partial<ConfluentOptions>
