import { type API, type Connection, type ConnectionOptions, ConnectionPool, findCoordinatorV4, metadataV12 } from '@platformatic/kafka'
import { Failure } from '../../failure/failure.ts'
import type { KafkaOptions } from './options.ts'
import { type Trouble, troubleOf } from './trouble.ts'

const CONNECT_MS = 5000
const REQUEST_MS = 30_000
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 1000
/** What passes within this time is no matter for people: a new topic, a coordinator that has just been chosen. */
const SHORT_MS = 1000

interface Broker {
  readonly host: string
  readonly port: number
}

export interface TopicLayout {
  /** Node that leads each partition; −1: none at the moment. */
  readonly leaders: readonly number[]
  /** Replicas of the first partition. */
  readonly replicas: number
}

/** What an attempt gives the retry loop instead of throwing: a passing state that is waited for closely, e.g. the end of a transaction. */
export interface Patience {
  /** Pause before attempt n (from 1), in milliseconds; null: the usual growing pause. */
  readonly pause: (text: string, attempt: number) => number | null
}

/**
 * Connections to a cluster and what is known of its layout. Every call is retried while its trouble is a passing one, for at most
 * `outageMs` without any progress; errors are TRB-KAFKA failures.
 */
export class KafkaCluster {
  readonly options: KafkaOptions
  private readonly pool: ConnectionPool
  private readonly nodes = new Map<number, Broker>()
  private readonly layouts = new Map<string, TopicLayout>()
  private readonly coordinators = new Map<string, number>()
  private turn = 0
  private saidAt = 0

  constructor(options: KafkaOptions) {
    this.options = options
    this.pool = new ConnectionPool(options.clientId, connectionOptions(options))
    // A connection's error reaches each of its requests; without a listener it would also end the process.
    this.pool.on('connecting', ({ connection }) => connection.on('error', ignoreSaidElsewhere))
  }

  /** One request to a broker by its node id, or to any (null). Not retried. */
  async send<A extends unknown[], R>(node: number | null, api: API<A, R>, ...args: A): Promise<R> {
    const connection = await this.connection(node)
    return await api.async(connection, ...args)
  }

  async connection(node: number | null): Promise<Connection> {
    const broker = node === null ? undefined : this.nodes.get(node)
    if (broker !== undefined) return await this.pool.get(broker)
    const known = [...this.nodes.values()]
    const from = known.length > 0 && this.turn % 2 === 0 ? known : this.options.bootstrap
    // One broker that hangs must not be asked first each time.
    const first = this.turn++ % from.length
    return await this.pool.getFirstAvailable([...from.slice(first), ...from.slice(0, first)])
  }

