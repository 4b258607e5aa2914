import { PackedReader, u64 } from './wire/little-endian.ts'

/** Closed ranges of transaction numbers, ascending, neither touching nor overlapping. */
type Ranges = [from: number, to: number][]

/**
 * A set of MySQL's GTIDs: by source (`uuid`, or `uuid:tag`, in lower case) the ranges of its numbers.
 *   set => '' | source-set (',' source-set)*       source-set => uuid (':' tag? range)+        range => n | n '-' m
 * as the server prints it; a tag stands before the ranges it is for.
 */
export class GtidSet {
  readonly #sources = new Map<string, Ranges>()
  #text: string | null = null

  /** Null: not such a text, or numbers beyond 2^53. */
  static parse(text: string): GtidSet | null {
    const set = new GtidSet()
    for (const part of text.split(',')) {
      const pieces = part.trim().toLowerCase().split(':')
      if (pieces.length === 1 && pieces[0] === '') continue
      if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(pieces[0])) return null
      let source = pieces[0]
      for (const piece of pieces.slice(1)) {
        const m = /^(\d+)(?:-(\d+))?$/.exec(piece.trim())
        if (m !== null) {
          const from = Number(m[1])
          const to = Number(m[2] ?? m[1])
          if (from < 1 || to < from || !Number.isSafeInteger(to)) return null
          set.#add(source, from, to)
        } else if (/^[a-z_][a-z0-9_]{0,31}$/.test(piece.trim())) source = `${pieces[0]}:${piece.trim()}`
        else return null
      }
    }
    return set
  }

  get empty(): boolean {
    return this.#sources.size === 0
  }

  copy(): GtidSet {
    const set = new GtidSet()
    for (const [source, ranges] of this.#sources) {
      set.#sources.set(
        source,
        ranges.map(([a, b]) => [a, b]),
      )
    }
    return set
  }

  /** Adds one transaction. In the usual case, the next number of a source, nothing is searched. */
  add(source: string, n: number): void {
    const ranges = this.#sources.get(source)
    const last = ranges?.at(-1)
    if (last !== undefined && last[1] === n - 1) {
      last[1] = n
      this.#text = null
    } else this.#add(source, n, n)
  }

  contains(source: string, n: number): boolean {
    return this.#sources.get(source)?.some(([a, b]) => a <= n && n <= b) ?? false
  }

  /** Every transaction of `other` is in this set. */
  covers(other: GtidSet): boolean {
    for (const [source, ranges] of other.#sources) {
      const mine = this.#sources.get(source)
      if (mine === undefined || !ranges.every(([a, b]) => mine.some(([x, y]) => x <= a && b <= y))) return false
    }
    return true
  }

  print(): string {
    this.#text ??= this.#print()
    return this.#text
  }

  #print(): string {
    const parts: string[] = []
    let previous = ''
    for (const source of [...this.#sources.keys()].sort()) {
      const [uuid, tag] = split(source)
      const ranges = this.#sources.get(source)!.map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`))
      const text = [...(tag === '' ? [] : [tag]), ...ranges].join(':')
      if (uuid === previous) parts[parts.length - 1] += `:${text}`
      else parts.push(`${uuid}:${text}`)
      previous = uuid
    }
    return parts.join(',')
  }

  /**
   * The form in which COM_BINLOG_DUMP_GTID and PREVIOUS_GTIDS hold a set:
   *   set    => count:u64 source[count]       source => uuid:byte[16] tag? ranges:u64 (from:u64 behind:u64)[ranges]
   * With tags (from 8.3 on) the first and the last byte of `count` are 1 and it is shifted by 8 bits; every source then has
   *   tag    => length × 2:u8 byte[length]
   */
  encode(): Buffer {
    const tagged = [...this.#sources.keys()].some((s) => split(s)[1] !== '')
    const count = BigInt(this.#sources.size)
    const parts: Buffer[] = [le64(tagged ? (count << 8n) | 1n | (1n << 56n) : count)]
    for (const source of [...this.#sources.keys()].sort()) {
      const [uuid, tag] = split(source)
      parts.push(Buffer.from(uuid.replaceAll('-', ''), 'hex'))
      if (tagged) parts.push(Buffer.from([tag.length * 2]), Buffer.from(tag, 'latin1'))
      const ranges = this.#sources.get(source)!
      parts.push(le64(BigInt(ranges.length)))
      for (const [a, b] of ranges) parts.push(le64(BigInt(a)), le64(BigInt(b) + 1n))
    }
    return Buffer.concat(parts)
  }

  /** Reads what `encode` writes; null: malformed. */
  static decode(buf: Buffer, start: number, end: number): GtidSet | null {
    const set = new GtidSet()
    const r = new PackedReader(buf, start, end)
    const head = u64(buf, r.take(8))
    const tagged = head >> 56n === 1n
    const count = tagged ? ((head << 8n) >> 16n) & 0xffffffffffffn : head
    for (let i = 0n; i < count && r.ok; i++) {
      let source = uuidText(buf, r.take(16))
      const length = tagged ? r.byte() / 2 : 0
      const tagAt = r.take(length)
      if (length > 0) source = `${source}:${buf.toString('latin1', tagAt, tagAt + length)}`
      const ranges = r.ok && r.end - r.pos >= 8 ? u64(buf, r.take(8)) : -1n
      if (ranges < 0n) return null
      for (let k = 0n; k < ranges && r.ok; k++) {
        const at = r.take(16)
        if (r.ok) set.#add(source, Number(u64(buf, at)), Number(u64(buf, at + 8)) - 1)
      }
    }
    return r.ok ? set : null
  }

  #add(source: string, from: number, to: number): void {
    this.#text = null
    const out: Ranges = []
    let [a, b] = [from, to]
    for (const range of this.#sources.get(source) ?? []) {
      if (range[1] < a - 1 || range[0] > b + 1) out.push(range)
      else {
        a = Math.min(a, range[0])
        b = Math.max(b, range[1])
      }
    }
    out.push([a, b])
    out.sort((x, y) => x[0] - y[0])
    this.#sources.set(source, out)
  }
}

/** `uuid` or `uuid:tag` → both parts. */
function split(source: string): [uuid: string, tag: string] {
  return [source.slice(0, 36), source.slice(37)]
}

function le64(v: bigint): Buffer {
  const b = Buffer.alloc(8)
  b.writeBigUInt64LE(v)
  return b
}

/** Sixteen bytes as `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`. */
export function uuidText(buf: Buffer, p: number): string {
  const hex = buf.toString('hex', p, p + 16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
