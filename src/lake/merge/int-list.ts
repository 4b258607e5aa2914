/** A growing list of 32-bit integers. */
export class IntList {
  #items: Int32Array
  length = 0

  constructor(capacity = 16) {
    this.#items = new Int32Array(capacity)
  }

  push(x: number): void {
    if (this.length === this.#items.length) {
      const bigger = new Int32Array(Math.max(16, this.length * 2))
      bigger.set(this.#items)
      this.#items = bigger
    }
    this.#items[this.length++] = x
  }

  at(i: number): number {
    return this.#items[i]
  }

  /** Changes an item that is there. */
  set(i: number, x: number): void {
    this.#items[i] = x
  }

  /** A view, valid until the next push. */
  view(): Int32Array {
    return this.#items.subarray(0, this.length)
  }
}
