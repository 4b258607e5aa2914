import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/**
 * What happens to a request. refuse: 503 before the server sees it. error: the server does it, the client is told 500. lost: the server does
 * it, the client's connection is cut. cut: the connection is cut before the server sees it. half: half of the answer's body, then cut.
 * slow: the answer comes after `slowMs`. An object: that error in place of an answer, before the server sees the request.
 */
export type HttpFault = 'refuse' | 'error' | 'lost' | 'cut' | 'half' | 'slow' | { readonly status: number; readonly code: string }

export interface Seen {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
}

/** An HTTP proxy before a server, with a fault for chosen requests. The client signs for the proxy's address: it is passed on as it stands. */
export class FaultProxy {
  readonly seen: Seen[] = []
  /** The fault of the n-th request (from 0 since it was set); null: none. */
  plan: (seen: Seen, n: number) => HttpFault | null = () => null
  slowMs = 0
  readonly #server: Server
  readonly #target: URL
  readonly #sockets = new Set<Socket>()
  #count = 0

  constructor(target: string) {
    this.#target = new URL(target)
    this.#server = createServer((q, a) => this.#pass(q, a))
    this.#server.on('connection', (s) => {
      this.#sockets.add(s)
      s.on('close', () => this.#sockets.delete(s))
    })
  }

  async listen(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Sets the plan and counts from 0. */
  inject(plan: FaultProxy['plan']): void {
    this.plan = plan
    this.#count = 0
    this.seen.length = 0
  }

  async close(): Promise<void> {
    for (const s of this.#sockets) s.destroy()
    await new Promise((done) => this.#server.close(done))
  }

  #pass(q: IncomingMessage, a: ServerResponse): void {
    const url = new URL(q.url ?? '/', this.#target)
    const seen: Seen = { method: q.method ?? '', path: url.pathname, query: url.searchParams, headers: q.headers }
    this.seen.push(seen)
    const fault = this.plan(seen, this.#count++)
    if (fault === 'cut') return void q.socket.destroy()
    const refusal = fault === 'refuse' ? { status: 503, code: 'SlowDown' } : fault
    if (refusal !== null && typeof refusal === 'object') {
      q.resume()
      q.on('end', () => a.writeHead(refusal.status, { 'content-type': 'application/xml' }).end(errorBody(refusal.code)))
      return
    }
    const { hostname, port } = this.#target
    const onward = request({ hostname, port, method: q.method, path: q.url, headers: q.headers }, (r) => {
      if (fault === 'lost') {
        r.resume()
        r.on('end', () => q.socket.destroy())
      } else if (fault === 'error') {
        r.resume()
        r.on('end', () => a.writeHead(500, { 'content-type': 'application/xml' }).end(errorBody('InternalError')))
      } else if (fault === 'half') this.#half(r, a, q)
      else if (fault === 'slow') setTimeout(() => a.writeHead(r.statusCode!, r.headers) && r.pipe(a), this.slowMs)
      else {
        a.writeHead(r.statusCode!, r.headers)
        r.pipe(a)
      }
    })
    onward.on('error', () => q.socket.destroy())
    q.on('error', () => onward.destroy())
    q.pipe(onward)
  }

  #half(r: IncomingMessage, a: ServerResponse, q: IncomingMessage): void {
    const chunks: Buffer[] = []
    r.on('data', (c: Buffer) => chunks.push(c))
    r.on('end', () => {
      const body = Buffer.concat(chunks)
      a.writeHead(r.statusCode!, r.headers)
      a.write(body.subarray(0, body.length >> 1), () => q.socket.destroy())
    })
  }
}

function errorBody(code: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>injected</Message></Error>`
}
