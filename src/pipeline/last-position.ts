import type { RowChanges } from '../contract/columns.ts'

/** A position of the source as its events tell it. */
export interface SourcePosition {
  /** Printable; null: the events have none that can be compared. */
  readonly commit: string | null
  readonly commitUs: bigint | null
}

/** The newest position among rows that pass: what a commit says it has reached when nothing else tells. */
export class LastPosition {
  #place = -1n
  #us: bigint | null = null
  #kind: 'lsn' | 'other' = 'other'

  get at(): SourcePosition {
    return { commit: this.#kind === 'lsn' && this.#place >= 0n ? lsnText(this.#place) : null, commitUs: this.#us }
  }

  async *watch(rows: AsyncIterable<RowChanges>): AsyncGenerator<RowChanges, void, void> {
    for await (const chunk of rows) {
      this.#see(chunk)
      yield chunk
    }
  }

  /** Of the last row of a chunk: positions of a topic's partition only grow. */
  #see({ columns, vectors, count }: RowChanges): void {
    const value = (name: string): bigint | null => {
      const v = vectors[columns.findIndex((c) => c.name === name)]
      if (v?.kind !== 'fixed' || count === 0 || v.valid?.[count - 1] === 0) return null
      return v.data.readBigInt64LE((count - 1) * 8)
    }
    const lsn = value('_event_lsn')
    const ms = value('_event_origin_ts_ms')
    if (lsn !== null) this.#kind = 'lsn'
    if (lsn !== null && lsn > this.#place) this.#place = lsn
    if (ms !== null && (this.#us === null || ms * 1000n > this.#us)) this.#us = ms * 1000n
  }
}

function lsnText(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`
}
