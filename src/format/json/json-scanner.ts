/** What a JSON value begins with. */
export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'true' | 'false' | 'null'

/** Why bytes are not JSON; `at` is the offset in the buffer. The caller knows the line, and makes a failure of it. */
export class NotJson extends Error {
  readonly at: number
  constructor(problem: string, at: number) {
    super(problem)
    this.at = at
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Reads JSON (RFC 8259) from bytes, value by value, so that numbers are texts and nothing is made that nobody wants. */
export class JsonScanner {
  buf: Buffer
  pos: number
  end: number

  constructor(buf: Buffer, start = 0, end = buf.length) {
    this.buf = buf
    this.pos = start
    this.end = end
  }

  /** Kind of the value that comes next; nothing is consumed. */
  kind(): JsonKind {
    const c = this.peek()
    switch (c) {
      case 0x7b:
        return 'object'
      case 0x5b:
        return 'array'
      case QUOTE:
        return 'string'
      case 0x74:
        return 'true'
      case 0x66:
        return 'false'
      case 0x6e:
        return 'null'
      default:
        if (c === 0x2d || (c >= 0x30 && c <= 0x39)) return 'number'
        throw new NotJson('a value is missing', this.pos)
    }
  }

  /** The next byte that is no white space, −1 at the end. */
  peek(): number {
    const { buf, end } = this
    let p = this.pos
    while (p < end && (buf[p] === 0x20 || buf[p] === 0x09 || buf[p] === 0x0d || buf[p] === 0x0a)) p++
    this.pos = p
    return p < end ? buf[p] : -1
  }

  /** Consumes this byte; false when something else comes next. */
  take(byte: number): boolean {
    if (this.peek() !== byte) return false
    this.pos++
    return true
  }

  expect(byte: number): void {
    if (!this.take(byte)) throw new NotJson(`"${String.fromCharCode(byte)}" is missing`, this.pos)
  }

  /** The text of a string. */
  string(): string {
    this.expect(QUOTE)
    const { buf, end } = this
    const from = this.pos
    let p = from
    let escaped = false
    while (p < end && buf[p] !== QUOTE) {
      if (buf[p] === BACKSLASH) {
        escaped = true
        p++
      } else if (buf[p] < 0x20) throw new NotJson('a control character in a string', p)
      p++
    }
    if (p >= end) throw new NotJson('a string without an end', from)
    this.pos = p + 1
    if (!escaped) return buf.toString('utf8', from, p)
    return this.#parsed(from - 1, p + 1)
  }

  /** The text of a number as it stands. */
  number(): string {
    this.peek()
    const from = this.pos
    let p = from
    while (p < this.end && isNumberByte(this.buf[p])) p++
    const text = this.buf.toString('latin1', from, p)
    if (!/^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text)) throw new NotJson('a number of another form', from)
    this.pos = p
    return text
  }

  /** Consumes `true`, `false` or `null`. */
  word(word: 'true' | 'false' | 'null'): void {
    this.peek()
    if (this.buf.toString('latin1', this.pos, this.pos + word.length) !== word) throw new NotJson(`"${word}" is misspelt`, this.pos)
    this.pos += word.length
  }

  /** Visits the members of an object; the visitor consumes each value. */
  object(member: (name: string) => void): void {
    this.expect(0x7b)
    if (this.take(0x7d)) return
    do {
      const name = this.string()
      this.expect(0x3a)
      member(name)
    } while (this.take(0x2c))
    this.expect(0x7d)
  }

  /** Visits the elements of an array; the visitor consumes each. */
  array(element: () => void): void {
    this.expect(0x5b)
    if (this.take(0x5d)) return
    do element()
    while (this.take(0x2c))
    this.expect(0x5d)
  }

  /** Consumes one value, whatever it is, and gives its text. */
  raw(): string {
    this.peek()
    const from = this.pos
    this.skip()
    return this.buf.toString('utf8', from, this.pos)
  }

  /** Consumes one value. */
  skip(): void {
    const kind = this.kind()
    if (kind === 'string') this.string()
    else if (kind === 'number') this.number()
    else if (kind === 'object') this.object(() => this.skip())
    else if (kind === 'array') this.array(() => this.skip())
    else this.word(kind)
  }

  #parsed(from: number, to: number): string {
    try {
      return JSON.parse(this.buf.toString('utf8', from, to)) as string
    } catch (e) {
      if (e instanceof SyntaxError) throw new NotJson('an escape that JSON does not have', from)
      throw e
    }
  }
}

function isNumberByte(b: number): boolean {
  return (b >= 0x30 && b <= 0x39) || b === 0x2d || b === 0x2b || b === 0x2e || b === 0x65 || b === 0x45
}
