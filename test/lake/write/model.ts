import fc from 'fast-check'
import type { LakeColumn, RowChanges } from '../../../src/contract/columns.ts'
import { show, type Value, vectorOf } from '../../format/parquet/values.ts'

/** One change as a test writes it: values by column position; 'u' in `gone` columns is not in the log. */
export interface TestChange {
  readonly op: 'c' | 'r' | 'u' | 'd' | 't'
  readonly row: readonly Value[]
  readonly gone: readonly number[]
  /** Bags: the row before an update. */
  readonly before?: readonly Value[]
}

/** The contract's chunk of these changes. */
export function changesOf(columns: readonly LakeColumn[], changes: readonly TestChange[], bag: boolean): RowChanges {
  const column = (of: (c: TestChange) => readonly Value[], i: number): Value[] => changes.map((c) => of(c)[i] ?? null)
  const vectors = columns.map((c, i) =>
    vectorOf(
      c.type,
      column((x) => x.row, i),
    ),
  )
  const before = bag
    ? columns.map((c, i) =>
        vectorOf(
          c.type,
          column((x) => x.before ?? [], i),
        ),
      )
    : null
  const unavailable = columns.map((_, i) =>
    changes.some((c) => c.gone.includes(i)) ? Uint8Array.from(changes, (c) => (c.gone.includes(i) ? 1 : 0)) : null,
  )
  return {
    columns,
    count: changes.length,
    op: Uint8Array.from(changes, (c) => c.op.charCodeAt(0)),
    before,
    vectors,
    unavailable,
    bytes: changes.length * 100,
  }
}

/** What the table must hold: plain rows, in a map by key, or as a list for a bag. */
export class Model {
  readonly #keyColumns: readonly number[]
  readonly #rows = new Map<string, readonly Value[]>()
  #bag: (readonly Value[])[] = []

  constructor(keyColumns: readonly number[]) {
    this.#keyColumns = keyColumns
  }

  apply(c: TestChange): void {
    if (this.#keyColumns.length === 0) {
      this.#applyBag(c)
      return
    }
    const key = this.#keyColumns.map((i) => show(c.row[i])).join('|')
    if (c.op === 't') this.#rows.clear()
    else if (c.op === 'd') this.#rows.delete(key)
    else {
      const old = this.#rows.get(key)
      this.#rows.set(
        key,
        c.row.map((v, i) => (c.gone.includes(i) ? (old?.[i] ?? null) : v)),
      )
    }
  }

  get size(): number {
    return this.#keyColumns.length === 0 ? this.#bag.length : this.#rows.size
  }

  values(): (readonly Value[])[] {
    return this.#keyColumns.length === 0 ? [...this.#bag] : [...this.#rows.values()]
  }

  /** Rows as text, sorted. */
  rows(): string[] {
    return this.values()
      .map((r) => r.map(show).join(' '))
      .sort()
  }

  /** A stored row of a bag, by number; null when empty. */
  pick(n: number): readonly Value[] | null {
    return this.#bag.length === 0 ? null : this.#bag[n % this.#bag.length]
  }

  #applyBag(c: TestChange): void {
    const remove = (row: readonly Value[]): void => {
      const text = row.map(show).join(' ')
      const at = this.#bag.findIndex((r) => r.map(show).join(' ') === text)
      if (at < 0) throw new Error('the model has no such row')
      this.#bag.splice(at, 1)
    }
    if (c.op === 't') this.#bag = []
    else if (c.op === 'd') remove(c.row)
    else {
      if (c.op === 'u') remove(c.before!)
      const row = c.row.map((v, i) => (c.gone.includes(i) ? c.before![i] : v))
      this.#bag.push(row)
    }
  }
}

/** Cuts a list into chunks of random sizes. */
export function chunked<T>(items: readonly T[], sizes: readonly number[]): T[][] {
  const out: T[][] = []
  for (let at = 0, i = 0; at < items.length; i++) {
    const n = sizes.length === 0 ? items.length : sizes[i % sizes.length]
    out.push(items.slice(at, at + n))
    at += n
  }
  return out
}

export const anySizes = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 4 })
