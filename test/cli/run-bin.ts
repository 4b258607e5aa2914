import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Another Node than this one. */
  readonly node?: string
  /** Called once the child runs. */
  readonly during?: (child: ChildProcess) => void
}

export const repository = fileURLToPath(new URL('../../', import.meta.url))

/** Runs bin/<program>.mjs with an environment of its own (nothing of libpq's or ours leaks in), at most three minutes. */
export async function runBin(program: 'cdc' | 'lake', args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const env = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', TZ: 'UTC', ...options.env }
  const child = spawn(options.node ?? process.execPath, [`${repository}bin/${program}.mjs`, ...args], {
    env,
    cwd: options.cwd,
    timeout: 180_000,
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (d: Buffer) => {
    stdout += d.toString()
  })
  child.stderr.on('data', (d: Buffer) => {
    stderr += d.toString()
  })
  options.during?.(child)
  return await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
}

export interface Envelope<T> {
  readonly command: string
  readonly ok: boolean
  readonly summary: string
  readonly result: T
  readonly error: { readonly code: string } | null
}

/** The --json envelope on stdout. */
export function envelope<T = unknown>(e: Ended): Envelope<T> {
  return JSON.parse(e.stdout) as Envelope<T>
}
