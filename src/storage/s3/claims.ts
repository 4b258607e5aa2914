import type { WriteGuard } from '../../contract/object-store.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { guardedOnce, headOf, isOurs, putOnce } from './s3-calls.ts'
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
 * announces it by an object of its own (a claim), then lists the claims: alone, it looks what is there and writes. Else the claim whose name is
 * first waits until it is alone, and the others are taken back, to begin again after a random time. Of two writers at least the one that lists
 * later sees the other, so both never write.
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

  async create(key: string, body: Uint8Array, guard?: WriteGuard): Promise<'created' | 'exists'> {
    return await this.#alone(
      key,
      async () => {
        if ((await headOf(this.#link, key)) !== null) return { done: 'exists' as const, write: null }
        return { done: 'created' as const, write: body }
      },
      guard,
    )
  }

  async replace(key: string, body: Uint8Array, tag: string): Promise<'replaced' | 'stale'> {
    return await this.#alone(key, async () => {
      const found = await headOf(this.#link, key)
      if (found?.ETag !== tag) return { done: 'stale' as const, write: null }
      return { done: 'replaced' as const, write: body }
    })
  }

  async #alone<R>(key: string, decide: () => Promise<{ done: R; write: Uint8Array | null }>, guard?: WriteGuard): Promise<R> {
    const link = this.#link
    const directory = `${CLAIMS}${Buffer.from(key, 'utf8').toString('hex')}/`
    for (let round = 1; round <= ROUNDS; round++) {
      const claim = directory + link.clock.uuid()
      const since = link.clock.now()
      let rivals = 0
      await this.#put(claim, Buffer.alloc(0))
      try {
        rivals = await this.#waitForTurn(directory, claim, since)
        if (rivals === 0) {
          const { done, write } = await decide()
          if (write === null) return done
          if (link.clock.now() - since < FRESH_MS) {
            await this.#write(key, write, since, guard)
            return done
          }
        }
      } finally {
        await this.#remove(claim)
      }
      // As long as the others need, one after the other, so that on a slow service they do not meet again at once.
      const took = link.clock.now() - since
      await link.clock.sleep(Math.ceil(link.clock.random() * took * (rivals + 1)))
    }
    throw new Failure('TRB-STORE-016', { root: link.location.root, key, rounds: ROUNDS })
  }

  /** Of several claims the one whose name is first stays until the others are gone; returns how many it has to give way to, 0 when it is alone. */
  async #waitForTurn(directory: string, claim: string, since: number): Promise<number> {
    const { clock, limits } = this.#link
    for (;;) {
      const others = await this.#others(directory, claim)
      if (others.length === 0) return 0
      if (others.some((o) => o < claim) || clock.now() - since > FRESH_MS / 2) return others.length
      await clock.sleep(Math.ceil((clock.random() + 0.5) * limits.firstWaitMs))
    }
  }

  /** Claims of living writers besides our own. Those of dead ones are taken away, by the service's own times: no two clocks are compared. */
  async #others(directory: string, claim: string): Promise<readonly string[]> {
    const link = this.#link
    const { bucket } = link.location
    const answer = await link.send('ListObjectsV2', directory, 0, ({ sdk, client }, abortSignal) =>
      client.send(new sdk.ListObjectsV2Command({ Bucket: bucket, Prefix: link.name(directory) }), { abortSignal }),
    )
    const all = (answer.Contents ?? []).map((o) => ({ key: o.Key!.slice(link.location.prefix.length), at: o.LastModified?.getTime() }))
    const mine = all.find((o) => o.key === claim)?.at
    // Somebody took ours for a dead one's: begin again.
    if (mine === undefined) return [directory]
    const others = all.filter((o) => o.key !== claim)
    const dead = others.filter((o) => mine - (o.at ?? mine) > DEAD_MS)
    for (const o of dead) await this.#remove(o.key)
    return others.filter((o) => !dead.includes(o)).map((o) => o.key)
  }

  /** Repeated only as long as nobody can take our claim, of the time `since`, for a dead one's: after that the key may be another's. */
  async #write(key: string, body: Uint8Array, since: number, guard: WriteGuard | undefined): Promise<void> {
    const link = this.#link
    const id = link.clock.uuid()
    let lost: unknown = null
    await link.retrying('PutObject', key, async (tries) => {
      try {
        if (lost !== null && link.clock.now() - since >= FRESH_MS) throw link.failure(lost, 'PutObject', key, tries - 1)
        await guardedOnce(link, guard, (over) => putOnce(link, key, body, id, {}, over))
      } catch (e) {
        if (!isFailure(e)) lost = e
        else if (lost !== null && (await isOurs(link, key, id, body.length, body)) === true) return
        throw e
      }
    })
  }

  /** A claim: nobody else writes this key, so that it can be repeated without doubt. */
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