  /**
   * Runs an attempt until it succeeds. Passing troubles are retried; an error of the protocol goes to `explain`, which names it (or says
   * null: TRB-KAFKA-012). `doing` completes "while …".
   */
  async retrying<R>(
    doing: string,
    attempt: () => Promise<R>,
    explain?: (t: Trouble & { kind: 'protocol' }) => Error | null,
    patience?: Patience,
  ): Promise<R> {
    const { clock, outageMs } = this.options
    const start = clock.now()
    for (let n = 1; ; n++) {
      try {
        return await attempt()
      } catch (e) {
        const trouble = troubleOf(e)
        if (trouble.kind === 'failure') throw trouble.failure
        if (trouble.kind === 'protocol') {
          throw explain?.(trouble) ?? authorization(trouble, doing, e) ?? new Failure('TRB-KAFKA-012', { doing, detail: trouble.text }, e)
        }
        if (clock.now() - start >= outageMs) throw this.unreachable(doing, trouble.text, e)
        const close = patience?.pause(trouble.text, n) ?? null
        if (close === null) this.forget()
        if (clock.now() - start >= SHORT_MS) this.say(doing, trouble.text)
        await clock.sleep(close ?? Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(n - 1, 10)))
      }
    }
  }

  /** Partitions and leaders of topics; a topic that does not exist is absent. Cached until something was not where it should be. */
  async layout(topics: readonly string[]): Promise<ReadonlyMap<string, TopicLayout>> {
    const missing = topics.filter((t) => !this.layouts.has(t))
    if (missing.length > 0) await this.retrying(`asking for the layout of ${names(missing)}`, () => this.refresh(missing))
    return new Map(topics.flatMap((t) => (this.layouts.has(t) ? [[t, this.layouts.get(t)!] as const] : [])))
  }

  /** Every topic's layout as of now. */
  async allTopics(): Promise<ReadonlyMap<string, TopicLayout>> {
    await this.retrying('asking for the list of topics', () => this.refresh(null))
    // A copy: whoever walks over it asks for more meanwhile, and a passing trouble forgets what was known.
    return new Map(this.layouts)
  }

  /** Node of the transaction coordinator. One attempt: to be called inside `retrying`. */
  async coordinator(transactionalId: string): Promise<number> {
    const known = this.coordinators.get(transactionalId)
    if (known !== undefined) return known
    const answer = await this.send(null, findCoordinatorV4.api, 1, [transactionalId])
    const { nodeId, host, port } = answer.coordinators[0]!
    this.nodes.set(nodeId, { host, port })
    this.coordinators.set(transactionalId, nodeId)
    return nodeId
  }

  /** What was known of the layout may be old: the next use asks again. */
  forget(): void {
    this.layouts.clear()
    this.coordinators.clear()
  }

  /** Tells of a trouble that lasts, once a second. */
  say(doing: string, text: string): void {
    const now = this.options.clock.now()
    if (now - this.saidAt < 1000) return
    this.saidAt = now
    this.options.onRetry?.(`${doing}: ${text}`)
  }

  async close(): Promise<void> {
    await this.pool.close()
  }

  private async refresh(topics: readonly string[] | null): Promise<void> {
    const answer = await this.metadata(topics)
    for (const b of answer.brokers) this.nodes.set(b.nodeId, { host: b.host, port: b.port })
    for (const t of answer.topics) {
      const leaders: number[] = []
      for (const p of t.partitions) leaders[p.partitionIndex] = p.leaderId
      if (t.errorCode === 0 && leaders.length > 0) this.layouts.set(t.name!, { leaders, replicas: t.partitions[0]!.replicaNodes.length })
    }
  }

  /** The answer, also when it says that topics (or their leaders) are missing. */
  private async metadata(topics: readonly string[] | null) {
    try {
      return await this.send(null, metadataV12.api, topics as string[] | null, false, false)
    } catch (e) {
      const trouble = troubleOf(e)
      const refused = trouble.kind === 'protocol' && trouble.errors.some((t) => t.id === 'TOPIC_AUTHORIZATION_FAILED')
      if (refused) {
        const resource = `topic ${notNamed(e, topics)}`
        throw new Failure('TRB-KAFKA-004', { operation: 'Describe', resource, doing: 'asking for its layout' }, e)
      }
      const { response } = e as { response?: metadataV12.MetadataResponse }
      if (response === undefined) throw e
      return response
    }
  }

  private unreachable(doing: string, detail: string, e: unknown): Failure {
    const { bootstrap, outageMs } = this.options
    const hosts = bootstrap.map((b) => `${b.host}:${b.port}`).join(',')
    return new Failure('TRB-KAFKA-001', { hosts, doing, detail, seconds: Math.round(outageMs / 1000) }, e)
  }
}

/** TRB-KAFKA-004 for what an access list refused; null: something else. */
export function authorization(t: Trouble & { kind: 'protocol' }, doing: string, e?: unknown): Failure | null {
  const id = t.errors.map((x) => x.id).find((x) => /AUTHORIZATION_FAILED$/.test(x))
  if (id === undefined) return null
  const [operation, resource] =
    id === 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED'
      ? ['Write and Describe', 'the transactional id']
      : id === 'CLUSTER_AUTHORIZATION_FAILED'
        ? ['Create', 'the cluster']
        : id === 'GROUP_AUTHORIZATION_FAILED'
          ? ['Read', 'the consumer group']
          : ['Write, Describe and Read', 'the topic']
  return new Failure('TRB-KAFKA-004', { operation, resource, doing }, e)
}

function notNamed(e: unknown, topics: readonly string[] | null): string {
  const { response } = e as { response?: metadataV12.MetadataResponse }
  const refused = response?.topics.filter((t) => t.errorCode !== 0).map((t) => t.name ?? '') ?? []
  return names(refused.length > 0 ? refused : (topics ?? []))
}

function names(topics: readonly string[]): string {
  return topics.length <= 3 ? topics.join(', ') : `${topics.slice(0, 3).join(', ')} and ${topics.length - 3} more`
}

function connectionOptions(options: KafkaOptions): ConnectionOptions {
  const { tls, sasl } = options
  const base: ConnectionOptions = { connectTimeout: CONNECT_MS, requestTimeout: REQUEST_MS, maxInflights: 5 }
  if (tls !== null) {
    const { ca, cert, key, passphrase, verifyName } = tls
    base.tls = { ca, cert, key, passphrase, ...(verifyName === false ? { checkServerIdentity: () => undefined } : {}) }
    base.tlsServerName = true
  }
  if (sasl !== null) base.sasl = { ...sasl }
  return base
}

function ignoreSaidElsewhere(): void {
  // Each request of the connection is rejected with the same error.
}
