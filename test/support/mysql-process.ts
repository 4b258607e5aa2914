import { execFile } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface DatabaseOptions {
  /** More options of the server. */
  readonly args?: string
  readonly serverId?: number
}

/** A server of its own on 127.0.0.1, root without a password, its data in a temporary directory. */
export interface DatabaseServer {
  readonly flavor: 'mysql' | 'mariadb'
  readonly port: number
  /** Stops it in an orderly way; its data stay. */
  stop(): Promise<void>
  kill(): Promise<void>
  start(args?: string): Promise<void>
  destroy(): Promise<void>
}

/** Installs (once per machine) and starts a server by the project's start script; again when it cannot: its port may have gone to somebody else. */
export async function startDatabase(flavor: 'mysql' | 'mariadb', options: DatabaseOptions = {}): Promise<DatabaseServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await tryStart(flavor, options)
    } catch (e) {
      if (attempt === 3) throw e
      console.warn(`${flavor} did not start: ${String(e)}`)
    }
  }
}

async function tryStart(flavor: 'mysql' | 'mariadb', options: DatabaseOptions): Promise<DatabaseServer> {
  const data = mkdtempSync(join(tmpdir(), `trib-${flavor}-`))
  // The server does not run as root.
  chmodSync(data, 0o755)
  const port = await freePort()
  const prefix = flavor.toUpperCase()
  const call = async (verb: string, args: string): Promise<void> => {
    const env = {
      ...process.env,
      [`${prefix}_DATA`]: join(data, 'd'),
      [`${prefix}_PORT`]: String(port),
      [`${prefix}_SERVER_ID`]: String(options.serverId ?? 1),
      [`${prefix}_ARGS`]: args,
    }
    await run('bash', [join('test/services', `${flavor}.sh`), verb], { env, timeout: 600_000 })
  }
  const destroy = async (): Promise<void> => {
    await call('destroy', '')
    rmSync(data, { recursive: true, force: true })
  }
  try {
    await call('start', options.args ?? '')
  } catch (e) {
    await destroy()
    throw e
  }
  return {
    flavor,
    port,
    stop: () => call('stop', ''),
    kill: () => call('kill', ''),
    start: (args) => call('start', args ?? options.args ?? ''),
    destroy,
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
