import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { root } from '../tidy/tree.ts'

/** Holds the number of the process that the servers end with. */
export const OWNER = 'owner'
/** A start costs half a minute on a busy machine, and the installation minutes. */
const START_MS = 480_000

/** A connection to the JVM of a Hudi version that the test files share; the first one to ask starts it. */
export async function connectSpark(dir: string, version: string): Promise<Socket> {
  const work = join(dir, version)
  const path = join(work, 'socket')
  // Whoever makes the directory starts the server.
  if (mkdirSync(work, { recursive: true }) !== undefined) start(work, version, path)
  const until = Date.now() + START_MS
  while (!existsSync(path)) {
    if (existsSync(join(work, 'ended'))) throw new Error(`Spark with Hudi ${version} ended: ${tailOf(work)}`)
    if (Date.now() > until) throw new Error(`Spark with Hudi ${version} did not start: ${tailOf(work)}`)
    await sleep(100)
  }
  return new Promise((done, fail) => {
    const socket = connect(path, () => done(socket))
    socket.once('error', fail)
  })
}

function start(work: string, version: string, path: string): void {
  const out = openSync(join(work, 'out'), 'w')
  const script = join(root, 'test/services/spark.sh')
  const owner = readFileSync(join(dirname(work), OWNER), 'utf8')
  // Not a child of this worker: it ends with the run, not with this file.
  const child = spawn('bash', ['-c', 'bash "$0" serve "$1" "$2" "$3"; echo $? > "$HUDI_WORK/ended"', script, version, path, owner], {
    detached: true,
    stdio: ['ignore', out, out],
    env: { ...process.env, HUDI_WORK: work },
  })
  writeFileSync(join(work, 'pid'), String(child.pid))
  child.unref()
}

/** The end of the log of a server, for messages. */
export function tailOf(work: string): string {
  const texts = ['out', 'spark.err'].map((name) => (existsSync(join(work, name)) ? readFileSync(join(work, name), 'utf8') : ''))
  return texts.join('\n').slice(-3000)
}

/** Ends every server of the directory: they go when their socket does, and are killed when they don't. */
export async function stopSparks(dir: string): Promise<void> {
  for (const version of readdirSync(dir)) {
    if (version === OWNER) continue
    const work = join(dir, version)
    rmSync(join(work, 'socket'), { force: true })
    for (let n = 0; n < 100 && !existsSync(join(work, 'ended')); n++) await sleep(100)
    if (existsSync(join(work, 'ended'))) continue
    process.kill(-Number(readFileSync(join(work, 'pid'), 'utf8')), 'SIGKILL')
  }
}
