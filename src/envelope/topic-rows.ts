import type { LakeColumn } from '../contract/columns.ts'
import type { StoredBatch } from '../contract/log.ts'
import { Failure, isFailure } from '../failure/failure.ts'
import { type AvroNode, parseAvroSchema } from '../format/avro/avro-node.ts'
import type { DecodeCounters } from './column-decoder.ts'
import { FlatDecoder } from './flat-decoder.ts'
import { JsonTopic } from './json-topic.ts'
import { KeyDecoder } from './key-decoder.ts'
import { type BatchDecoder, createBatchDecoder } from './row-decoder.ts'

export interface TopicRowsOptions {
  readonly topic: string
  readonly partitions: number
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

/** Schema id of what is not Avro in the Confluent wire format. */
const NOT_AVRO = -1
/** Records of Debezium's that are no rows of a table: transactions, heartbeats, logical messages, changes of schemas. */
const NO_TABLE = /^io\.debezium\.connector\.(common\.(TransactionMetadata|Heartbeat)|\w+\.(SchemaChange|MessageValue))|\.MessageValue$/

/** Records of one Kafka topic → rows: finds the decoder of each batch, whatever converter and schemas its writer has used. */
export class TopicRows {
  readonly #options: TopicRowsOptions
  readonly #texts = new Map<number, string>()
  readonly #decoders = new Map<string, BatchDecoder | null>()
  readonly #json = new JsonTopic()
  /** Schema of the keys and values seen last; 0: none yet. */
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
   * The rows of a batch, in one or more pieces that follow each other; what holds nothing for a table (records of other kinds, tombstones
   * before the first row) is left out. `tableKey`: key columns of the table as it is; null: there is no table yet.
   * Fails with TRB-ENV-004, -003, TRB-INGEST-007, its rows with TRB-INGEST-006, -014, and what `schema` fails with.
   */
  async of(batch: StoredBatch, tableKey: readonly string[] | null): Promise<readonly TopicBatchRows[]> {
    const json = batch.valueSchema === NOT_AVRO || (batch.keySchema === NOT_AVRO && batch.valueSchema === 0)
    if (!json && batch.keySchema === NOT_AVRO) throw this.#mixed(batch)
    const out: TopicBatchRows[] = []
    for (const piece of json ? this.#json.convert(batch) : [batch]) {
      const rows = await this.#piece(piece, tableKey)
      if (rows !== null) out.push(rows)
    }
    return out
  }

  async #piece(batch: StoredBatch, tableKey: readonly string[] | null): Promise<TopicBatchRows | null> {
    const keySchema = batch.keySchema !== 0 ? batch.keySchema : this.#keySchema
    const valueSchema = batch.valueSchema !== 0 ? batch.valueSchema : this.#valueSchema
    if (valueSchema === 0 && (tableKey === null || keySchema === 0)) return null
    this.#keySchema = keySchema
    this.#valueSchema = valueSchema
    const names = keySchema === 0 && tableKey !== null && tableKey.length > 0 ? tableKey : null
    const shape = `${keySchema}:${valueSchema}:${names?.join(',') ?? ''}`
    let decoder = this.#decoders.get(shape)
    if (decoder === undefined) {
      decoder = await this.#decoder(keySchema, valueSchema, names).catch((e: unknown) => {
        throw isFailure(e, 'TRB-REG-001') || isFailure(e, 'TRB-ENV-006') ? unknownSchema(batch, e) : e
      })
      this.#decoders.set(shape, decoder)
    }
    if (decoder === null) return null
    const { columns, key } = decoder
    // The decoder compares the id of every value with the batch's; a batch of tombstones has none.
    return { shape, columns, key, decoder, batch: batch.valueSchema === valueSchema ? batch : { ...batch, valueSchema } }
  }

  async #decoder(keyId: number, valueId: number, keyNames: readonly string[] | null): Promise<BatchDecoder | null> {
    const { chunkBytes: maxBytes, placeholder, counters } = this.#options
    const keySchema = keyId === 0 ? null : await this.#text(keyId)
    if (valueId === 0) return new KeyDecoder(parseAvroSchema(keySchema!))
    const topic = { placeholder, tombstones: true, keyNames, partitions: this.#options.partitions }
    const valueSchema = await this.#text(valueId)
    const value = parseAvroSchema(valueSchema)
    if (NO_TABLE.test(value.name ?? '')) return null
    if (isEnvelope(value)) return createBatchDecoder({ keySchema, valueSchema, maxBytes, counters, topic })
    if (keySchema === null) throw new Failure('TRB-INGEST-011', { topic: this.#options.topic })
    return new FlatDecoder({ key: parseAvroSchema(keySchema), value, maxBytes, counters, topic })
  }

  async #text(id: number): Promise<string> {
    let text = this.#texts.get(id) ?? this.#json.schema(id)
    if (text === undefined) {
      text = await this.#options.schema(id)
      this.#texts.set(id, text)
    }
    return text
  }

  #mixed({ topic, partition, baseOffset: offset }: StoredBatch): Failure {
    return new Failure('TRB-INGEST-007', { topic, partition, offset, reason: 'its value is Avro, its key is not' })
  }
}

function unknownSchema({ topic, partition, baseOffset: offset }: StoredBatch, e: Failure): Failure {
  return new Failure('TRB-INGEST-012', { topic, partition, offset, detail: e.explain().what }, e)
}

function isEnvelope(value: AvroNode): boolean {
  const names = value.kind === 'record' ? value.fields.map((f) => f.name) : []
  return ['before', 'after', 'source', 'op'].every((n) => names.includes(n))
}
