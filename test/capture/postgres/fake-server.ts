import type { AddressInfo } from 'node:net'
import { createServer, type Server, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { backend } from './messages.ts'
import { TLS_CERTIFICATE, TLS_KEY } from './tls-identity.ts'

export interface FakeAnswers {
  /** error: SQLSTATE sent instead of the login; password: asked for in the clear. */
  readonly login?: { readonly error?: string; readonly password?: string }
  /** First value of the first row by statement; a statement that is not listed gets no row. */
  readonly sql?: (statement: string) => string | null
  /** What is sent after a statement that starts with START_REPLICATION, each part as a write of its own. */
  readonly stream?: readonly Buffer[]
  readonly tls?: boolean
  /** SQLSTATE with which a statement fails; null: it does not. */
  readonly fail?: (statement: string) => string | null
}

/** A backend of a few lines, for answers that a healthy server cannot be brought to give. */
export async function fakeServer(answers: FakeAnswers): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    if (answers.tls !== true) return serve(socket, answers)
    // SSLRequest, then everything inside.
    socket.once('data', () => {
      socket.write('S')
      const secure = new TLSSocket(socket, { isServer: true, cert: TLS_CERTIFICATE, key: TLS_KEY })
      secure.on('error', () => undefined)
      serve(secure, answers)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const s of sockets) s.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function serve(socket: Socket, answers: FakeAnswers): void {
  let pending = Buffer.alloc(0)
  let started = false
  socket.on('data', (chunk) => {
    pending = Buffer.concat([pending, chunk])
    for (;;) {
      const head = started ? 1 : 0
      if (pending.length < head + 4) return
      const size = pending.readInt32BE(head) + head
      if (pending.length < size) return
      const message = pending.subarray(0, size)
      pending = pending.subarray(size)
      if (!started) {
        started = true
        startup(socket, answers)
      } else reply(socket, answers, message)
    }
  })
}

/** One write after the other, as a walsender does: over TLS each is a record of its own. */
function writeInTurn(socket: Socket, parts: readonly Buffer[], i: number): void {
  if (i < parts.length) socket.write(parts[i], () => writeInTurn(socket, parts, i + 1))
}

const READY = backend('Z', Buffer.from('I'))
const LOGGED_IN = Buffer.concat([backend('R', Buffer.alloc(4)), READY])

function error(code: string): Buffer {
  return backend('E', Buffer.from(`SFATAL\0C${code}\0Mthe server said ${code}\0\0`))
}

function startup(socket: Socket, answers: FakeAnswers): void {
  const { login } = answers
  if (login?.password !== undefined) socket.write(backend('R', Buffer.from([0, 0, 0, 3])))
  else if (login?.error !== undefined) socket.end(error(login.error))
  else socket.write(LOGGED_IN)
}

function reply(socket: Socket, answers: FakeAnswers, message: Buffer): void {
  const kind = String.fromCharCode(message[0])
  const text = message.toString('utf8', 5, message.length - 1)
  if (kind === 'p') socket.write(text === answers.login?.password ? LOGGED_IN : error(answers.login?.error ?? '28P01'))
  if (kind === 'X') socket.end()
  if (kind !== 'Q') return
  if (text.startsWith('START_REPLICATION')) {
    writeInTurn(socket, answers.stream ?? [], 0)
    return
  }
  const failure = answers.fail?.(text) ?? null
  if (failure !== null) {
    socket.write(Buffer.concat([error(failure), READY]))
    return
  }
  const value = answers.sql?.(text) ?? null
  const field = Buffer.concat([Buffer.from('v\0'), Buffer.alloc(6), Buffer.from([0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0])])
  const parts = [backend('T', Buffer.concat([Buffer.from([0, 1]), field]))]
  if (value !== null) {
    const bytes = Buffer.from(value)
    const length = Buffer.alloc(4)
    length.writeInt32BE(bytes.length)
    parts.push(backend('D', Buffer.concat([Buffer.from([0, 1]), length, bytes])))
  }
  socket.write(Buffer.concat([...parts, backend('C', Buffer.from('SELECT 1\0')), READY]))
}
