import { Failure } from '../../failure/failure.ts'

/** One protocol error of an answer: Kafka's name of it and where in the answer it stood. */
export interface ProtocolTrouble {
  readonly id: string
  readonly path: string
  readonly message: string | null
}

/** A passing state that an attempt met by itself: no leader, no topic yet. */
export class NotReady extends Error {}

/** What to do about something that the client library threw. */
export type Trouble =
  | { readonly kind: 'retry'; readonly text: string }
  | { readonly kind: 'failure'; readonly failure: Failure }
  | { readonly kind: 'protocol'; readonly errors: readonly ProtocolTrouble[]; readonly text: string; readonly response: unknown }

/** Passing states of a cluster: another attempt, after asking for its metadata again, may succeed. */
const PASSING: ReadonlySet<string> = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'REQUEST_TIMED_OUT',
  'BROKER_NOT_AVAILABLE',
  'REPLICA_NOT_AVAILABLE',
  'NETWORK_EXCEPTION',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'NOT_CONTROLLER',
  'KAFKA_STORAGE_ERROR',
  'CONCURRENT_TRANSACTIONS',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'UNKNOWN_TOPIC_ID',
  'OFFSET_NOT_AVAILABLE',
  'THROTTLING_QUOTA_EXCEEDED',
  'INCONSISTENT_TOPIC_ID',
  'ELIGIBLE_LEADERS_NOT_AVAILABLE',
  'FETCH_SESSION_ID_NOT_FOUND',
  'INVALID_FETCH_SESSION_EPOCH',
  // Beside the error that kept the others of one request from being tried.
  'OPERATION_NOT_ATTEMPTED',
])

/** Name prefixes of Node's errors for a certificate that is not trusted, or a peer that does not speak TLS. */
const TLS_CODE = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO)/

/** The client library's code for a side that speaks TLS while the other does not; it is given to nothing else that we ask of it. */
const TLS_MISMATCH = 'PLT_KFK_USER'

/** Reads what a call of the client library rejected with. What is not an error of it is thrown on. */
export function troubleOf(e: unknown): Trouble {
  if (e instanceof Failure) return { kind: 'failure', failure: e }
  const chain = causes(e)
  const failure = knownFailure(chain)
  if (failure !== null) return { kind: 'failure', failure }
  const errors = chain.flatMap(protocolErrors)
  const text = chain.at(-1)?.message ?? String(e)
  if (errors.length === 0) {
    if (chain.some((c) => /^PLT_KFK_(NETWORK|TIMEOUT)/.test(codeOf(c)) || c instanceof NotReady || 'syscall' in c))
      return { kind: 'retry', text }
    throw e
  }
  const named = [...new Set(errors.map((t) => (t.message ? `${t.id} (${t.message})` : t.id)))].join(', ')
  return errors.every((t) => PASSING.has(t.id))
    ? { kind: 'retry', text: named }
    : {
        kind: 'protocol',
        errors,
        text: named,
        response: chain.map((c) => (c as { response?: unknown }).response).find((r) => r !== undefined),
      }
}

/** What no retry mends, whatever was asked for: a login that is refused, TLS on one side only. Null: something else. */
export function knownTrouble(e: unknown): Failure | null {
  return knownFailure(causes(e))
}

/** Failures that no retry mends, whatever was asked for. */
function knownFailure(chain: readonly Error[]): Failure | null {
  // A login that broke off on a listener that speaks TLS is no wrong password.
  const tls = chain.find((e) => TLS_CODE.test(codeOf(e)) || codeOf(e) === TLS_MISMATCH)
  if (tls !== undefined) {
    const detail = codeOf(tls) === TLS_MISMATCH ? tls.message : `${codeOf(tls)}: ${tls.message}`
    return new Failure('TRB-KAFKA-003', { detail }, chain[0])
  }
  for (const e of chain) {
    const code = codeOf(e)
    const detail = e.message
    const ids = protocolErrors(e).map((t) => t.id)
    if (ids.includes('UNSUPPORTED_SASL_MECHANISM')) {
      return new Failure('TRB-KAFKA-002', { detail: 'the broker does not offer this mechanism on this listener' }, chain[0])
    }
    // The broker's answer to a token it refuses is taken for its consent by the client library: the next request then comes amid the login.
    if (ids.includes('ILLEGAL_SASL_STATE'))
      return new Failure('TRB-KAFKA-002', { detail: 'the broker did not take what was given' }, chain[0])
    // A connection that ends during the login says nothing of who logs in: a listener that speaks TLS does so, too.
    const refused = code === 'PLT_KFK_AUTHENTICATION' && !chain.slice(chain.indexOf(e)).some((c) => codeOf(c) === 'PLT_KFK_NETWORK')
    if (refused || ids.includes('SASL_AUTHENTICATION_FAILED')) {
      const said = chain.flatMap(protocolErrors).find((t) => t.message !== null)?.message
      return new Failure('TRB-KAFKA-002', { detail: said ?? detail }, chain[0])
    }
    if (code === 'PLT_KFK_UNSUPPORTED_API') return new Failure('TRB-KAFKA-012', { doing: 'talking to the broker', detail }, chain[0])
  }
  return null
}

/** An error, its causes, and what an aggregate holds; breadth first, at most 32. */
function causes(e: unknown): Error[] {
  const out: Error[] = []
  const queue = [e]
  while (queue.length > 0 && out.length < 32) {
    const next = queue.shift()
    if (!(next instanceof Error) || out.includes(next)) continue
    out.push(next)
    queue.push(next.cause)
    // The protocol errors of an answer are read with it.
    if (next instanceof AggregateError && codeOf(next) !== 'PLT_KFK_RESPONSE') queue.push(...next.errors)
  }
  return out
}

function protocolErrors(e: Error): ProtocolTrouble[] {
  if (!(e instanceof AggregateError) || codeOf(e) !== 'PLT_KFK_RESPONSE') return []
  return e.errors.map((p: { apiId: string; path: string; serverErrorMessage: string | null }) => {
    return { id: p.apiId, path: p.path, message: p.serverErrorMessage }
  })
}

function codeOf(e: Error): string {
  const { code } = e as { code?: unknown }
  return typeof code === 'string' ? code : ''
}
