import { Readable, Writable } from 'node:stream'
import { createFrame, runCommand } from '../../src/cli/command.ts'
import { CDC, LAKE } from '../../src/cli/verbs.ts'
import type { Ended, RunOptions } from './run-bin.ts'

/** As runBin, without a process of its own: the same frame over streams in memory. For verbs that start no threads. */
export async function runInProcess(program: 'cdc' | 'lake', args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const texts = { stdout: '', stderr: '' }
  const sink = (name: 'stdout' | 'stderr'): Writable =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        texts[name] += chunk.toString()
        done()
      },
    })
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], TZ: 'UTC', ...options.env }
  const world = { env, cwd: options.cwd ?? process.cwd(), stdin: Readable.from([]), stdout: sink('stdout'), stderr: sink('stderr') }
  const frame = createFrame(args, { ...world, signal: new AbortController().signal, closed: () => undefined })
  const code = await runCommand(program === 'cdc' ? CDC : LAKE, args, frame)
  return { code, signal: null, ...texts }
}
