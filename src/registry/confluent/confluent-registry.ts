import type { SchemaRegistry } from '../../contract/log.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import type { ConfluentOptions } from './confluent-options.ts'
import { explainConflict } from './explain-conflict.ts'
import { errorCodeOf, messageOf, type RegistryAnswer, RegistryHttp } from './registry-http.ts'
import { subjectName } from './subject-name.ts'

const UNKNOWN_SUBJECT = 40401
const UNKNOWN_SCHEMA = 40403
const NOT_ALLOWED = 42205
/** After no server answered: how long none is asked for what is known. */
const OUTAGE_MS = 10_000

/**
 * Schema ids of a registry with Confluent's API. What was answered once is not asked again by this process; ids of earlier processes
 * (the cache) are used only while no server answers, so that a registry that lost its schemas is noticed.
 */
export class ConfluentRegistry implements SchemaRegistry {
  readonly #http: RegistryHttp
  readonly #options: ConfluentOptions
  /** `subject \0 text` → id; promises, so that callers at the same time ask once. */
  readonly #ids = new Map<string, Promise<number>>()
  readonly #texts = new Map<number, Promise<string>>()
  /** Until then an outage is taken as going on: what is known is not asked for, each time with a wait. */
  #outageUntil: number | null = null

  /** Fails with TRB-REG-011 when a setting can't be used. Nothing is asked yet. */
  constructor(options: ConfluentOptions) {
    this.#options = options
    this.#http = new RegistryHttp(options)
  }

  /** URLs of the servers, without credentials. */
  get name(): string {
    return this.#http.name
  }

  /**
   * The id of a schema, registered as the next version of its subject when it is new (or looked up only, see `autoRegister`).
   * `topicSubject` is `<topic>-key` or `<topic>-value`; the naming strategy makes the subject of it.
   * Fails with TRB-REG-002 (incompatible), -006 (no schema), -008 (not registered), -010 (read-only), and those of the transport.
   */
  register(topicSubject: string, schemaText: string): Promise<number> {
    const subject = subjectName(this.#options.subjects, topicSubject, schemaText)
    return remembered(this.#ids, `${subject}\0${schemaText}`, async () => {
      const { cache } = this.#options
      const known = cache?.id(subject, schemaText) ?? null
      const id = await this.#asked(known, (patience) => this.#register(subject, schemaText, patience))
      if (id !== known) cache?.putId(subject, schemaText, id)
      return id
    })
  }

  /** Text of the schema with this id. Fails with TRB-REG-001 when there is none, -013 when it is no Avro, and those of the transport. */
  schema(id: number): Promise<string> {
    return remembered(this.#texts, id, async () => {
      const { cache } = this.#options
      const known = cache?.text(id) ?? null
      const text = await this.#asked(known, (patience) => this.#schema(id, patience))
      if (text !== known) cache?.putText(id, text)
      return text
    })
  }

  close(): void {
    this.#http.close()
  }

  async #asked<T>(known: T | null, ask: (patienceMs: number) => Promise<T>): Promise<T> {
    const { clock, onOutage } = this.#options
    if (known !== null && this.#outageUntil !== null && clock.now() < this.#outageUntil) return known
    try {
      const answer = await ask(known === null ? this.#options.patienceMs : 0)
      if (this.#outageUntil !== null) onOutage?.(false, '')
      this.#outageUntil = null
      return answer
    } catch (e) {
      if (known === null || !isFailure(e, 'TRB-REG-003')) throw e
      if (this.#outageUntil === null) onOutage?.(true, String(e.details['detail']))
      this.#outageUntil = clock.now() + OUTAGE_MS
      return known
    }
  }

  async #register(subject: string, schemaText: string, patienceMs: number): Promise<number> {
    const { autoRegister } = this.#options
    const path = `/subjects/${encodeURIComponent(subject)}${autoRegister ? '/versions' : ''}`
    const answer = await this.#http.ask('POST', path, { schema: schemaText }, patienceMs)
    if (answer.status === 200) return idOf(answer, `POST ${path}`)
    const code = errorCodeOf(answer)
    const detail = messageOf(answer.body)
    if (answer.status === 409) throw await explainConflict(this.#http, subject, schemaText, detail)
    if (!autoRegister && (code === UNKNOWN_SUBJECT || code === UNKNOWN_SCHEMA)) {
      throw new Failure('TRB-REG-008', { subject, url: answer.url, path: `${path}/versions` })
    }
    if (code === NOT_ALLOWED) throw new Failure('TRB-REG-010', { subject, url: answer.url, detail })
    if (answer.status === 422) throw new Failure('TRB-REG-006', { subject, url: answer.url, detail })
    throw unexpected(answer, `POST ${path}`)
  }

  async #schema(id: number, patienceMs: number): Promise<string> {
    const path = `/schemas/ids/${id}`
    const answer = await this.#http.ask('GET', path, undefined, patienceMs)
    if (answer.status === 404) {
      throw new Failure('TRB-REG-001', { id, url: answer.url, detail: messageOf(answer.body) })
    }
    const body = answer.body as { schema?: unknown; schemaType?: unknown; references?: unknown } | null
    if (answer.status !== 200 || typeof body?.schema !== 'string') throw unexpected(answer, `GET ${path}`)
    const type = body.schemaType ?? 'AVRO'
    if (type !== 'AVRO') throw new Failure('TRB-REG-013', { id, url: answer.url, type: String(type) })
    if (Array.isArray(body.references) && body.references.length > 0) {
      throw new Failure('TRB-REG-013', { id, url: answer.url, type: 'Avro with references to other schemas' })
    }
    return body.schema
  }
}

/** The promise that is kept under a key; one that fails is forgotten, so that a later caller asks again. */
function remembered<K, V>(map: Map<K, Promise<V>>, key: K, make: () => Promise<V>): Promise<V> {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  made.catch(() => map.delete(key))
  return made
}

function idOf(answer: RegistryAnswer, request: string): number {
  const id = (answer.body as { id?: unknown } | null)?.id
  // The wire header has room for 31 bits and no sign.
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > 0x7fffffff) throw unexpected(answer, request)
  return id
}

function unexpected(answer: RegistryAnswer, request: string): Failure {
  return new Failure('TRB-REG-009', { url: answer.url, detail: `${answer.status} to ${request}: ${messageOf(answer.body)}` })
}
