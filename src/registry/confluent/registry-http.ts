import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { createSecureContext } from 'node:tls'
import type { Clock } from '../../contract/clock.ts'
import { Failure } from '../../failure/failure.ts'
import type { ConfluentOptions, RegistryAuth } from './confluent-options.ts'

const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json'
const ACCEPT = `${CONTENT_TYPE}, application/vnd.schemaregistry+json; q=0.9, application/json; q=0.8`
/** A schema is some kilobytes; more than this is no registry. */
const MAX_ANSWER = 64 * 1024 ** 2
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000

export interface RegistryAnswer {
  readonly status: number
  readonly body: unknown
  readonly url: string
}

interface Server {
  /** Without user and password, no slash at the end. */
  readonly base: string
  readonly secure: boolean
  readonly authorization: string | null
}

/**
 * Requests to the servers of one registry: the one that answered last is asked first, then the others, with growing pauses between rounds.
 * Questions may be repeated: registering a schema again gives the id that it has.
 */
export class RegistryHttp {
  readonly #servers: readonly Server[]
  readonly #options: ConfluentOptions
  readonly #clock: Clock
  readonly #plain = new HttpAgent({ keepAlive: true, maxSockets: 4 })
  readonly #secure: HttpsAgent
  #current = 0

  /** Fails with TRB-REG-011 when a setting can't be used. */
  constructor(options: ConfluentOptions) {
    this.#options = options
    this.#clock = options.clock
    this.#servers = options.urls.map((url) => serverOf(url, options.auth))
    if (this.#servers.length === 0) throw new Failure('TRB-REG-011', { detail: 'no URL is given', flag: '--registry http://HOST:8081' })
    this.#secure = secureAgent(options)
  }

  get name(): string {
    return this.#servers.map((s) => s.base).join(',')
  }

  /**
   * The answer of the first server that gives one (status below 500, and not 429). `patienceMs` 0: each server is asked once.
   * Fails with TRB-REG-003 (no answer), -004 (401), -005 (403), -007 (TLS), -009 (no registry's answer), or the signal's reason while it waits.
   */
  async ask(method: 'GET' | 'POST', path: string, body: unknown, patienceMs: number): Promise<RegistryAnswer> {
    const start = this.#clock.now()
    let pause = FIRST_PAUSE_MS
    for (let round = 1; ; round++) {
      let cause: unknown
      for (let i = 0; i < this.#servers.length; i++) {
        const server = this.#servers[this.#current]!
        try {
          const answer = await this.#once(server, method, path, body)
          if (answer.status < 500 && answer.status !== 429) return judge(answer, method, path)
          cause = `${server.base} answered ${answer.status} ${messageOf(answer.body)}`
        } catch (e) {
          if (e instanceof Failure) throw e
          if (isTlsError(e)) throw new Failure('TRB-REG-007', { url: server.base, detail: reasonOf(e) }, e)
          cause = e
        }
        this.#current = (this.#current + 1) % this.#servers.length
      }
      if (this.#clock.now() - start + pause > patienceMs) {
        const detail = typeof cause === 'string' ? cause : reasonOf(cause)
        throw new Failure('TRB-REG-003', { url: this.name, detail, attempts: round }, typeof cause === 'string' ? undefined : cause)
      }
      await this.#clock.sleep(pause * (0.5 + this.#clock.random() / 2), this.#options.signal)
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
    }
  }

  /** Ends the kept connections. */
  close(): void {
    this.#plain.destroy()
    this.#secure.destroy()
  }

  #once(server: Server, method: string, path: string, body: unknown): Promise<RegistryAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<RegistryAnswer>()
    const text = body === undefined ? null : JSON.stringify(body)
    const send = server.secure ? requestHttps : requestHttp
    const options = {
      method,
      agent: server.secure ? this.#secure : this.#plain,
      timeout: this.#options.timeoutMs,
      headers: {
        accept: ACCEPT,
        ...(server.authorization === null ? {} : { authorization: server.authorization }),
        ...(text === null ? {} : { 'content-type': CONTENT_TYPE, 'content-length': Buffer.byteLength(text) }),
      },
    }
    const request = send(`${server.base}${path}`, options, (response) => {
      readAnswer(response, server.base).then(resolve, reject)
    })
    request.on('timeout', () => request.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })))
    request.on('error', reject)
    request.end(text ?? undefined)
    return promise
  }
}

