/** Something that an invariant of DESIGN (ARCHITECTURE "What holds it together") forbids. */
export interface Violation {
  /** I1 … I16, or `format` for what cannot be read at all. */
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
  /** Compactions and clusterings compared with what they were made of, by file or partition. */
  rewrites: number
  watermarks: number
}

export const NOTHING_WALKED: Readonly<Walked> = { instants: 0, archived: 0, files: 0, rows: 0, rewrites: 0, watermarks: 0 }

/** Violations that are told one by one. */
export const MOST_TOLD = 1000

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
