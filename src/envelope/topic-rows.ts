import type { LakeColumn } from '../contract/columns.ts'
import type { StoredBatch } from '../contract/log.ts'
import { Failure } from '../failure/failure.ts'
import { parseAvroSchema } from '../format/avro/avro-node.ts'
import type { DecodeCounters } from './column-decoder.ts'
import { KeyDecoder } from './key-decoder.ts'
import { type BatchDecoder, createBatchDecoder } from './row-decoder.ts'

export interface TopicRowsOptions {
  readonly topic: string
  /** Avro text of a schema id. */
  readonly schema: (id: number) => Promise<string>
  readonly chunkBytes: number
  readonly placeholder: Buffer
  readonly counters: DecodeCounters
}

/** A batch and what makes rows of it. */
export interface TopicBatchRows {
  /** The same for batches of the same shape. */
  readonly shape: string
  readonly columns: readonly LakeColumn[]
  readonly key: readonly string[]
  readonly decoder: BatchDecoder
  readonly batch: StoredBatch
}

/** Records of one Kafka topic → rows: finds the decoder of each batch, whatever schemas its writer has used. */
export class TopicRows {
  readonly #options: TopicRowsOptions
  readonly #texts = new Map<number, string>()
  readonly #decoders = new Map<string, BatchDecoder>()
  /** Schema of the keys seen last; 0: none yet. */
  #keySchema = 0
  #valueSchema = 0

  constructor(options: TopicRowsOptions) {
    this.#options = options
  }

  /** After an error in the middle of a batch: what was decoded of it must not come out with the next one. */
  forget(): void {
    this.#decoders.clear()
  }

  /**
   * The rows of a batch. `tableKey`: key columns of the table as it is; null: there is no table yet. Null: there is nothing in it for a
   * table (tombstones before the first row). Fails with TRB-ENV-004, -003, TRB-INGEST-007 and what `schema` fails with.
   */
  async of(batch: StoredBatch, tableKey: readonly string[] | null): Promise<TopicBatchRows | null> {
    if (batch.keySchema < 0 || batch.valueSchema < 0) throw new Failure('TRB-INGEST-007', { topic: batch.topic, offset: batch.baseOffset })
    const keySchema = batch.keySchema !== 0 ? batch.keySchema : this.#keySchema
    const valueSchema = batch.valueSchema !== 0 ? batch.valueSchema : this.#valueSchema
    if (valueSchema === 0 && (tableKey === null || keySchema === 0)) return null
    this.#keySchema = keySchema
    this.#valueSchema = valueSchema
    const names = keySchema === 0 && tableKey !== null && tableKey.length > 0 ? tableKey : null
    const shape = `${keySchema}:${valueSchema}:${names?.join(',') ?? ''}`
    let decoder = this.#decoders.get(shape)
    if (decoder === undefined) {
      decoder = await this.#decoder(keySchema, valueSchema, names)
      this.#decoders.set(shape, decoder)
    }
    const { columns, key } = decoder
    // The decoder compares the id of every value with the batch's; a batch of tombstones has none.
    return { shape, columns, key, decoder, batch: batch.valueSchema === valueSchema ? batch : { ...batch, valueSchema } }
  }

  async #decoder(keyId: number, valueId: number, keyNames: readonly string[] | null): Promise<BatchDecoder> {
    const { chunkBytes: maxBytes, placeholder, counters } = this.#options
    const keySchema = keyId === 0 ? null : await this.#text(keyId)
    if (valueId === 0) return new KeyDecoder(parseAvroSchema(keySchema!))
    const topic = { placeholder, tombstones: true, keyNames }
    return createBatchDecoder({ keySchema, valueSchema: await this.#text(valueId), maxBytes, counters, topic })
  }

  async #text(id: number): Promise<string> {
    let text = this.#texts.get(id)
    if (text === undefined) {
      text = await this.#options.schema(id)
      this.#texts.set(id, text)
    }
    return text
  }
}
