import { Worker } from 'node:worker_threads'
import type { LakeHalf } from '../../pipeline/run.ts'
import { INGEST_FLAGS } from '../lake/ingest-flags.ts'
import type { Context } from '../verb.ts'
import type { RunFlags } from './run-flags.ts'
import type { FromIngest, IngestWork } from './run-ingest-protocol.ts'
import { receiveFailure } from './run-protocol.ts'

export interface IngestEvents {
  log(line: string): void
  commit(commit: { readonly path: string; readonly instant: string; readonly records: number }): void
}

/** The lake half with what it has done so far, known at its end. */
export interface IngestHalf extends LakeHalf {
  readonly done: { records: number; commits: number }
}

/**
 * `lake ingest` of this run's own topics, in a thread: the lake of `cdc run --kafka … --lake URI`. It reads Kafka by itself, as a consumer
 * group of the run's name; what happens to one half leaves the other a matter of Kafka.
 */
export function startIngestThread(context: Context<RunFlags>, state: string, tell: IngestEvents): IngestHalf {
  const worker = new Worker(new URL('./run-ingest-entry.ts', import.meta.url), { workerData: workOf(context, state) })
  const ended = Promise.withResolvers<void>()
  const exited = Promise.withResolvers<void>()
  const done = { records: 0, commits: 0 }
  // Whoever waits sees the rejection; nobody waiting yet is no unhandled one.
  ended.promise.catch(ignore)
  worker.on('error', (e) => ended.reject(e))
  worker.on('exit', (code) => {
    ended.reject(new Error(`the ingest thread ended with ${code} without an answer`))
    exited.resolve()
  })
  worker.on('message', (m: FromIngest) => {
    if (m.kind === 'log') tell.log(m.text)
    else if (m.kind === 'commit') tell.commit(m)
    else if (m.kind === 'failed') ended.reject(receiveFailure(m.failure))
    else {
      done.records = m.records
      done.commits = m.commits
      ended.resolve()
    }
  })
  return {
    done,
    advance: () => undefined,
    drain: async () => {
      worker.postMessage('drain')
      await ended.promise
    },
    ended: ended.promise,
    close: async () => {
      // After drain it has ended by itself; in any other case its half-written commit is rolled back by the next writer.
      await worker.terminate()
      await exited.promise
    },
  }
}

/** The flags of `lake ingest`: those that a run has too as they are given, the others by default. */
function workOf(context: Context<RunFlags>, state: string): IngestWork {
  const { flags, command, env, cwd } = context
  const given = flags as Readonly<Record<string, unknown>>
  const values = Object.entries(INGEST_FLAGS).map(([name, flag]) => [name, name in given ? given[name] : flag.default])
  const offsets = flags['kafka-offsets-topic'] ?? `${flags.name}.offsets`
  const own = { topics: [`${flags.name}.*`], group: flags.name, 'offsets-topic': offsets, state: flags.registry.length > 0 ? null : state }
  return { command, env: { ...env }, cwd, flags: { ...Object.fromEntries(values), ...own } }
}

function ignore(): undefined {
  return undefined
}
