import type { RowsEvents } from '../batch.ts'

const FIRST = 256

/** The columns that a batch of MySQL has beyond those of BatchBuilder: which rows event each change is of. */
export class EventColumns {
  #eventOf = new Int32Array(FIRST * 4)
  #rowOf = new Int32Array(FIRST * 4)
  #pos = new Float64Array(FIRST)
  #index = new Int32Array(FIRST)
  #seconds = new Uint32Array(FIRST)
  #query: (string | null)[] = []
  #count = 0

  /** A rows event of which changes follow. */
  open(pos: number, index: number, seconds: number, query: string | null): void {
    if (this.#count === this.#pos.length) {
      this.#pos = grown(this.#pos)
      this.#index = grown(this.#index)
      this.#seconds = grown(this.#seconds)
    }
    this.#pos[this.#count] = pos
    this.#index[this.#count] = index
    this.#seconds[this.#count] = seconds
    this.#query.push(query)
    this.#count++
  }

  /** Change number `change` of the batch is row `row` of the event opened last. */
  put(change: number, row: number): void {
    if (change === this.#eventOf.length) {
      this.#eventOf = grown(this.#eventOf)
      this.#rowOf = grown(this.#rowOf)
    }
    this.#eventOf[change] = this.#count - 1
    this.#rowOf[change] = row
  }

  /** Hands over what belongs to the first `changes` changes and begins anew. */
  cut(changes: number): { eventOf: Int32Array; rowOf: Int32Array; events: RowsEvents } {
    const n = this.#count
    const events = {
      count: n,
      pos: this.#pos.slice(0, n),
      index: this.#index.slice(0, n),
      seconds: this.#seconds.slice(0, n),
      query: this.#query,
    }
    this.#query = []
    this.#count = 0
    return { eventOf: this.#eventOf.slice(0, changes), rowOf: this.#rowOf.slice(0, changes), events }
  }
}

function grown<A extends Int32Array | Uint32Array | Float64Array>(a: A): A {
  const next = new (a.constructor as new (n: number) => A)(a.length * 2)
  next.set(a)
  return next
}
