import { describe, expect, it } from 'vitest'
import { HeartbeatSource } from '../../src/capture/heartbeat.ts'
import type { SourceEvent } from '../../src/capture/source-event.ts'
import type { ChangeBatch, ChangeSource, ChangeStream } from '../../src/contract/change.ts'
import type { Clock } from '../../src/contract/clock.ts'
import { Failure } from '../../src/failure/failure.ts'

/** A clock whose sleeps end when the test says so. */
class HandClock implements Clock {
  readonly #sleeps = new Set<() => void>()
  now = (): number => 0
  uuid = (): string => ''
  random = (): number => 0

  sleep(_ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#sleeps.add(resolve)
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
  }

  async ring(): Promise<void> {
    for (const end of this.#sleeps) end()
    this.#sleeps.clear()
    for (let i = 0; i < 20; i++) await Promise.resolve()
  }
}

const EMPTY = { arena: Buffer.alloc(0), bytes: 0, count: 0, tables: [], transactions: [], snapshotDone: [], snapshotComplete: false }
const batch = (upTo: string, boundary = true): ChangeBatch => ({ ...EMPTY, upTo, boundary }) as unknown as ChangeBatch

/** A source that gives what the test puts into it. */
class HandSource implements ChangeSource {
  waiting: PromiseWithResolvers<IteratorResult<ChangeBatch>> | null = null
  readonly acked: string[] = []
  check = (): Promise<[]> => Promise.resolve([])
  compare = (): number => 0
  close = (): Promise<void> => Promise.resolve()

  open(): Promise<ChangeStream> {
    const next = (): Promise<IteratorResult<ChangeBatch>> => {
      this.waiting = Promise.withResolvers()
      return this.waiting.promise
    }
    const batches = { [Symbol.asyncIterator]: () => ({ next }) }
    const stream = {
      batches,
      ack: (p: string) => void this.acked.push(p),
      head: () => Promise.resolve('h'),
      close: () => Promise.resolve(),
    }
    return Promise.resolve(stream)
  }

  give(b: ChangeBatch): void {
    this.waiting!.resolve({ done: false, value: b })
  }
}

async function opened(
  query: string | null = null,
  from: string | null = null,
  run: (sql: string) => Promise<unknown> = async () => undefined,
) {
  const clock = new HandClock()
  const inner = new HandSource()
  const events: SourceEvent[] = []
  const deps = {
    clock,
    observe: (e: SourceEvent) => events.push(e),
    run,
    atBoundary: (p: string) => p.startsWith('at'),
    close: async () => undefined,
  }
  const source = new HeartbeatSource(inner, { intervalMs: 10, query }, deps)
  const stream = await source.open(from, new AbortController().signal)
  return { clock, inner, events, stream, batches: stream.batches[Symbol.asyncIterator]() }
}

describe('heartbeats of a source', () => {
  it('come on a batch of their own while nothing else does, and on the next batch when nobody waited', async () => {
    const { clock, inner, batches, stream } = await opened()
    const first = batches.next()
    inner.give(batch('at 1'))
    expect((await first).value).toMatchObject({ upTo: 'at 1' })
    const second = batches.next()
    await clock.ring()
    expect((await second).value).toMatchObject({ upTo: 'at 1', heartbeat: true, count: 0, boundary: true })
    // The pull that was on its way is not lost.
    inner.give(batch('at 2'))
    await clock.ring()
    const third = await batches.next()
    expect(third.value).toMatchObject({ upTo: 'at 2', heartbeat: true })
    await stream.close()
  })

  it('are not given inside a transaction or a snapshot', async () => {
    const { clock, inner, batches, stream } = await opened(null, 'snapshot')
    const first = batches.next()
    await clock.ring()
    inner.give(batch('at 1:7', false))
    expect((await first).value).not.toHaveProperty('heartbeat')
    const second = batches.next()
    await clock.ring()
    inner.give(batch('at 2'))
    expect((await second).value).toMatchObject({ upTo: 'at 2', heartbeat: true })
    await stream.close()
  })

  it('go on from the position that a run begins with, and run the query each time; its failure is said once and ends nothing', async () => {
    const asked: string[] = []
    const run = async (sql: string): Promise<void> => {
      asked.push(sql)
      throw new Failure('TRB-PG-023', {
        doing: 'the heartbeat',
        reason: 'no table',
        sqlstate: '42P01',
        host: 'h',
        port: 1,
        user: 'u',
        database: 'd',
      })
    }
    const { clock, batches, events, stream } = await opened('UPDATE hb', 'at 0', run)
    for (let i = 0; i < 3; i++) {
      const next = batches.next()
      await clock.ring()
      expect((await next).value).toMatchObject({ upTo: 'at 0', heartbeat: true })
    }
    expect(asked).toEqual(['UPDATE hb', 'UPDATE hb', 'UPDATE hb'])
    expect(events).toEqual([{ kind: 'warning', text: expect.stringContaining('heartbeat query') }])
    await stream.close()
  })

  it('pass acknowledgements and failures of the source on', async () => {
    const { inner, batches, stream } = await opened()
    stream.ack('at 1')
    const next = batches.next()
    inner.waiting!.reject(new Error('lost'))
    await expect(next).rejects.toThrow('lost')
    expect(inner.acked).toEqual(['at 1'])
    await stream.close()
  })
})
