import type { ObjectStore } from '../../contract/object-store.ts'
import { Failure } from '../../failure/failure.ts'
import {
  BLOCK_TYPES,
  type BlockHeader,
  type BlockType,
  type DamagedBytes,
  HEADER_KEYS,
  type HeaderKey,
  LOG_VERSION,
  type LogBlock,
  MAGIC,
} from './block.ts'

/** Bytes fetched at once. A block's content beyond it is fetched when it is asked for. */
const WINDOW = 1 << 20
/** A file up to this size is fetched as a whole. */
export const WHOLE_BYTES = 4 << 20
/** A header is one Avro schema and a few instants; positions take two bytes per record. */
const LONGEST_HEADER = 64 << 20
/** Magic to type. */
const HEAD_BYTES = 22

/**
 * Reads a log file block by block, by ranges; a small file takes one request. What is no whole block is given as such, up to the next magic: whether
 * it matters depends on the timeline, which is not known here.
 */
export class LogReader {
  readonly key: string
  readonly size: number
  readonly #store: Pick<ObjectStore, 'range'>
  /** What was fetched last, newest first: the place of a block's head, and that of its end. */
  #windows: readonly { readonly at: number; readonly bytes: Buffer }[] = []

  /** `size`: of the object in bytes. */
  constructor(store: Pick<ObjectStore, 'range'>, key: string, size: number) {
    this.#store = store
    this.key = key
    this.size = size
  }

  /** In file order. Fails with TRB-LAKE-021 for a whole block of a version or type that is not known. */
  async *blocks(): AsyncGenerator<LogBlock | DamagedBytes> {
    for (let at = 0; at < this.size; ) {
      const next = await this.#block(at)
      yield next
      at = next.end
    }
  }

  /** `length` bytes from `at`; short only at the end of the file. A view: valid as long as it is held. */
  async bytes(at: number, length: number): Promise<Buffer> {
    const wanted = Math.min(length, this.size - at)
    if (wanted <= 0) return Buffer.alloc(0)
    for (const w of this.#windows) {
      if (at >= w.at && at + wanted <= w.at + w.bytes.length) return w.bytes.subarray(at - w.at, at - w.at + wanted)
    }
    const most = this.size <= WHOLE_BYTES ? this.size : Math.max(wanted, WINDOW)
    const bytes = await this.#store.range(this.key, at, Math.min(most, this.size - at))
    this.#windows = [{ at, bytes }, ...this.#windows.slice(0, 1)]
    return bytes.subarray(0, wanted)
  }

  /** Gives up what was fetched; it is fetched again when it is needed. */
  release(): void {
    this.#windows = []
  }

  async content(block: LogBlock): Promise<Buffer> {
    return this.bytes(block.contentAt, block.contentLength)
  }

  async #block(at: number): Promise<LogBlock | DamagedBytes> {
    const head = await this.bytes(at, HEAD_BYTES)
    if (head.length < MAGIC.length || !startsWithMagic(head)) return this.#damaged(at, 'it does not begin with the magic #HUDI#', null)
    if (head.length < HEAD_BYTES) return this.#damaged(at, 'it ends inside the head of a block', null)
    const length = Number(head.readBigInt64BE(6))
    const end = at + 14 + length
    const header = await this.#header(at, Math.min(end > at + 46 ? end : this.size, this.size))
    const instant = header?.entries.get('instant') ?? null
    if (length < 32 || !Number.isSafeInteger(end)) return this.#damaged(at, `a block says that it has ${length} bytes`, instant)
    if (end > this.size) return this.#damaged(at, `it ends inside a block of ${length + 14} bytes`, instant)
    // the footer's count (it is empty), the length again, the next magic
    const tail = await this.bytes(end - 12, 18)
    if (Number(tail.readBigInt64BE(4)) !== length + 6) return this.#damaged(at, 'the lengths before and after a block differ', instant)
    if (end < this.size && !startsWithMagic(tail.subarray(12))) {
      return this.#damaged(at, 'what follows a block is none', instant)
    }
    this.#refuseUnknown(head)
    if (header === null) return this.#damaged(at, 'the header of a block cannot be read', null)
    return this.#framed(at, end, BLOCK_TYPES[head.readInt32BE(18)] as BlockType, header, instant)
  }

  async #framed(at: number, end: number, type: BlockType, header: Header, instant: string | null): Promise<LogBlock | DamagedBytes> {
    const { entries, end: contentHead } = header
    if (contentHead + 20 > end) return this.#damaged(at, 'the header of a block is longer than the block', instant)
    const contentLength = Number((await this.bytes(contentHead, 8)).readBigInt64BE(0))
    const contentAt = contentHead + 8
    if (contentLength < 0 || contentAt + contentLength + 12 > end) return this.#damaged(at, 'the content is longer than its block', instant)
    const footer = await this.#entries(contentAt + contentLength, end - 8)
    if (footer === null || footer.end !== end - 8) return this.#damaged(at, 'a block does not end with its content', instant)
    return { kind: 'block', type, header: entries, at, end, contentAt, contentLength }
  }

  #refuseUnknown(head: Buffer): void {
    const version = head.readInt32BE(14)
    const type = head.readInt32BE(18)
    if (version !== LOG_VERSION) throw new Failure('TRB-LAKE-021', { file: this.key, what: `a block of log format version ${version}` })
    if (BLOCK_TYPES[type] === undefined || type === 2) {
      throw new Failure('TRB-LAKE-021', { file: this.key, what: `a block of type ${type}` })
    }
  }

  #header(at: number, end: number): Promise<Header | null> {
    return this.#entries(at + HEAD_BYTES, end)
  }

  /** Null when the entries don't fit in [at, end), or a key is none of a header. */
  async #entries(at: number, end: number): Promise<Header | null> {
    if (at + 4 > end) return null
    const count = (await this.bytes(at, 4)).readInt32BE(0)
    if (count < 0 || count > 64) return null
    const entries = new Map<HeaderKey, string>()
    let p = at + 4
    for (let i = 0; i < count; i++) {
      if (p + 8 > end) return null
      const head = await this.bytes(p, 8)
      const key = HEADER_KEYS[head.readInt32BE(0)]
      const size = head.readInt32BE(4)
      p += 8
      if (key === undefined || size < 0 || size > LONGEST_HEADER || p + size > end) return null
      entries.set(key, (await this.bytes(p, size)).toString('utf8'))
      p += size
    }
    return { entries, end: p }
  }

  async #damaged(at: number, problem: string, instant: string | null): Promise<DamagedBytes> {
    return { kind: 'damaged', at, end: await this.#nextMagic(at + 1), problem, instant }
  }

  async #nextMagic(from: number): Promise<number> {
    for (let at = from; at + MAGIC.length <= this.size; ) {
      const piece = await this.bytes(at, WINDOW)
      const found = piece.indexOf(MAGIC)
      if (found >= 0) return at + found
      at += piece.length - MAGIC.length + 1
    }
    return this.size
  }
}

interface Header {
  readonly entries: BlockHeader
  readonly end: number
}

function startsWithMagic(bytes: Buffer): boolean {
  for (let i = 0; i < MAGIC.length; i++) if (bytes[i] !== MAGIC[i]) return false
  return true
}
