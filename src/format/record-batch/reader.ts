import { ByteCursor } from '../bytes/cursor.ts'

/** A record's headers, materialised: off the hot path. */
export interface RecordHeader {
  readonly name: string
  readonly value: Buffer | null
}

/**
 * Walks the records of one batch (grammar in contract/log.ts) without an object per record: `next()` moves to the next record and
 * leaves its field borders here. Offsets are into `buf`; a start of −1 means null.
 */
export class RecordReader {
  buf: Buffer = Buffer.alloc(0)
  /** Ordinal of the current record, −1 before the first. */
  index = -1
  count = 0
  timestampMs = 0
  keyStart = -1
  keyEnd = -1
  valueStart = -1
  valueEnd = -1
  sideStart = -1
  sideEnd = -1
  /** Where the header list (with its count) of the record starts. */
  headersStart = 0
  readonly #cursor = new ByteCursor()
  #start = 0

  open(records: Uint8Array, count: number): void {
    this.buf = Buffer.isBuffer(records) ? records : Buffer.from(records.buffer, records.byteOffset, records.byteLength)
    this.count = count
    this.index = -1
    this.#cursor.reset(this.buf, 0, this.buf.length)
  }

  /** False after the last record. */
  next(): boolean {
    if (++this.index >= this.count) return false
    const c = this.#cursor
    this.timestampMs = c.zigzagNumber()
    this.#blob(c)
    this.keyStart = this.#start
    this.keyEnd = c.pos
    this.#blob(c)
    this.valueStart = this.#start
    this.valueEnd = c.pos
    this.#blob(c)
    this.sideStart = this.#start
    this.sideEnd = c.pos
    this.headersStart = c.pos
    const n = c.varint()
    for (let i = 0; i < n; i++) {
      c.skip(c.varint())
      this.#blob(c)
    }
    return true
  }

  /** Headers of the current record (without those of the batch). */
  headers(): RecordHeader[] {
    return readHeaders(this.buf, this.headersStart)
  }

  #blob(c: ByteCursor): void {
    const n = c.varint()
    if (n === 0) {
      this.#start = -1
      return
    }
    this.#start = c.pos
    c.skip(n - 1)
  }
}

/** Reads a header list (count first) at `start`. */
export function readHeaders(buf: Uint8Array, start = 0): RecordHeader[] {
  const b = Buffer.isBuffer(buf) ? buf : Buffer.from(buf.buffer, buf.byteOffset, buf.byteLength)
  const c = new ByteCursor(b)
  c.pos = start
  const out: RecordHeader[] = []
  const n = c.varint()
  for (let i = 0; i < n; i++) {
    const nameLength = c.varint()
    const at = c.pos
    c.skip(nameLength)
    const name = b.toString('utf8', at, c.pos)
    const length = c.varint()
    if (length === 0) {
      out.push({ name, value: null })
      continue
    }
    const from = c.pos
    c.skip(length - 1)
    out.push({ name, value: b.subarray(from, c.pos) })
  }
  return out
}