/** What a registry is called in messages and as the owner of cached answers: its URLs without users. Fails with TRB-REG-011. */
export function registryName(urls: readonly string[]): string {
  return urls.map((url) => serverOf(url, { kind: 'none' }).base).join(',')
}

function serverOf(text: string, auth: RegistryAuth): Server {
  if (!URL.canParse(text))
    throw new Failure('TRB-REG-011', { detail: 'a URL of the registry is none', flag: '--registry http://HOST:8081' })
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new Failure('TRB-REG-011', { detail: `${url.protocol}// is not a protocol of registries`, flag: '--registry http://HOST:8081' })
  }
  const { user, password } = { user: decodeURIComponent(url.username), password: decodeURIComponent(url.password) }
  const own: RegistryAuth = user === '' ? auth : { kind: 'basic', user, password }
  const base = `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, '')}`
  return { base, secure: url.protocol === 'https:', authorization: authorizationOf(own) }
}

function authorizationOf(auth: RegistryAuth): string | null {
  if (auth.kind === 'none') return null
  if (auth.kind === 'bearer') return `Bearer ${auth.token}`
  return `Basic ${Buffer.from(`${auth.user}:${auth.password}`).toString('base64')}`
}

/** Unusable files are told here, not with the first request. */
function secureAgent({ tls }: ConfluentOptions): HttpsAgent {
  const files = {
    ...(tls?.ca == null ? {} : { ca: tls.ca }),
    ...(tls?.cert == null ? {} : { cert: tls.cert }),
    ...(tls?.key == null ? {} : { key: tls.key }),
    ...(tls?.passphrase == null ? {} : { passphrase: tls.passphrase }),
  }
  try {
    createSecureContext(files)
  } catch (e) {
    throw new Failure('TRB-REG-011', { detail: `the TLS files can't be used: ${reasonOf(e)}`, flag: '--registry-ca FILE' }, e)
  }
  return new HttpsAgent({ keepAlive: true, maxSockets: 4, ...files })
}

async function readAnswer(response: IncomingMessage, url: string): Promise<RegistryAnswer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_ANSWER) throw new Failure('TRB-REG-009', { url, detail: `an answer of more than ${MAX_ANSWER} bytes` })
    chunks.push(chunk)
  }
  const status = response.statusCode ?? 0
  return { status, body: parseJson(Buffer.concat(chunks).toString('utf8')), url }
}

/** Not JSON (a proxy's page): the text itself, which no caller takes for an answer. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (e) {
    if (e instanceof SyntaxError) return text
    throw e
  }
}

function judge(answer: RegistryAnswer, method: string, path: string): RegistryAnswer {
  const { status, url, body } = answer
  const message = messageOf(body)
  if (status === 401) throw new Failure('TRB-REG-004', { url, detail: message })
  if (status === 403) throw new Failure('TRB-REG-005', { url, request: `${method} ${path}`, detail: message })
  if (status >= 300 && status < 400) throw new Failure('TRB-REG-009', { url, detail: `it redirects (${status}) to another address` })
  if (typeof body === 'string') throw new Failure('TRB-REG-009', { url, detail: `${status}: ${message}` })
  return answer
}

/** The registry's own words, or the beginning of what came instead of them. */
export function messageOf(body: unknown): string {
  if (typeof body === 'string') return body.replace(/\s+/g, ' ').trim().slice(0, 200)
  const message = (body as { message?: unknown } | null)?.message
  return typeof message === 'string' ? message : JSON.stringify(body ?? null).slice(0, 200)
}

/** `error_code` of an error's body; Confluent's 5-digit codes, or the status where a registry gives no other. */
export function errorCodeOf(answer: RegistryAnswer): number {
  const code = (answer.body as { error_code?: unknown } | null)?.error_code
  return typeof code === 'number' ? code : answer.status
}

function isTlsError(e: unknown): boolean {
  const code = (e as NodeJS.ErrnoException | null)?.code ?? ''
  return /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|EPROTO$|ERR_OSSL_)/.test(code)
}

function reasonOf(e: unknown): string {
  if (e instanceof AggregateError && e.errors.length > 0) return reasonOf(e.errors[0])
  return e instanceof Error ? e.message || ((e as NodeJS.ErrnoException).code ?? e.name) : String(e)
}
