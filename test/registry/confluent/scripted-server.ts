import { createServer, type IncomingMessage, type Server } from 'node:http'

export interface Scripted {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** A server that answers as it is told; `hang` never answers, `cut` closes the connection. */
export interface ScriptedServer {
  readonly url: string
  readonly requests: string[]
  answer: (request: string, headers: IncomingMessage['headers']) => Scripted | 'hang' | 'cut'
  close(): Promise<void>
}

export async function scriptedServer(answer: ScriptedServer['answer']): Promise<ScriptedServer> {
  const requests: string[] = []
  const server: Server = createServer((request, response) => {
    request.resume()
    const text = `${request.method} ${request.url}`
    requests.push(text)
    const said = scripted.answer(text, request.headers)
    if (said === 'hang') return
    if (said === 'cut') {
      request.socket.destroy()
      return
    }
    response.writeHead(said.status, { 'content-type': 'application/json', ...said.headers })
    response.end(typeof said.body === 'string' ? said.body : JSON.stringify(said.body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const scripted: ScriptedServer = {
    url: `http://127.0.0.1:${port}`,
    requests,
    answer,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return scripted
}
