/** How far the topics of a state of the source go. */
export interface CutPlace {
  /** Topic that says where transactions end, and the offset to go on from in it. */
  readonly topic: string
  readonly next: number
  /** Offsets by topic and partition (−1: not this process's). */
  readonly ends: Readonly<Record<string, readonly number[]>>
}
