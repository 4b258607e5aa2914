import type { Vector } from '../../contract/columns.ts'
import type { PlainVector } from '../../format/parquet/column.ts'
import { DIGEST_LENGTH } from '../index/bag-key.ts'
import type { Outcomes } from './outcomes.ts'
import type { RescuedRows } from './rescue.ts'

/**
 * Rows that changes put into a file: entry numbers of a unit, with the record keys they get. Their values stay in the
 * unit's chunks until a column is written.
 */
export class ChangedRows {
  readonly outcomes: Outcomes
  readonly entry: Int32Array
  readonly count: number
  readonly keys: PlainVector
  /** Chunk and row of each entry. */
  readonly chunk: Int32Array
  readonly row: Int32Array

  readonly rescued: RescuedRows | null

  /** `ordinal`: bags only, of each row. */
  constructor(outcomes: Outcomes, entry: Int32Array, ordinal: Int32Array | null, rescued: RescuedRows | null) {
    this.outcomes = outcomes
    this.rescued = rescued
    this.entry = entry
    this.count = entry.length
    this.chunk = new Int32Array(entry.length)
    this.row = new Int32Array(entry.length)
    const { unit } = outcomes
    for (let i = 0; i < entry.length; i++) {
      const c = unit.chunk[entry[i]]
      this.chunk[i] = c
      this.row[i] = unit.chunks[c].row[unit.entry[entry[i]]]
    }
    this.keys = this.#keys(ordinal)
  }

  /** Column c of every chunk of the unit, then of the rescued rows. */
  columns(c: number): (Vector | null)[] {
    const chunks = this.outcomes.unit.chunks.map((chunk) => chunk.columns[c])
    return this.rescued === null ? chunks : [...chunks, this.rescued.columns[c]]
  }

  #keys(ordinal: Int32Array | null): PlainVector {
    const { unit } = this.outcomes
    const starts = new Int32Array(this.count + 1)
    const suffix = ordinal === null ? null : Array.from(ordinal, (o) => Buffer.from(`-${o}`, 'latin1'))
    for (let i = 0; i < this.count; i++) {
      const j = this.entry[i]
      const { offsets } = unit.chunks[unit.chunk[j]].keys
      const length = suffix === null ? offsets[unit.entry[j] + 1] - offsets[unit.entry[j]] : DIGEST_LENGTH + suffix[i].length
      starts[i + 1] = starts[i] + 4 + length
    }
    const data = Buffer.allocUnsafeSlow(starts[this.count])
    for (let i = 0; i < this.count; i++) {
      const j = this.entry[i]
      const keys = unit.chunks[unit.chunk[j]].keys
      data.writeInt32LE(starts[i + 1] - starts[i] - 4, starts[i])
      keys.data.copy(data, starts[i] + 4, keys.offsets[unit.entry[j]], keys.offsets[unit.entry[j] + 1])
      if (suffix !== null) suffix[i].copy(data, starts[i] + 4 + DIGEST_LENGTH)
    }
    return { kind: 'plain', data, starts }
  }
}
