import { expect, test } from 'vitest'
import { Failure } from '../../../src/failure/failure.ts'
import { ClaimedWrites } from '../../../src/storage/s3/claims.ts'
import { ConditionalWrites } from '../../../src/storage/s3/conditional-writes.ts'
import { type Connected, S3Link, type S3Request } from '../../../src/storage/s3/s3-link.ts'
import { DEFAULT_S3_OPTIONS } from '../../../src/storage/s3/s3-options.ts'
import { type ManualClock, manualClock } from '../../support/manual-clock.ts'

const BODY = Buffer.from('x')
const LIMIT = 30_000

/** A service that never answers a put, and has it all the same where `applies`. */
class SilentService extends S3Link {
  readonly sent: string[] = []
  readonly applies: boolean
  readonly #objects = new Map<string, string>()
  readonly #time: ManualClock

  constructor(clock: ManualClock, applies: boolean) {
    super({ root: 's3://b', bucket: 'b', prefix: '' }, DEFAULT_S3_OPTIONS, clock)
    this.applies = applies
    this.#time = clock
  }

  override async once<R>(
    request: S3Request,
    _sent: number,
    effect: (c: Connected, signal: AbortSignal) => Promise<R>,
    over = new AbortController(),
  ): Promise<R> {
    const client = { send: (input: Input) => this.#answer(request, input, over) }
    const sdk = new Proxy({}, { get: () => Command })
    return await effect({ sdk, client } as unknown as Connected, over.signal)
  }

  async #answer(request: S3Request, { Key, Metadata, Delete }: Input, over: AbortController): Promise<unknown> {
    if (request === 'ListObjectsV2') {
      const claims = [...this.#objects.keys()].filter((k) => k.startsWith('.tributary/'))
      return { Contents: claims.map((k) => ({ Key: k, LastModified: new Date(this.#time.now()) })) }
    }
    if (request === 'DeleteObjects') return Delete!.Objects.map((o) => this.#objects.delete(o.Key))
    if (request === 'HeadObject') {
      const id = this.#objects.get(Key)
      if (id === undefined) throw Object.assign(new Error('absent'), { name: 'NotFound', $metadata: { httpStatusCode: 404 } })
      return { Metadata: { 'tributary-write': id }, ContentLength: BODY.length }
    }
    const isClaim = Key.startsWith('.tributary/')
    if (isClaim || this.applies) this.#objects.set(Key, Metadata['tributary-write']!)
    if (isClaim) return {}
    this.sent.push(Key)
    await Promise.race([
      this.#time.sleep(LIMIT),
      new Promise((_, reject) => over.signal.addEventListener('abort', () => reject(over.signal.reason), { once: true })),
    ])
    throw Object.assign(new Error('late'), { name: 'TimeoutError' })
  }
}

interface Input {
  readonly Key: string
  readonly Metadata: Readonly<Record<string, string>>
  readonly Delete?: { readonly Objects: readonly { readonly Key: string }[] }
}

class Command {
  constructor(input: Input) {
    Object.assign(this, input)
  }
}

/** A lock that is renewed `renewals` times, each for ten seconds. */
function lease(renewals: number): () => Promise<number> {
  let asked = 0
  return () => (asked++ > renewals ? Promise.reject(new Failure('TRB-LAKE-081', { file: 'lock', left: 0 })) : Promise.resolve(10_000))
}

async function outcome(clock: ManualClock, work: Promise<unknown>): Promise<unknown> {
  const done = work.catch((e: unknown) => (e as Failure).code)
  await clock.advance(600_000)
  return await done
}

test('a put without an answer ends when the lock is not renewed, and is not repeated: the key may be decided by who has the lock now', async () => {
  const clock = manualClock()
  const link = new SilentService(clock, false)
  const began = clock.now()
  let ended = 0
  const put = new ConditionalWrites(link).create('k', BODY, lease(1)).finally(() => {
    ended = clock.now() - began
  })
  expect(await outcome(clock, put)).toBe('TRB-LAKE-081')
  expect(link.sent).toEqual(['k'])
  expect(ended).toBeLessThan(LIMIT)
})

test('what got through before is known', async () => {
  const clock = manualClock()
  const link = new SilentService(clock, true)
  expect(await outcome(clock, new ConditionalWrites(link).create('k', BODY, lease(1)))).toBe('created')
  expect(link.sent).toEqual(['k'])
})

test('a lock that is renewed lets every try take its time', async () => {
  const clock = manualClock()
  const link = new SilentService(clock, false)
  expect(await outcome(clock, new ConditionalWrites(link).create('k', BODY, lease(1_000)))).not.toBe('TRB-LAKE-081')
  expect(link.sent).toHaveLength(DEFAULT_S3_OPTIONS.limits.attempts)
})

test('nothing is sent where the lock is lost already', async () => {
  const clock = manualClock()
  const link = new SilentService(clock, false)
  expect(await outcome(clock, new ConditionalWrites(link).create('k', BODY, lease(-1)))).toBe('TRB-LAKE-081')
  expect(link.sent).toEqual([])
})

test.each([true, false])(
  'claims: no try is made when the claim may be taken for a dead one’s; the first got through: %s',
  async (applies) => {
    const clock = manualClock()
    const link = new SilentService(clock, applies)
    expect(await outcome(clock, new ClaimedWrites(link).create('k', BODY))).toBe(applies ? 'created' : 'TRB-STORE-013')
    expect(link.sent).toEqual(['k'])
  },
)
