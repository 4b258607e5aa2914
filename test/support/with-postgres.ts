// Runs a command with servers of its own:  node with-postgres.ts NAME=DIR [NAME=DIR ...] -- COMMAND [ARGS]
// NAME is the environment variable that gets the server's URL, DIR holds initdb and postgres (empty: the packaged binaries).
import { spawn } from 'node:child_process'
import { startPostgres } from '../../scripts/embedded-postgres.ts'

const args = process.argv.slice(2)
const cut = args.indexOf('--')
if (cut < 1 || cut === args.length - 1) throw new Error('usage: with-postgres.ts NAME=DIR ... -- COMMAND')
const env: NodeJS.ProcessEnv = { ...process.env }
const servers = []
for (const arg of args.slice(0, cut)) {
  const [name, bin] = [arg.slice(0, arg.indexOf('=')), arg.slice(arg.indexOf('=') + 1)]
  const server = await startPostgres(bin === '' ? {} : { bin })
  servers.push(server)
  env[name] = server.url
}
const child = spawn(args[cut + 1], args.slice(cut + 2), { env, stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
process.exitCode = await new Promise<number>((done) => {
  child.once('error', (e) => {
    console.error(String(e))
    done(1)
  })
  child.once('exit', (code) => done(code ?? 1))
})
await Promise.all(servers.map((s) => s.stop()))
