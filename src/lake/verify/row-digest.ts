import type { LakeColumn, Vector } from '../../contract/columns.ts'
import type { RowChunk } from '../../contract/slice.ts'
import { rowObject } from '../../format/json/row-lines.ts'
import { hashInto } from '../index/keys.ts'
import { META } from '../read/log-columns.ts'

const SEED = 0x51ed270b
const h0 = new Int32Array(1)
const h1 = new Int32Array(1)
/** Sums stay below it, so that they are exact in a double. */
const MODULUS = 2 ** 52

/** Rows in columns, meta columns first. */
export type Rows = () => AsyncIterable<RowChunk>

/** What a row is wherever it lies: commit time, sequence number, key, partition and values, as JSON text; not the name of its file. */
export class RowText {
  readonly #object: (vectors: readonly Vector[], row: number) => string

  constructor(schema: readonly LakeColumn[]) {
    this.#object = rowObject([...META.slice(0, 4), ...schema])
  }

  /** Texts of the rows of a chunk, by ordinal. */
  of(chunk: RowChunk): (row: number) => string {
    const vectors = [...chunk.vectors.slice(0, 4), ...chunk.vectors.slice(META.length)]
    return (row) => this.#object(vectors, row)
  }
}

/** 53 bits of a text, so that they fit a double. */
export function digest(text: string): number {
  const bytes = Buffer.from(text)
  hashInto(bytes, 0, bytes.length, SEED, h0, h1, 0)
  return (h0[0] >>> 0) * 0x200000 + (h1[0] >>> 11)
}

/** How many rows there are, and two sums that any other rows would change; the order does not matter. */
async function sumOf(rows: Rows, text: RowText): Promise<string> {
  let count = 0
  let a = 0
  let b = 0
  for await (const chunk of rows()) {
    const of = text.of(chunk)
    for (let r = 0; r < chunk.count; r++) {
      const d = digest(of(r))
      a = (a + (d % MODULUS)) % MODULUS
      b = (b + (h0[0] >>> 0) * ((h1[0] >>> 12) + 1)) % MODULUS
    }
    count += chunk.count
  }
  return `${count} ${a} ${b}`
}

/** What two sets of rows differ in. */
export interface RowDifference {
  readonly before: number
  readonly after: number
  /** A row of each side that the other does not have; null: none. */
  readonly lost: string | null
  readonly came: string | null
}

/**
 * Compares two sets of rows, whatever their order; null: they are equal. Holds nothing in memory while they are equal; else both are read again, with a
 * number per row that differs.
 */
export async function compareRows(before: Rows, after: Rows, text: RowText): Promise<RowDifference | null> {
  const [was, is] = [await sumOf(before, text), await sumOf(after, text)]
  if (was === is) return null
  const net = new Map<number, number>()
  const add = async (rows: Rows, n: number): Promise<void> => {
    for await (const chunk of rows()) {
      const of = text.of(chunk)
      for (let r = 0; r < chunk.count; r++) {
        const d = digest(of(r))
        const left = (net.get(d) ?? 0) + n
        if (left === 0) net.delete(d)
        else net.set(d, left)
      }
    }
  }
  await add(before, 1)
  await add(after, -1)
  const [count] = was.split(' ')
  const [now] = is.split(' ')
  const first = async (rows: Rows, sign: 1 | -1): Promise<string | null> => {
    for await (const chunk of rows()) {
      const of = text.of(chunk)
      for (let r = 0; r < chunk.count; r++) if ((net.get(digest(of(r))) ?? 0) * sign > 0) return of(r)
    }
    return null
  }
  return { before: Number(count), after: Number(now), lost: await first(before, 1), came: await first(after, -1) }
}

/** Digests of rows, to be asked whether a row is among them: 8 bytes per row. */
export class RowDigests {
  #sorted = new Float64Array(0)

  static async of(rows: Rows, text: RowText): Promise<RowDigests> {
    const parts: Float64Array[] = []
    for await (const chunk of rows()) {
      const of = text.of(chunk)
      parts.push(Float64Array.from({ length: chunk.count }, (_, r) => digest(of(r))))
    }
    const out = new RowDigests()
    out.#sorted = new Float64Array(parts.reduce((n, p) => n + p.length, 0))
    let at = 0
    for (const p of parts) {
      out.#sorted.set(p, at)
      at += p.length
    }
    out.#sorted.sort()
    return out
  }

  has(text: string): boolean {
    const wanted = digest(text)
    let from = 0
    let to = this.#sorted.length
    while (from < to) {
      const mid = (from + to) >> 1
      if (this.#sorted[mid] < wanted) from = mid + 1
      else to = mid
    }
    return this.#sorted[from] === wanted
  }
}
