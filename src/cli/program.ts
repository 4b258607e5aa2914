import { writeSync } from 'node:fs'
import { createFrame, runCommand } from './command.ts'
import { flush } from './output.ts'
import { failureText, toFailure } from './print-failure.ts'
import { maskArguments, type Secrets } from './secrets.ts'
import { argumentsFromLauncher, Interrupted, watchSignals } from './signals.ts'
import type { Program } from './verb.ts'

/** Runs one command line of `program` in this process and ends the process with its exit status. */
export async function runProgram(program: Program, given: readonly string[]): Promise<void> {
  const argv = given[0] === '--from-launcher' && process.channel !== undefined ? await argumentsFromLauncher() : given
  process.title = `${program.name} ${maskArguments(argv)}`
  const stop = new AbortController()
  const { env, stdin, stdout, stderr } = process
  const closed = (): void => stop.abort(new Interrupted('closed'))
  const frame = createFrame(argv, { env, cwd: process.cwd(), stdin, stdout, stderr, signal: stop.signal, closed })
  process.on('uncaughtException', (e) => leaveOnDefect(e, frame.secrets))
  watchSignals((reason) => stop.abort(reason))
  const exit = await runCommand(program, argv, frame)
  await flush(stdout)
  await flush(stderr)
  process.exit(exit)
}

/** What no verb caught: a defect. Written at once, since nothing after it can be relied on. */
function leaveOnDefect(e: unknown, secrets: Secrets): never {
  writeSync(2, `${secrets.mask(failureText(toFailure(e)))}\n`)
  process.exit(1)
}
