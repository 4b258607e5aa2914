import type { WriteGuard } from '../../contract/object-store.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { guardedOnce, isOurs, putOnce } from './s3-calls.ts'
import { isTrouble } from './s3-failure.ts'
import type { S3Link } from './s3-link.ts'
import type { S3Writes } from './s3-writes.ts'

/** An object that stays: a second try to create it must be refused by the service. */
const PROBE = '.tributary/tmp/conditional-writes'
/** No object has this tag. */
const NO_TAG = '"00000000000000000000000000000000"'

/** Writes whose condition the service checks: If-None-Match: * to create, If-Match to replace. */
export class ConditionalWrites implements S3Writes {
  readonly conditional = true
  readonly #link: S3Link
  #checked: Promise<void> | null = null

  constructor(link: S3Link) {
    this.#link = link
  }

  async create(key: string, body: Uint8Array, guard?: WriteGuard): Promise<'created' | 'exists'> {
    await this.#check()
    return await createOnCondition(this.#link, key, body, guard)
  }

  async replace(key: string, body: Uint8Array, tag: string): Promise<'replaced' | 'stale'> {
    await this.#check()
    const link = this.#link
    const id = link.clock.uuid()
    let doubt = false
    return await link.retrying('PutObject', key, async () => {
      try {
        await putOnce(link, key, body, id, { IfMatch: tag })
        return 'replaced'
      } catch (e) {
        if (isTrouble(e, 'again')) doubt = true
        if (!isTrouble(e, 'condition') && !isTrouble(e, 'absent')) throw e
        return doubt && (await isOurs(link, key, id, body.length, body)) === true ? 'replaced' : 'stale'
      }
    })
  }

  /**
   * A service that takes the headers and ignores them would let two writers win. Amazon's is known to honour them; of any other one
   * this is found out by two requests, once per process: TRB-STORE-012.
   */
  async #check(): Promise<void> {
    if (this.#link.options.endpoint === null) return
    this.#checked ??= this.#probe().catch((e: unknown) => {
      this.#checked = null
      throw e
    })
    await this.#checked
  }

  async #probe(): Promise<void> {
    const link = this.#link
    const body = Buffer.from('Two writers cannot both create this object: that is what it is for.\n', 'utf8')
    const first = await createOnCondition(link, PROBE, body)
    const second = first === 'exists' ? 'exists' : await createOnCondition(link, PROBE, body)
    const replaced = await link.retrying('PutObject', PROBE, async () => {
      try {
        await putOnce(link, PROBE, body, link.clock.uuid(), { IfMatch: NO_TAG })
        return true
      } catch (e) {
        if (isTrouble(e, 'condition') || isTrouble(e, 'absent')) return false
        throw e
      }
    })
    if (second === 'created' || replaced) throw new Failure('TRB-STORE-012', { root: link.location.root, key: PROBE, system: 'ignored' })
  }
}

/** Creates an object unless there is one, and finds out what became of a try whose answer got lost. */
export async function createOnCondition(link: S3Link, key: string, body: Uint8Array, guard?: WriteGuard): Promise<'created' | 'exists'> {
  const id = link.clock.uuid()
  let doubt = false
  return await link.retrying('PutObject', key, async (tries) => {
    try {
      await guardedOnce(link, guard, (over) => putOnce(link, key, body, id, { IfNoneMatch: '*' }, over))
      return 'created'
    } catch (e) {
      if (isTrouble(e, 'again')) {
        doubt = true
        if (tries < link.limits.attempts) throw e
      } else if (isFailure(e)) {
        // Not allowed any more: a try before may have got through.
        if (!doubt || (await isOurs(link, key, id, body.length, body)) !== true) throw e
        return 'created'
      } else if (!isTrouble(e, 'condition')) throw e
      if (!doubt) return 'exists'
      const ours = await isOurs(link, key, id, body.length, body)
      if (ours === null) throw e
      return ours ? 'created' : 'exists'
    }
  })
}
