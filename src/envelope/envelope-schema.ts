import type { TableSchema } from '../contract/change.ts'
import type { ConnectField, ConnectSchema } from '../contract/connect-schema.ts'

const required = (name: string, type: ConnectSchema['type']): ConnectField => ({ name, schema: { type, optional: false } })
const optional = (name: string, type: ConnectSchema['type']): ConnectField => ({ name, schema: { type, optional: true } })

/** Block that a data record carries with provide.transaction.metadata. */
export const TRANSACTION_BLOCK: ConnectSchema = {
  type: 'struct',
  optional: true,
  name: 'event.block',
  version: 1,
  fields: [required('id', 'string'), required('total_order', 'int64'), required('data_collection_order', 'int64')],
}

/** Key and value of the transaction topic (spec debezium §1.3). */
export const TRANSACTION_KEY: ConnectSchema = {
  type: 'struct',
  optional: false,
  name: 'io.debezium.connector.common.TransactionMetadataKey',
  version: 1,
  fields: [required('id', 'string')],
}

export const TRANSACTION_VALUE: ConnectSchema = {
  type: 'struct',
  optional: false,
  name: 'io.debezium.connector.common.TransactionMetadataValue',
  version: 1,
  fields: [
    required('status', 'string'),
    required('id', 'string'),
    optional('event_count', 'int64'),
    {
      name: 'data_collections',
      schema: {
        type: 'array',
        optional: true,
        items: {
          type: 'struct',
          optional: true,
          name: 'event.collection',
          version: 1,
          fields: [required('data_collection', 'string'), required('event_count', 'int64')],
        },
      },
    },
    required('ts_ms', 'int64'),
  ],
}

/** Key and value of the heartbeat topic (spec debezium §1.3). */
export const HEARTBEAT_KEY: ConnectSchema = {
  type: 'struct',
  optional: false,
  name: 'io.debezium.connector.common.ServerNameKey',
  version: 1,
  fields: [required('serverName', 'string')],
}

export const HEARTBEAT_VALUE: ConnectSchema = {
  type: 'struct',
  optional: false,
  name: 'io.debezium.connector.common.Heartbeat',
  version: 1,
  fields: [required('ts_ms', 'int64')],
}

/** Names of a table's schemas: `prefix` is the topic, adjusted; `field` adjusts a column's name. */
export interface SchemaNames {
  readonly prefix: string
  readonly field: (name: string) => string
}

/** Record key of a table (`<prefix>.Key`), null when the table has none. */
export function keySchema(names: SchemaNames, table: TableSchema): ConnectSchema | null {
  if (table.key.length === 0) return null
  const fields = table.key.map((i) => ({
    name: names.field(table.columns[i].name),
    schema: (table.columns[i].asKey ?? table.columns[i]).connect,
  }))
  return { type: 'struct', optional: false, name: `${names.prefix}.Key`, fields }
}

/** Change envelope of a table (`<prefix>.Envelope`, spec debezium §1.1). */
export function envelopeSchema(names: SchemaNames, table: TableSchema, source: ConnectSchema): ConnectSchema {
  const row: ConnectSchema = {
    type: 'struct',
    optional: true,
    name: `${names.prefix}.Value`,
    fields: table.columns.filter((c) => c.omitted !== true).map((c) => ({ name: names.field(c.name), schema: c.connect })),
  }
  return {
    type: 'struct',
    optional: false,
    name: `${names.prefix}.Envelope`,
    version: 2,
    fields: [
      { name: 'before', schema: row },
      { name: 'after', schema: row },
      { name: 'source', schema: source },
      { name: 'transaction', schema: TRANSACTION_BLOCK },
      required('op', 'string'),
      optional('ts_ms', 'int64'),
      optional('ts_us', 'int64'),
      optional('ts_ns', 'int64'),
    ],
  }
}
