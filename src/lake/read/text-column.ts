import { assert } from '../../failure/failure.ts'
import type { Column } from '../../format/parquet/column.ts'

/** Walks over a column of byte strings, whatever its form: after `at(i)` the bytes of row i are data[from, to). */
export class TextColumn {
  readonly data: Buffer
  from = 0
  to = 0
  readonly #starts: Int32Array
  readonly #indexes: Int32Array | null
  readonly #valid: Uint8Array | null
  /** Bytes before each value that are its length. */
  readonly #head: number

  constructor(column: Column) {
    assert(column.kind === 'plain' || column.kind === 'dictionary' || column.kind === 'bytes', 'a text column holds byte strings')
    const plain = column.kind === 'dictionary' ? column.values : column
    this.data = plain.data
    this.#starts = plain.kind === 'plain' ? plain.starts : plain.offsets
    this.#head = plain.kind === 'plain' ? 4 : 0
    this.#indexes = column.kind === 'dictionary' ? column.indexes : null
    this.#valid = column.kind === 'bytes' ? column.valid : null
  }

  /** Goes to row i; false: it is null. */
  at(i: number): boolean {
    const k = this.#indexes === null ? i : this.#indexes[i]
    if (k < 0 || (this.#valid !== null && this.#valid[k] === 0)) return false
    this.from = this.#starts[k] + this.#head
    this.to = this.#starts[k + 1]
    // a null row of a plain vector has not even a length
    return this.to >= this.from
  }

  get length(): number {
    return this.to - this.from
  }
}
