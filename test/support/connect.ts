import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const SCRIPT = 'test/services/connect.sh'
const run = promisify(execFile)

/** A worker of the real Kafka Connect (test/services/connect.sh), by its REST interface. */
export class ConnectCluster {
  readonly #url: string
  readonly #env: NodeJS.ProcessEnv

  private constructor(url: string, env: NodeJS.ProcessEnv) {
    this.#url = url
    this.#env = env
  }

  static async start(bootstrap: string, data: string): Promise<ConnectCluster> {
    const env = { ...process.env, CONNECT_DATA: data, CONNECT_PORT: String(await freePort()) }
    const { stdout } = await run('bash', [SCRIPT, 'start', bootstrap], { env, timeout: 110_000 })
    return new ConnectCluster(stdout.trim(), env)
  }

  /** Creates a connector or changes it. Gives the status of the answer. */
  async put(connector: string, config: Readonly<Record<string, string>>): Promise<string> {
    return (await this.#ask('PUT', `/connectors/${connector}/config`, config)).status
  }

  /** Stops its tasks; resolves when they are gone. */
  async stopConnector(connector: string): Promise<void> {
    await this.#ask('PUT', `/connectors/${connector}/stop`)
    for (let i = 0; ; i++) {
      const { body } = await this.#ask('GET', `/connectors/${connector}/status`)
      const { connector: own, tasks } = body as { connector?: { state?: string }; tasks?: unknown[] }
      if (own?.state === 'STOPPED' && tasks?.length === 0) return
      if (i === 600) throw new Error(`the connector does not stop: ${JSON.stringify(body)}`)
      await sleep(100)
    }
  }

  async resume(connector: string): Promise<void> {
    await this.#ask('PUT', `/connectors/${connector}/resume`)
  }

  async stop(): Promise<void> {
    await run('bash', [SCRIPT, 'stop'], { env: this.#env, timeout: 30_000 })
  }

  async #ask(method: string, path: string, body?: unknown): Promise<{ readonly status: string; readonly body: unknown }> {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(this.#url + path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    const text = await answer.text()
    if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return { status: String(answer.status), body: text === '' ? null : JSON.parse(text) }
  }
}

/** Below the range that outgoing connections take theirs from. */
async function freePort(): Promise<number> {
  for (let port = 14_000 + (process.pid % 900) * 6; ; port++) {
    const server = createServer()
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (free) return port
  }
}
