import { Worker } from 'node:worker_threads'
import type { LakeHalf } from '../../pipeline/run.ts'
import { type FromLake, type LakeWork, receiveFailure, type ToLake } from './run-protocol.ts'

export interface LakeThreadEvents {
  readonly onCommit: (event: Extract<FromLake, { kind: 'commit' }>) => void
  readonly onWatermark: (event: Extract<FromLake, { kind: 'watermark' }>) => void
  readonly onService: (event: Extract<FromLake, { kind: 'service' }>) => void
  readonly onWarning: (text: string) => void
}

/**
 * V8 lets a thread's young generation grow to many times what it needs before it collects; here little is allocated per row, so a small
 * one costs nothing and keeps the process small.
 */
const MEMORY = { maxYoungGenerationSizeMb: 8 }

/**
 * Starts the lake half in a thread of its own, so that Parquet is written while changes are captured. Resolves once the lake is open and
 * locked; rejects with the thread's failure. Messages carry append ids and counters only: the thread reads the log by itself.
 */
export async function startLakeThread(work: LakeWork, events: LakeThreadEvents): Promise<LakeHalf> {
  const worker = new Worker(new URL('./run-lake-entry.ts', import.meta.url), { workerData: work, resourceLimits: MEMORY })
  const ready = Promise.withResolvers<void>()
  const done = Promise.withResolvers<void>()
  const exited = Promise.withResolvers<void>()
  const fail = (e: unknown): void => {
    ready.reject(e)
    done.reject(e)
  }
  // Whoever waits sees the rejection; nobody waiting yet is no unhandled one.
  ready.promise.catch(ignore)
  done.promise.catch(ignore)
  worker.on('error', fail)
  worker.on('exit', (code) => {
    fail(new Error(`the lake thread ended with ${code} without an answer`))
    exited.resolve()
  })
  worker.on('message', (m: FromLake) => {
    if (m.kind === 'ready') ready.resolve()
    else if (m.kind === 'commit') events.onCommit(m)
    else if (m.kind === 'watermark') events.onWatermark(m)
    else if (m.kind === 'service') events.onService(m)
    else if (m.kind === 'warning') events.onWarning(m.text)
    else if (m.kind === 'done') done.resolve()
    else fail(receiveFailure(m.failure))
  })
  const send = (m: ToLake): void => worker.postMessage(m)
  await ready.promise
  let closed = false
  return {
    advance: (id) => send({ kind: 'append', id }),
    drain: async () => {
      send({ kind: 'drain' })
      await done.promise
    },
    ended: done.promise,
    close: async () => {
      if (closed) return
      closed = true
      send({ kind: 'abort' })
      await exited.promise
    },
  }
}

function ignore(): undefined {
  return undefined
}
