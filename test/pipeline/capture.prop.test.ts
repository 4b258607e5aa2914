import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import type { Log } from '../../src/contract/log.ts'
import { RecordReader } from '../../src/format/record-batch/reader.ts'
import { openStateDatabase } from '../../src/log/embedded/database.ts'
import { createEmbeddedLog } from '../../src/log/embedded/embedded-log.ts'
import { createTopicTables } from '../../src/log/embedded/topic-tables.ts'
import { type CaptureOptions, type CaptureProgress, capture } from '../../src/pipeline/capture.ts'
import { propertyRuns } from '../support/property-runs.ts'
import { Crash } from './fake-lake.ts'
import { type FakeBatch, FakeEncoder, FakeSource } from './fake-source.ts'

const root = mkdtempSync(join(tmpdir(), 'trib-capture-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let dirs = 0
const clock = { now: () => 0, sleep: async () => undefined, uuid: () => 'u', random: () => 0 }
const never = new AbortController().signal

interface Setup {
  readonly log: Log
  run(source: FakeSource, more?: Partial<CaptureOptions>, drain?: AbortSignal, once?: boolean): ReturnType<typeof capture>
}

function setup(): Setup {
  const db = openStateDatabase(join(root, String(dirs++)))
  db.pragma('synchronous = OFF')
  const log = createEmbeddedLog(db, { clock, retention: { maxAgeMs: 0, maxBytes: 0 } })
  const values = { name: 's', database: 'db', log, topicTables: createTopicTables(db), appendBytes: 100 }
  return {
    log,
    run: (source, more = {}, drain = never, once = true) =>
      capture({ ...values, source, encoder: new FakeEncoder(), ...more }, once, drain, never),
  }
}

function valuesIn(log: Log): number[] {
  const out: number[] = []
  const reader = new RecordReader()
  for (const b of log.read('p.s.t', 0, 0, Number.MAX_SAFE_INTEGER)) {
    reader.open(b.records, b.count)
    while (reader.next()) out.push(Number(reader.buf.toString('utf8', reader.valueStart, reader.valueEnd)))
  }
  return out
}

/** A script of batches of 0 to 5 changes; the last one is a boundary. */
const scripts = fc.array(fc.tuple(fc.nat(5), fc.boolean()), { minLength: 1, maxLength: 30 }).map((parts) => {
  let at = 0
  const script: FakeBatch[] = [{ from: 0, to: 0, boundary: true, snapshotComplete: true }]
  for (const [n, boundary] of [...parts, [1, true] as const]) {
    script.push({ from: at, to: at + n, boundary, snapshotComplete: false })
    at += n
  }
  return { script, count: at }
})

test('each change is in the log once and in order, whenever the process dies; nothing is acknowledged beyond the log', async () => {
  const crashes = fc.array(fc.nat(12), { maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(scripts, crashes, fc.integer({ min: 1, max: 200 }), async ({ script, count }, deaths, appendBytes) => {
      const { log, run } = setup()
      for (const death of [...deaths, Number.POSITIVE_INFINITY]) {
        const source = new FakeSource(script)
        let left = death
        const dying: Log = {
          ...delegate(log),
          append: async (batches, cursor) => {
            if (--left < 0) throw new Crash()
            const id = await log.append(batches, cursor)
            if (--left < 0) throw new Crash()
            return id
          },
        }
        const from = log.cursor('s')?.at ?? null
        const end = await run(source, { log: dying, appendBytes }).then(
          (e) => e.reason,
          (e: unknown) => (e instanceof Crash ? 'died' : Promise.reject(e)),
        )
        expect(source.opened).toEqual([from])
        const durable = Number(log.cursor('s')?.at ?? -1)
        for (const a of source.acks) expect(Number(a)).toBeLessThanOrEqual(durable)
        if (death === Number.POSITIVE_INFINITY) {
          expect(end).toBe('reached')
          expect(Number(source.acks.at(-1) ?? from)).toBe(durable)
        }
      }
      expect(valuesIn(log)).toEqual(Array.from({ length: count }, (_, i) => i))
      log.close()
    }),
    { numRuns: propertyRuns(40) },
  )
})

test('what is at hand shares one append; a lone change is appended at once', async () => {
  const { log, run } = setup()
  const script = Array.from({ length: 20 }, (_, i) => ({ from: i, to: i + 1, boundary: true, snapshotComplete: i === 0 }))
  const source = new FakeSource(script, 10)
  const seen: number[] = []
  const drain = new AbortController()
  const onAppend = (p: CaptureProgress): void => {
    seen.push(p.records)
    if (p.cursor.at === '10') source.arrive(1)
    if (p.cursor.at === '11') source.arrive(9)
    if (p.cursor.at === '20') drain.abort(new Error('drain'))
  }
  const end = await run(source, { onAppend, appendBytes: 1e6 }, drain.signal, false)
  expect(end.reason).toBe('stopped')
  expect(seen).toEqual([10, 1, 9])
  expect(log.cursor('s')).toMatchObject({ at: '20', commit: '20', consistent: true })
  log.close()
})

test('draining appends what was pulled and ends; before the source is open it ends at once; abort ends with its reason', async () => {
  const { log, run } = setup()
  expect(await run(new FakeSource([]), {}, AbortSignal.abort(new Error('drain')), false)).toEqual({ reason: 'stopped', cursor: null })

  const source = new FakeSource([{ from: 0, to: 3, boundary: false, snapshotComplete: true }])
  const drain = new AbortController()
  const ended = run(source, { onAppend: () => drain.abort(new Error('drain')) }, drain.signal, false)
  expect((await ended).cursor).toMatchObject({ at: '3', boundary: false })
  expect(valuesIn(log)).toEqual([0, 1, 2])
  log.close()
})

/** The log's methods as own properties, so that one of them can be replaced. */
function delegate(log: Log): Log {
  const names = [
    'append',
    'cursor',
    'read',
    'schemas',
    'endAt',
    'appendOf',
    'touched',
    'lastBoundary',
    'appends',
    'range',
    'topics',
    'release',
    'close',
  ]
  return Object.fromEntries(names.map((n) => [n, (log[n as keyof Log] as (...a: unknown[]) => unknown).bind(log)])) as unknown as Log
}
