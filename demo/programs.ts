import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** One of the product's two programs, run as a user would: own process, settings by flags and environment. */
export interface Program {
  readonly name: 'cdc' | 'lake'
  readonly args: readonly string[]
}

export interface Finished {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The command as it can be typed. */
export function commandLine(p: Program): string {
  const quote = (a: string): string => (/^[\w@%+=:,./-]+$/.test(a) ? a : a.includes(' ') ? `"${a}"` : `'${a}'`)
  return ['npx', p.name, ...p.args.map(quote)].join(' ')
}

const children = new Set<ChildProcess>()
// However this process ends, its children end with it.
process.once('exit', () => {
  for (const c of children) c.kill('SIGKILL')
})

/** The way bin/launch.mjs starts a program on an older Node: it leaves when the channel closes, so not even SIGKILL of us orphans it. */
function start(p: Program, env: Readonly<Record<string, string>>, stdio: ('ignore' | 'pipe' | number)[]): ChildProcess {
  const main = join(root, 'src', 'cli', `main-${p.name}.ts`)
  const child = spawn(process.execPath, [main, '--from-launcher'], {
    cwd: process.cwd(),
    env: { ...process.env, ...env },
    stdio: [...stdio, 'ipc'],
  })
  child.send({ argv: p.args }, () => undefined) // a program that could not start says so by its exit
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

/** Runs to the end. */
export async function run(p: Program, env: Readonly<Record<string, string>> = {}): Promise<Finished> {
  const child = start(p, env, ['ignore', 'pipe', 'pipe'])
  const texts = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) child[stream]!.setEncoding('utf8').on('data', (t: string) => (texts[stream] += t))
  const code = await new Promise<number>((done, reject) => {
    child.once('error', reject)
    child.once('close', (c) => done(c ?? 1))
  })
  return { code, ...texts }
}

/** A program that goes on until it is stopped or killed; its standard error goes to `logFile`. */
export interface Service {
  readonly pid: number
  /** Resolves when it has ended: its exit status, or the signal's name. */
  readonly ended: Promise<number | string>
  /** Asks it to drain and commit, and waits. */
  stop(): Promise<number | string>
  kill(): Promise<number | string>
}

export function service(p: Program, env: Readonly<Record<string, string>>, logFile: string): Service {
  const log = openSync(logFile, 'a')
  const child = start(p, env, ['ignore', log, log])
  closeSync(log)
  const ended = new Promise<number | string>((done, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => done(signal ?? code ?? 1))
  })
  const signal = (name: 'SIGTERM' | 'SIGKILL') => (): Promise<number | string> => {
    child.kill(name)
    return ended
  }
  return { pid: child.pid!, ended, stop: signal('SIGTERM'), kill: signal('SIGKILL') }
}
