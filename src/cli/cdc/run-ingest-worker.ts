import { Readable } from 'node:stream'
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../../failure/failure.ts'
import { systemClock } from '../clock.ts'
import type { FlagValues } from '../flag.ts'
import type { IngestFlags } from '../lake/ingest-flags.ts'
import { runIngest, type ShownCommit } from '../lake/run-ingest.ts'
import type { Context, Output } from '../verb.ts'
import type { FromIngest, IngestWork } from './run-ingest-protocol.ts'
import { sendFailure } from './run-protocol.ts'

// Entry of the thread that is `lake ingest` inside a cdc run. A failure is sent, not thrown, so that its code arrives.

const port = parentPort
assert(port !== null, 'the ingest worker runs in a thread')
const work = workerData as IngestWork
const drain = new AbortController()
port.on('message', () => drain.abort(new Error('drain')))
const send = (m: FromIngest): void => port.postMessage(m)

try {
  // Follows the topics until the capture has ended; then everything that is there by now, in topics that are new by now too.
  const watch = ({ path, instant, records }: ShownCommit): void => send({ kind: 'commit', path, instant, records })
  const followed = await runIngest(contextOf(false, drain.signal), watch)
  const rest = await runIngest(contextOf(true, new AbortController().signal), watch)
  send({ kind: 'done', records: total(followed.result, rest.result, 'records'), commits: total(followed.result, rest.result, 'commits') })
} catch (e) {
  send({ kind: 'failed', failure: sendFailure(e) })
}
port.close()

function contextOf(once: boolean, signal: AbortSignal): Context<IngestFlags> {
  const output: Output = {
    isTerminal: false,
    columns: 0,
    write: async (chunk) => {
      const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8')
      send({ kind: 'log', text: text.trimEnd() })
    },
  }
  const { command, env, cwd } = work
  return {
    ...{ command, env, cwd, clock: systemClock, stdout: output, stderr: output, signal, args: [], json: false, properties: null },
    flags: { ...work.flags, once } as FlagValues<IngestFlags>,
    origin: () => 'flag',
    stdin: Readable.from([]),
    // Whatever is logged here is masked by the frame of the run.
    secret: () => undefined,
  }
}

function total(a: unknown, b: unknown, key: 'records' | 'commits'): number {
  const of = (r: unknown): number => (r as Record<typeof key, number>)[key]
  return of(a) + of(b)
}
