import type { Clock } from '../contract/clock.ts'
import type { ObjectStore } from '../contract/object-store.ts'
import type { Watermark, WatermarkStore } from '../contract/table.ts'
import { Failure } from '../failure/failure.ts'
import { LAKE_DIR } from './layout/paths.ts'

/**
 * Watermarks as objects `<lake>/.tributary/watermarks/<rank>.json`, where rank = LAST − seq in 13 digits: listing them in the order of
 * their keys gives the newest first, so the newest costs one list call and one get however many there are.
 */
const DIRECTORY = `${LAKE_DIR}/watermarks/`
const LAST = 9_999_999_999_999
const NAME = /^(\d{13})\.json$/

/** Invariant I16: watermarks increase. `append` checks it per source by the log's append ids, and sequence numbers by putIfAbsent. */
export class LakeWatermarkStore implements WatermarkStore {
  readonly #store: ObjectStore
  readonly #clock: Pick<Clock, 'now'>
  /** The one appended last by this process: the next one follows it, or putIfAbsent finds that somebody else came in between. */
  #appended: Watermark | null = null

  constructor(store: ObjectStore, clock: Pick<Clock, 'now'>) {
    this.#store = store
    this.#clock = clock
  }

  async append(watermark: Omit<Watermark, 'seq' | 'writtenMs'>): Promise<Watermark> {
    const newest = this.#appended ?? (await this.newest())
    if (newest !== null) this.#checkForward(watermark, newest)
    const next: Watermark = { ...watermark, seq: (newest?.seq ?? 0) + 1, writtenMs: this.#clock.now() }
    if ((await this.#store.putIfAbsent(keyOf(next.seq), print(next))) === 'exists') {
      this.#appended = null
      throw new Failure('TRB-LAKE-017', { root: this.#store.root, seq: next.seq })
    }
    this.#appended = next
    return next
  }

  async newest(): Promise<Watermark | null> {
    for await (const w of this.list()) return w
    return null
  }

  async *list(): AsyncGenerator<Watermark> {
    for await (const o of this.#store.list(DIRECTORY)) {
      if (NAME.test(o.key.slice(DIRECTORY.length))) yield parse(await this.#store.get(o.key), o.key)
    }
  }

  #checkForward(next: Omit<Watermark, 'seq' | 'writtenMs'>, newest: Watermark): void {
    if (next.source === newest.source && next.appendId <= newest.appendId) {
      throw new Failure('TRB-LAKE-016', { source: next.source, append: next.appendId, newest: newest.appendId })
    }
  }
}

function keyOf(seq: number): string {
  return `${DIRECTORY}${String(LAST - seq).padStart(13, '0')}.json`
}

function print(w: Watermark): Buffer {
  return Buffer.from(`${JSON.stringify(w, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value))}\n`, 'utf8')
}

function parse(body: Buffer, file: string): Watermark {
  let json: unknown
  try {
    json = JSON.parse(body.toString('utf8'))
  } catch (e) {
    throw new Failure('TRB-LAKE-004', { file }, e)
  }
  if (!isStored(json)) throw new Failure('TRB-LAKE-004', { file })
  return { ...json, commitUs: BigInt(json.commitUs) }
}

type Stored = Omit<Watermark, 'commitUs'> & { readonly commitUs: string }

function isStored(v: unknown): v is Stored {
  if (typeof v !== 'object' || v === null) return false
  const w = v as Record<string, unknown>
  const numbers = [w.seq, w.writtenMs, w.appendId].every((n) => Number.isSafeInteger(n))
  const strings = typeof w.source === 'string' && typeof w.commit === 'string'
  return numbers && strings && typeof w.commitUs === 'string' && /^-?\d+$/.test(w.commitUs) && Array.isArray(w.tables)
}
