/** Which values of a chunk are not in the source's log, by column; filled from the `side` of records (u16le ordinals). */
export class SideMarks {
  readonly #columns: number
  #rows: number[] = []
  #ordinals: number[] = []

  constructor(columns: number) {
    this.#columns = columns
  }

  mark(row: number, column: number): void {
    this.#rows.push(row)
    this.#ordinals.push(column)
  }

  add(row: number, buf: Buffer, start: number, end: number): void {
    for (let pos = start; pos + 1 < end; pos += 2) {
      this.#rows.push(row)
      this.#ordinals.push(buf[pos] | (buf[pos + 1] << 8))
    }
  }

  /** Per column: 1 at rows whose value is unavailable; null when there is none. */
  take(count: number): (Uint8Array | null)[] {
    const out: (Uint8Array | null)[] = new Array(this.#columns).fill(null)
    for (const [n, column] of this.#ordinals.entries()) {
      out[column] ??= new Uint8Array(count)
      out[column][this.#rows[n]] = 1
    }
    this.#rows = []
    this.#ordinals = []
    return out
  }
}
