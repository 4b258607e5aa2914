import type { LakeColumn, RowChanges, Vector } from '../contract/columns.ts'
import type { StoredBatch } from '../contract/log.ts'
import type { AvroNode } from '../format/avro/avro-node.ts'
import { ByteCursor } from '../format/bytes/cursor.ts'
import { type ColumnBuilder, columnBuilder } from '../format/columns/builders.ts'
import { RecordReader } from '../format/record-batch/reader.ts'
import { type ColumnDecoder, compileColumn } from './column-decoder.ts'
import { CHANGE_COLUMNS, keyColumns } from './lake-columns.ts'
import type { BatchDecoder } from './row-decoder.ts'

const OP_D = 100
/** The others are null, whatever they are called. */
const OP_COLUMN: LakeColumn = CHANGE_COLUMNS[0]!

/** Deletes by key, of tombstones whose topic has shown no value yet: compaction has left nothing else of those rows. */
export class KeyDecoder implements BatchDecoder {
  readonly columns: readonly LakeColumn[]
  readonly key: readonly string[]
  readonly #reader = new RecordReader()
  readonly #cursor = new ByteCursor()
  readonly #builders: readonly ColumnBuilder[]
  readonly #steps: readonly ColumnDecoder[]
  #count = 0

  /** The schema of the keys. */
  constructor(key: AvroNode) {
    const own = keyColumns(key)
    this.columns = [...own, OP_COLUMN]
    this.key = own.map((c) => c.name)
    this.#builders = own.map((c) => columnBuilder(c.type))
    const fields = key.kind === 'record' ? key.fields : []
    this.#steps = fields.map((f, i) => compileColumn(f.node, this.#builders[i]!, { infinite: 0 }))
  }

  *feed(batch: StoredBatch, from = 0): Generator<RowChanges, boolean, void> {
    const r = this.#reader
    r.open(batch.records, batch.count)
    while (r.next()) {
      if (batch.baseOffset + r.index < from || r.keyStart < 0) continue
      const c = this.#cursor
      c.reset(r.buf, r.keyStart + 5, r.keyEnd)
      for (const step of this.#steps) step(c)
      this.#count++
    }
    yield* this.flush()
    return true
  }

  *flush(): Generator<RowChanges, void, void> {
    const count = this.#count
    if (count === 0) return
    this.#count = 0
    const vectors = [...this.#builders.map((b) => b.take()), deletes(count)]
    const bytes = this.#builders.length * 16 * count
    const unavailable = this.columns.map(() => null)
    yield { columns: this.columns, count, op: new Uint8Array(count).fill(OP_D), before: null, vectors, unavailable, bytes }
  }
}

function deletes(count: number): Vector {
  const offsets = new Int32Array(count + 1)
  for (let i = 0; i <= count; i++) offsets[i] = i
  return { kind: 'bytes', data: Buffer.alloc(count, OP_D), offsets, valid: null }
}
