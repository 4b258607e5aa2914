import { Failure } from '../../failure/failure.ts'
import { headOf, putOnce } from './s3-calls.ts'
import { isTrouble } from './s3-failure.ts'
import type { S3Link } from './s3-link.ts'
import type { S3Writes } from './s3-writes.ts'

/** Claims of a key lie below this directory, in one named after the key. */
const CLAIMS = '.tributary/tmp/claims/'
/** A claim of this age belongs to a dead writer. A live one needs seconds, and checks its own age before it writes. */
const DEAD_MS = 60_000
/** A writer that has held its claim for longer does not write any more. */
const FRESH_MS = 20_000
/** Rounds of giving way to each other before giving up. */
const ROUNDS = 40

/**
 * Conditional writes for a service without conditions, over nothing but a listing that sees every finished put. Who wants to write a key
 * announces it by an object of its own (a claim), then lists the claims: alone, it looks what is there and writes; else it takes its claim
 * back, waits a random time and begins again. Of two writers at least the one that lists later sees the other, so both never write.
 *
 * Weaker than conditions in one way: a writer that is stopped for 40 seconds between its look at the clock and the arrival of its write
 * can overwrite another's. Costs five requests in place of one.
 */
export class ClaimedWrites implements S3Writes {
  readonly conditional = false
  readonly #link: S3Link

  constructor(link: S3Link) {
    this.#link = link
  }

  async create(key: string, body: Uint8Array): Promise<'created' | 'exists'> {
    return await this.#alone(key, async () => {
      if ((await headOf(this.#link, key)) !== null) return { done: 'exists' as const, write: null }
      return { done: 'created' as const, write: body }
    })
  }

  async replace(key: string, body: Uint8Array, tag: string): Promise<'replaced' | 'stale'> {
    return await this.#alone(key, async () => {
      const found = await headOf(this.#link, key)
      if (found?.ETag !== tag) return { done: 'stale' as const, write: null }
      return { done: 'replaced' as const, write: body }
    })
  }

  async #alone<R>(key: string, decide: () => Promise<{ done: R; write: Uint8Array | null }>): Promise<R> {
    const link = this.#link
    const directory = `${CLAIMS}${Buffer.from(key, 'utf8').toString('hex')}/`
    for (let round = 1; round <= ROUNDS; round++) {
      const claim = directory + link.clock.uuid()
      const since = link.clock.now()
      await this.#put(claim, Buffer.alloc(0))
      try {
        if (await this.#isAlone(directory, claim)) {
          const { done, write } = await decide()
          if (write === null) return done
          if (link.clock.now() - since < FRESH_MS) {
            await this.#put(key, write)
            return done
          }
        }
      } finally {
        await this.#remove(claim)
      }
      await link.pause(Math.min(round, 5))
    }
    throw new Failure('TRB-STORE-016', { root: link.location.root, key, rounds: ROUNDS })
  }

  /** Takes away claims of dead writers on the way; by the service's own times, so no two clocks are compared. */
  async #isAlone(directory: string, claim: string): Promise<boolean> {
    const link = this.#link
    const { bucket } = link.location
    const answer = await link.send('ListObjectsV2', directory, 0, ({ sdk, client }, abortSignal) =>
      client.send(new sdk.ListObjectsV2Command({ Bucket: bucket, Prefix: link.name(directory) }), { abortSignal }),
    )
    const all = answer.Contents ?? []
    const mine = all.find((o) => o.Key === link.name(claim))?.LastModified?.getTime()
    if (mine === undefined) return false
    const others = all.filter((o) => o.Key !== link.name(claim))
    const dead = others.filter((o) => mine - (o.LastModified?.getTime() ?? mine) > DEAD_MS)
    for (const o of dead) await this.#remove(o.Key!.slice(link.location.prefix.length))
    return others.length === dead.length
  }

  /** Repeated without doubt: nobody else writes this key meanwhile, and the bytes are the same. */
  async #put(key: string, body: Uint8Array): Promise<void> {
    const id = this.#link.clock.uuid()
    await this.#link.retrying('PutObject', key, () => putOnce(this.#link, key, body, id, {}))
  }

  async #remove(key: string): Promise<void> {
    const link = this.#link
    const input = { Bucket: link.location.bucket, Delete: { Objects: [{ Key: link.name(key) }], Quiet: true } }
    await link.retrying('DeleteObjects', key, async () => {
      try {
        await link.once('DeleteObjects', 0, ({ sdk, client }, abortSignal) =>
          client.send(new sdk.DeleteObjectsCommand(input), { abortSignal }),
        )
      } catch (e) {
        if (!isTrouble(e, 'absent')) throw e
      }
    })
  }
}
