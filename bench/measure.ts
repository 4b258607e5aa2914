import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'

/** What a piece of work cost. */
export interface Cost {
  readonly wallS: number
  /** User and system time of the whole process, all threads. */
  readonly cpuS: number
  readonly rssMb: number
}

/** Costs of a work of `rows` rows, or why there are none. `recorded`: not of this run, but of an earlier one, and which. */
export type Figure = (Cost & { readonly rows: number; readonly recorded?: string }) | { readonly absent: string }

export interface BenchRow {
  readonly work: string
  readonly ours: Figure
  readonly reference: { readonly name: string; readonly figure: Figure }
  /** What to read the pair by: ours ÷ reference in this unit. */
  readonly by: 'wall' | 'cpu'
}

export interface Bench {
  readonly name: string
  /** The question it answers, one line. */
  readonly question: string
  run(say: (text: string) => void, runs: number): Promise<readonly BenchRow[]>
}

/** The run whose wall time is the median (the better of two). */
export async function median(runs: number, once: () => Promise<Cost>): Promise<Cost> {
  const costs: Cost[] = []
  for (let i = 0; i < runs; i++) costs.push(await once())
  return costs.sort((a, b) => a.wallS - b.wallS)[Math.floor((runs - 1) / 2)]
}

/**
 * Runs a command to its end and says what it cost: wall time around it, CPU time as its parent shell's `times` has it (so that
 * short-lived threads and its own children count), peak memory as the highest VmHWM seen.
 */
export async function measureCommand(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Cost> {
  return (await measureAnswer(command, args, env, false)).cost
}

/** The same, with what the command wrote to standard output when that is `wanted` (else it goes to /dev/null). */
export async function measureAnswer(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  wanted = true,
): Promise<{ readonly cost: Cost; readonly stdout: string }> {
  const start = performance.now()
  // `times` prints two lines: the shell's own, then its children's: <m>m<s>s <m>m<s>s.
  const script = `"$@" ${wanted ? '' : '>/dev/null '}3>&- & echo $! >&3; wait $!; code=$?; times >&3; exit $code`
  const child = spawn('/bin/bash', ['-c', script, 'bench', command, ...args], { env, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] })
  let stdout = ''
  child.stdout!.setEncoding('utf8').on('data', (t: string) => (stdout += t))
  let answer = ''
  let stderr = ''
  child.stderr!.setEncoding('utf8').on('data', (t: string) => (stderr += t))
  ;(child.stdio[3] as NodeJS.ReadableStream).setEncoding('utf8').on('data', (t: string) => (answer += t))
  let rssMb = 0
  const poll = setInterval(() => {
    const pid = answer.split('\n')[0]
    if (pid) rssMb = Math.max(rssMb, peakRssMb(pid))
  }, 20)
  const code = await new Promise<number>((done, reject) => {
    child.once('error', reject)
    child.once('close', (c) => done(c ?? 1))
  })
  clearInterval(poll)
  const wallS = (performance.now() - start) / 1000
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${stderr.slice(-2000)}`)
  return { cost: { wallS, cpuS: childSeconds(answer), rssMb }, stdout }
}

function childSeconds(times: string): number {
  const last = times.trim().split('\n').at(-1)!
  return [...last.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, m) => sum + Number(m[1]) * 60 + Number(m[2]), 0)
}

/** Peak resident memory of a live process in MB (10^6 bytes); 0 when it is gone or this is not Linux. */
export function peakRssMb(pid: string | number): number {
  const path = `/proc/${pid}/status`
  if (!existsSync(path)) return 0
  try {
    const m = /VmHWM:\s+(\d+) kB/.exec(readFileSync(path, 'utf8'))
    return m === null ? 0 : (Number(m[1]) * 1024) / 1e6
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ESRCH' || (e as NodeJS.ErrnoException).code === 'ENOENT') return 0 // ended between the two calls
    throw e
  }
}

/** What a worker reports at its end about the part it wants measured: see `report`. */
interface WorkerReport {
  readonly cost: Cost
  readonly rows: number
  readonly note?: string
}

/** Runs a TypeScript file in a process of its own that calls `report` once; its exit must be 0. */
export function measureWorker(file: string, args: readonly string[]): Promise<WorkerReport> {
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  return new Promise((done, reject) => {
    let answer: WorkerReport | undefined
    child.once('error', reject)
    child.on('message', (m) => {
      answer = m as WorkerReport
    })
    child.once('exit', (code) => {
      if (code === 0 && answer !== undefined) done(answer)
      else reject(new Error(`${file} ended with ${code} and ${answer === undefined ? 'no' : 'a'} report`))
    })
  })
}

/** In a worker: everything from here to the returned function's call is the work. */
export function startWork(): (rows: number, note?: string) => void {
  const wall = performance.now()
  const cpu = process.cpuUsage()
  return (rows, note) => {
    const used = process.cpuUsage(cpu)
    const rssMb = (process.resourceUsage().maxRSS * 1024) / 1e6
    const cost = { wallS: (performance.now() - wall) / 1000, cpuS: (used.user + used.system) / 1e6, rssMb }
    process.send!({ cost, rows, note } satisfies WorkerReport)
  }
}

export function machine(): string {
  const model = cpus()[0]?.model ?? 'unknown processor'
  const load = existsSync('/proc/loadavg') ? `, load ${readFileSync('/proc/loadavg', 'utf8').split(' ')[0]}` : ''
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  return `${cpus().length} × ${model}, ${memory}, Node ${process.versions.node}, ${process.platform} ${process.arch}${load}`
}
