import type { TableId, TableSchema } from '../contract/change.ts'
import type { ConnectSchema } from '../contract/connect-schema.ts'
import { assert, Failure } from '../failure/failure.ts'
import { avroSchemaText } from './avro-schema.ts'
import {
  envelopeSchema,
  HEARTBEAT_KEY,
  HEARTBEAT_VALUE,
  keySchema,
  type SchemaNames,
  TRANSACTION_KEY,
  TRANSACTION_VALUE,
} from './envelope-schema.ts'
import { MESSAGE_KEY, type MessageContent, messageValue } from './logical-message.ts'
import { adjustFieldName, adjustSchemaName } from './name-adjuster.ts'
import type { EnvelopeOptions } from './options.ts'
import { TableCodec } from './table-codec.ts'
import { topicName } from './topic-name.ts'

/** Everything about one table version that encoding needs. */
export interface PreparedTable {
  readonly topic: string
  /** `schema.table`: the collection of the transaction block. */
  readonly collection: string
  readonly codec: TableCodec
  readonly keyed: boolean
  readonly keySchema: ConnectSchema | null
  readonly keyId: number
  readonly valueId: number
  /** Confluent wire headers: 0, schema id:i32be. */
  readonly keyWire: Uint8Array
  readonly valueWire: Uint8Array
  /** Column of the table → field of the row struct (omitted columns are none). */
  readonly ordinals: Uint16Array
}

/** Schemas of a topic that is not a table's. */
export interface TransactionSchemas {
  readonly topic: string
  readonly keyId: number
  readonly valueId: number
  readonly keyWire: Uint8Array
  readonly valueWire: Uint8Array
}

/** Derives and registers the schemas of tables and makes their codecs; keeps what it made. */
export class TablePreparer {
  readonly #options: EnvelopeOptions
  readonly #prepared = new WeakMap<TableSchema, PreparedTable>()
  readonly #owners = new Map<string, string>()
  readonly #schemas = new Map<number, ConnectSchema>()

  constructor(options: EnvelopeOptions) {
    this.#options = options
  }

  topicOf(id: TableId): string {
    return topicName(this.#options.prefix, id.schema, id.table)
  }

  of(table: TableSchema): PreparedTable {
    const p = this.#prepared.get(table)
    assert(p !== undefined, `prepare() ran for ${table.id.schema}.${table.id.table} version ${table.version}`)
    return p
  }

  async prepare(table: TableSchema): Promise<void> {
    if (this.#prepared.has(table)) return
    const topic = this.topicOf(table.id)
    const collection = `${table.id.schema}.${table.id.table}`
    const owner = this.#owners.get(topic) ?? collection
    assert(owner === collection, `tables ${owner} and ${collection} have different topics (both would be ${topic})`)
    this.#owners.set(topic, collection)
    const names = this.#names(topic, collection, table)
    const key = keySchema(names, table)
    const keyId = key === null ? 0 : await this.#register(`${topic}-key`, key)
    const valueId = await this.#register(`${topic}-value`, envelopeSchema(names, table, this.#options.source.schema))
    let fields = 0
    this.#prepared.set(table, {
      topic,
      collection,
      codec: new TableCodec(table, this.#options.onUnshown, this.#options.marksDefaults === true),
      keyed: key !== null,
      keySchema: key,
      keyId,
      valueId,
      keyWire: wireHeader(keyId),
      valueWire: wireHeader(valueId),
      ordinals: Uint16Array.from(table.columns, (c) => (c.omitted === true ? 0xffff : fields++)),
    })
  }

  async transactionSchemas(): Promise<TransactionSchemas> {
    const topic = `${this.#options.prefix}.${this.#options.transactionTopic}`
    const keyId = await this.#register(`${topic}-key`, TRANSACTION_KEY)
    const valueId = await this.#register(`${topic}-value`, TRANSACTION_VALUE)
    return { topic, keyId, valueId, keyWire: wireHeader(keyId), valueWire: wireHeader(valueId) }
  }

  async messageSchemas(content: MessageContent): Promise<TransactionSchemas> {
    const topic = `${this.#options.prefix}.message`
    const keyId = await this.#register(`${topic}-key`, MESSAGE_KEY)
    const valueId = await this.#register(`${topic}-value`, messageValue(this.#options.source.schema, content))
    return { topic, keyId, valueId, keyWire: wireHeader(keyId), valueWire: wireHeader(valueId) }
  }

  async heartbeatSchemas(topic: string): Promise<TransactionSchemas> {
    const keyId = await this.#register(`${topic}-key`, HEARTBEAT_KEY)
    const valueId = await this.#register(`${topic}-value`, HEARTBEAT_VALUE)
    return { topic, keyId, valueId, keyWire: wireHeader(keyId), valueWire: wireHeader(valueId) }
  }

  /** Names that differ only in what Avro does not allow would become one: refused. */
  #names(topic: string, collection: string, table: TableSchema): SchemaNames {
    const { schemaNames, fieldNames } = this.#options
    const field = (name: string): string => adjustFieldName(fieldNames, name)
    const seen = new Map<string, string>()
    for (const c of table.columns) {
      if (c.omitted === true) continue
      const name = field(c.name)
      const first = seen.get(name)
      if (first !== undefined) throw new Failure('TRB-ENV-009', { first, second: c.name, table: collection, name })
      seen.set(name, c.name)
    }
    return { prefix: adjustSchemaName(schemaNames, topic), field }
  }

  connectSchema(id: number): ConnectSchema {
    const schema = this.#schemas.get(id)
    assert(schema !== undefined, `schema ${id} was registered here`)
    return schema
  }

  async #register(subject: string, schema: ConnectSchema): Promise<number> {
    const id = await this.#options.registry.register(subject, avroSchemaText(schema))
    this.#schemas.set(id, schema)
    return id
  }
}

function wireHeader(id: number): Buffer {
  const b = Buffer.alloc(5)
  b.writeInt32BE(id, 1)
  return b
}
