import { findErrorBy } from '@platformatic/kafka'
import { Failure, isFailure } from '../../failure/failure.ts'
import { knownTrouble } from './trouble.ts'

/** Codes of Kafka's protocol that the consumer decides by. */
export const KAFKA_ERRORS = {
  offsetOutOfRange: 1,
  /** Leadership moved, or the answer is not there yet: asked again after new metadata. */
  passing: new Set([3, 5, 6, 7, 9, 14, 15, 16, 56, 74, 75, 76, 78, 100, 103]),
} as const

/** Names of the answers that a person has to do something about. */
const DENIED: Readonly<Record<number, string>> = {
  29: 'TOPIC_AUTHORIZATION_FAILED',
  30: 'GROUP_AUTHORIZATION_FAILED',
  31: 'CLUSTER_AUTHORIZATION_FAILED',
}

/** Errors of the client, as failures. */
export class ConsumerFailures {
  readonly #brokers: string
  readonly #group: string

  constructor(brokers: string, group: string) {
    this.#brokers = brokers
    this.#group = group
  }

  of(what: string, e: unknown): Failure {
    if (isFailure(e)) return e
    const error = e instanceof Error ? e : new Error(String(e))
    const known = knownTrouble(error)
    if (known !== null) return known
    for (const name of Object.values(DENIED)) {
      if (findErrorBy(error, 'apiId', name) !== null) return this.#denied(what, name, e)
    }
    return this.unreachable(what, e)
  }

  answer(what: string, topic: string, code: number): Failure {
    const name = DENIED[code]
    if (name !== undefined) return this.#denied(`${what} of ${topic}`, name, undefined)
    return this.unreachable(`${what} of ${topic}`, new Error(`answer ${code}`))
  }

  unreachable(what: string, e: unknown): Failure {
    return new Failure('TRB-INGEST-004', { brokers: this.#brokers, operation: what, detail: messageOf(e) }, e)
  }

  /** Records that the lake has not seen are gone, or never were in this topic. */
  lost(topic: string, partition: number, offset: number, start: number, end: number): Failure {
    const where = { topic, partition, offset, start, end }
    return offset < start
      ? new Failure('TRB-INGEST-002', where)
      : new Failure('TRB-INGEST-005', { ...where, detail: 'it ends before that' })
  }

  /** Another topic has taken the name of the one that was listed. */
  recreated(topic: string, partition: number, offset: number, was: string, id: string): Failure {
    const where = { topic, partition, offset, start: 0, end: 0 }
    return new Failure('TRB-INGEST-005', { ...where, detail: `it was created again since (id ${id}, was ${was})` })
  }

  #denied(what: string, name: string, e: unknown): Failure {
    return new Failure('TRB-INGEST-003', { brokers: this.#brokers, operation: what, detail: `${name} (group ${this.#group})` }, e)
  }
}

function messageOf(e: unknown): string {
  if (!(e instanceof Error)) return String(e)
  const first = (e as { errors?: readonly unknown[] }).errors?.[0]
  return first instanceof Error ? messageOf(first) : e.message
}
