import type { LakeType } from '../../contract/columns.ts'

/**
 * What the values of a column have in common, gathered value by value, and the type that holds all of them without losing a digit:
 *
 *   whole numbers                      long; beyond 64 bits decimal(38,0); beyond that string
 *   numbers with fractions             double when each is the shortest text of its double, else decimal, else string
 *   true and false                     boolean
 *   arrays, objects                    list, map, by their elements
 *   anything else, or a mixture        string
 *
 * Texts stay texts: a date or a number in quotes may mean something else, so such a column is declared, not guessed.
 */
export class TypeGuess {
  #seen = 0
  #whole = 0
  #places = 0
  #long = true
  #double = true
  #plain = true
  #element: TypeGuess | null = null

  /** A number as its text stands. */
  number(text: string): void {
    this.#seen |= NUMBER
    const m = /^-?(\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)
    if (m === null || m[3] !== undefined) this.#plain = false
    const fraction = m?.[2] ?? ''
    if (fraction !== '' || m?.[3] !== undefined) this.#seen |= FRACTION
    this.#whole = Math.max(this.#whole, m?.[1].replace(/^0+/, '').length ?? 0)
    this.#places = Math.max(this.#places, fraction.length)
    if (this.#long && fraction === '' && m?.[3] === undefined) {
      const n = BigInt(text)
      if (n < -(2n ** 63n) || n > 2n ** 63n - 1n) this.#long = false
    }
    if (this.#double && !isShortest(text)) this.#double = false
  }

  boolean(): void {
    this.#seen |= BOOLEAN
  }

  text(): void {
    this.#seen |= TEXT
  }

  /** The guess for the elements of arrays (or the values of objects) of this column. */
  nested(kind: 'list' | 'map'): TypeGuess {
    this.#seen |= kind === 'list' ? LIST : MAP
    this.#element ??= new TypeGuess()
    return this.#element
  }

  /** No value was seen but null. */
  get empty(): boolean {
    return this.#seen === 0
  }

  type(): LakeType {
    switch (this.#seen) {
      case NUMBER:
        return this.#long ? { kind: 'long' } : this.#decimal()
      case NUMBER | FRACTION:
        return this.#double ? { kind: 'double' } : this.#decimal()
      case BOOLEAN:
        return { kind: 'boolean' }
      case LIST:
        return { kind: 'list', element: this.#element!.type() }
      case MAP:
        return { kind: 'map', value: this.#element!.type() }
      default:
        return { kind: 'string' }
    }
  }

  #decimal(): LakeType {
    const precision = Math.max(1, this.#whole + this.#places)
    if (!this.#plain || precision > 38) return { kind: 'string' }
    return { kind: 'decimal', precision: this.#places === 0 ? 38 : precision, scale: this.#places }
  }
}

const NUMBER = 1
const FRACTION = 2
const BOOLEAN = 4
const TEXT = 8
const LIST = 16
const MAP = 32

/** The double nearest to this number has no shorter or other text: no digit is lost. */
function isShortest(text: string): boolean {
  const value = Number(text)
  if (!Number.isFinite(value)) return false
  return digitsOf(String(value)) === digitsOf(text)
}

/** Sign, significant digits and magnitude, whatever the notation. */
function digitsOf(text: string): string {
  const m = /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(text)
  if (m === null) return text
  const all = m[2] + m[3]
  const lead = /^0*/.exec(all)![0].length
  const significant = all.slice(lead).replace(/0+$/, '')
  if (significant === '') return '0'
  return `${m[1] === '-' ? '-' : ''}${significant}e${Number(m[4] ?? '0') + m[2].length - lead}`
}
