import { parentPort, workerData } from 'node:worker_threads'
import { createRowDecoder, decodeRows } from '../../envelope/row-decoder.ts'
import { assert } from '../../failure/failure.ts'
import { acquireLakeLock } from '../../lake/lake-lock.ts'
import { AppendGate } from '../../log/embedded/append-gate.ts'
import { feed } from '../../pipeline/feed.ts'
import type { RowSource } from '../../pipeline/feed-lake.ts'
import { systemClock } from '../clock.ts'
import { openPlace } from '../open-store.ts'
import { processProbe } from '../process-owner.ts'
import { openStateForReading, scratchDirectory } from '../state.ts'
import { feedLake } from './run-lake.ts'
import { type FromLake, type LakeWork, sendFailure, type ToLake } from './run-protocol.ts'
import { lakePolicy } from './run-services.ts'

// Entry of the lake thread: reads the log over its own connection, writes the lake. A failure is sent, not thrown, so that its code arrives.

/** Rows handed to the lake writer at a time. */
const CHUNK_BYTES = 1 << 20

const port = parentPort
assert(port !== null, 'the lake worker runs in a thread')
const work = workerData as LakeWork
const clock = systemClock
const drain = new AbortController()
const abort = new AbortController()
const gate = new AppendGate(0)

port.on('message', (m: ToLake) => {
  if (m.kind === 'append') gate.advance(m.id)
  else if (m.kind === 'drain') drain.abort(new Error('drain'))
  else abort.abort(ENDED)
})
const ENDED = new Error('the run has ended')
const send = (m: FromLake): void => port.postMessage(m)

/** Of the commit that is being staged; a stage that is repeated counts again. */
const counters = { infinite: 0 }
const rows: RowSource = {
  shape: (keySchema, valueSchema) => createRowDecoder({ keySchema, valueSchema }),
  rows: (batches, from, schema) => {
    counters.infinite = 0
    return decodeRows(batches, { schema, from, maxBytes: CHUNK_BYTES, counters })
  },
}

try {
  await run()
  send({ kind: 'done' })
} catch (e) {
  if (e !== ENDED) send({ kind: 'failed', failure: sendFailure(e) })
}
await untilAborted(abort.signal)
port.close()

async function run(): Promise<void> {
  const store = openPlace(work.lake, clock)
  const owner = processProbe()
  const lock = await acquireLakeLock(store, clock, owner)
  const state = openStateForReading(work.state)
  try {
    const { log, registry, topicTables } = state
    const lake = feedLake(
      { store, clock, scratchDir: scratchDirectory(work.state), concurrency: work.concurrency, owner },
      lakePolicy(work.services),
      {
        warning: (text) => send({ kind: 'warning', text }),
        service: (path, done) => send({ kind: 'service', path, done }),
      },
    )
    let startedMs = clock.now()
    await feed(
      {
        ...{ source: work.source, log, registry, topicTables, lake, rows, clock, signal: gate, policy: work.policy },
        layout: ({ table }) => ({ ...work.layout, partition: work.partitions[`${table.schema}.${table.table}`] ?? null }),
        onOpen: () => send({ kind: 'ready' }),
        onStart: () => {
          startedMs = clock.now()
        },
        onCommit: (commit) => send({ kind: 'commit', commit, tookMs: clock.now() - startedMs, infinite: counters.infinite }),
        onWatermark: (watermark) => send({ kind: 'watermark', watermark }),
      },
      drain.signal,
      AbortSignal.any([abort.signal, lock.lost]),
    )
  } finally {
    state.close()
    await lock.release()
  }
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
