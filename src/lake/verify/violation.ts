/** Something that an invariant of DESIGN (ARCHITECTURE "What holds it together") forbids. */
export interface Violation {
  /** I1 … I15, or `format` for what cannot be read at all. */
  readonly invariant: string
  readonly what: string
  /** Store key, where it concerns one file. */
  readonly file: string | null
  readonly instant: string | null
  /** What to do about it. */
  readonly fix: string
}

/** What a walk over a table has looked at. */
export interface Walked {
  instants: number
  archived: number
  files: number
  rows: number
}

/** Collects violations; beyond `most` only their number. */
export class Violations {
  readonly list: Violation[] = []
  readonly #most: number
  count = 0

  constructor(most: number) {
    this.#most = most
  }

  add(invariant: string, what: string, at: { readonly file?: string; readonly instant?: string }, fix: string): void {
    this.count++
    if (this.list.length < this.#most) this.list.push({ invariant, what, file: at.file ?? null, instant: at.instant ?? null, fix })
  }
}
