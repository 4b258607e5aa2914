import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer as createPlainServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Failure } from '../../failure/failure.ts'
import { ApiError } from './api-error.ts'
import { type ApiRequest, answerApi, JsonText } from './api-routes.ts'
import type { RegistryService } from './registry-service.ts'

const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json'
/** Schemas are kilobytes. */
const MAX_BODY = 4 * 1024 ** 2

export interface ServerOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** Basic authentication for every request; null: none. */
  readonly user: { readonly name: string; readonly password: string } | null
  /** PEM texts; with `ca` clients need a certificate of that authority. Null: without TLS. */
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string | null } | null
  /** An error that is not the caller's: what the 500 does not say. */
  readonly onError: (e: unknown) => void
}

export interface RegistryServer {
  readonly url: string
  close(): Promise<void>
}

/** Serves Confluent's API. Resolves when it listens; fails with TRB-REG-012 when the address can't be used, -011 for unusable TLS files. */
export async function serveRegistry(service: RegistryService, options: ServerOptions): Promise<RegistryServer> {
  const answering = new Set<Promise<void>>()
  const respond = (request: IncomingMessage, response: ServerResponse): void => {
    handle(service, options, request, response, answering).catch((e: unknown) => {
      options.onError(e)
      response.destroy()
    })
  }
  const server = createServer(options, respond)
  await listen(server, options)
  const { port } = server.address() as AddressInfo
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  return {
    url: `${options.tls === null ? 'http' : 'https'}://${host}:${port}`,
    async close() {
      const { promise, resolve } = Promise.withResolvers<void>()
      server.close(() => resolve())
      // What was asked before is answered; a request of which only a part has come is not waited for.
      await Promise.allSettled(answering)
      server.closeAllConnections()
      await promise
    },
  }
}

function createServer({ tls }: ServerOptions, respond: (request: IncomingMessage, response: ServerResponse) => void): Server {
  if (tls === null) return createPlainServer(respond)
  const { cert, key, ca } = tls
  try {
    return createSecureServer({ cert, key, ...(ca === null ? {} : { ca, requestCert: true, rejectUnauthorized: true }) }, respond)
  } catch (e) {
    const detail = `the TLS files can't be used: ${(e as Error).message}`
    throw new Failure('TRB-REG-011', { detail, flag: 'Name PEM files of a certificate and its key.' }, e)
  }
}

function listen(server: Server, { host, port }: ServerOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', (e: NodeJS.ErrnoException) => {
    reject(new Failure('TRB-REG-012', { address: `${host}:${port}`, detail: e.code ?? e.message }, e))
  })
  server.listen(port, host, resolve)
  return promise
}

async function handle(
  service: RegistryService,
  options: ServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  answering: Set<Promise<void>>,
): Promise<void> {
  if (options.user !== null && !isUser(options.user, request.headers.authorization)) {
    request.resume()
    response.setHeader('www-authenticate', 'Basic realm="schema registry"')
    send(request, response, 401, { error_code: 401, message: 'Unauthorized' })
    return
  }
  let given: ApiRequest
  try {
    given = await apiRequest(request)
  } catch (e) {
    sendError(request, response, options, e)
    return
  }
  const answered = answer(service, options, request, response, given)
  answering.add(answered)
  await answered.finally(() => answering.delete(answered))
}

/** Resolves when the answer has left. */
async function answer(
  service: RegistryService,
  options: ServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  given: ApiRequest,
): Promise<void> {
  const { promise: left, resolve } = Promise.withResolvers<void>()
  response.once('close', resolve)
  try {
    send(request, response, 200, await answerApi(service, given))
  } catch (e) {
    sendError(request, response, options, e)
  }
  await left
}

function send(request: IncomingMessage, response: ServerResponse, status: number, body: unknown): void {
  const text = body instanceof JsonText ? body.text : JSON.stringify(body)
  response.writeHead(status, { 'content-type': CONTENT_TYPE, 'content-length': Buffer.byteLength(text) })
  response.end(request.method === 'HEAD' ? undefined : text)
}

function sendError(request: IncomingMessage, response: ServerResponse, options: ServerOptions, e: unknown): void {
  // The caller has gone in the middle of its request: there is nobody to tell.
  if (request.destroyed && !request.complete) return
  const error = e instanceof ApiError ? e : new ApiError(500, 50001, 'Error in the backend data store')
  if (error !== e) options.onError(e)
  send(request, response, error.status, { error_code: error.errorCode, message: error.message })
}

async function apiRequest(request: IncomingMessage): Promise<ApiRequest> {
  const [path, query] = (request.url ?? '/').split('?', 2) as [string, string | undefined]
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET')
  const body = await readBody(request)
  return { method, path: segments(path), query: new URLSearchParams(query), body }
}

function segments(path: string): readonly string[] {
  try {
    return path
      .split('/')
      .filter((s) => s !== '')
      .map(decodeURIComponent)
  } catch (e) {
    if (e instanceof URIError) throw new ApiError(400, 400, 'the path is not percent-encoded')
    throw e
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes <= MAX_BODY) chunks.push(chunk)
  }
  if (bytes > MAX_BODY) throw new ApiError(413, 413, `the body is larger than ${MAX_BODY} bytes`)
  if (bytes === 0) return undefined
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch (e) {
    if (e instanceof SyntaxError) throw new ApiError(400, 400, 'the body is no JSON')
    throw e
  }
}

/** Compared by hash, so that the time says nothing about how much of it was right. */
function isUser(user: { readonly name: string; readonly password: string }, header: string | undefined): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
  const wanted = `Basic ${Buffer.from(`${user.name}:${user.password}`).toString('base64')}`
  return timingSafeEqual(hash(wanted), hash(header ?? ''))
}
