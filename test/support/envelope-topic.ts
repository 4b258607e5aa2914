import avsc from 'avsc'
import { wire } from './topic-producer.ts'

/** Records of one table as Debezium's Postgres connector writes them, with columns id and v. */
const ROW = (name: string) => ({
  type: 'record',
  name: 'Value',
  namespace: name,
  fields: [
    { name: 'id', type: 'int' },
    { name: 'v', type: ['null', 'string'], default: null },
  ],
})
const SOURCE = {
  type: 'record',
  name: 'Source',
  namespace: 'io.debezium.connector.postgresql',
  fields: [
    { name: 'ts_ms', type: 'long' },
    { name: 'txId', type: ['null', 'long'], default: null },
    { name: 'lsn', type: ['null', 'long'], default: null },
  ],
}
const TRANSACTION = {
  type: 'record',
  name: 'block',
  namespace: 'event',
  fields: [
    { name: 'id', type: 'string' },
    { name: 'total_order', type: 'long' },
    { name: 'data_collection_order', type: 'long' },
  ],
}

export const KEY_SCHEMA = JSON.stringify({ type: 'record', name: 'Key', namespace: 't', fields: [{ name: 'id', type: 'int' }] })
export const VALUE_SCHEMA = JSON.stringify({
  type: 'record',
  name: 'Envelope',
  namespace: 't',
  fields: [
    { name: 'before', type: ['null', ROW('t')], default: null },
    { name: 'after', type: ['null', 't.Value'], default: null },
    { name: 'source', type: SOURCE },
    { name: 'transaction', type: ['null', TRANSACTION], default: null },
    { name: 'op', type: 'string' },
    { name: 'ts_ms', type: ['null', 'long'], default: null },
  ],
})

const keyType = avsc.Type.forSchema(JSON.parse(KEY_SCHEMA))
const valueType = avsc.Type.forSchema(JSON.parse(VALUE_SCHEMA), { wrapUnions: true } as never)

export const keyBytes = (id: number, schema = 1): Buffer => wire(schema, keyType.toBuffer({ id }))

export interface EnvelopeChange {
  readonly op: 'c' | 'u' | 'd' | 'r' | 't'
  readonly id: number
  readonly v: string | null
  /** Place in the source's log, also the time in ms since an epoch of its own. */
  readonly lsn: number
  readonly transaction?: { readonly id: string; readonly order: number }
}

/** Value of one change in the wire format. */
export function valueBytes(c: EnvelopeChange, schema = 2): Buffer {
  const row = { 't.Value': { id: c.id, v: c.v === null ? null : { string: c.v } } }
  const { transaction: t } = c
  return wire(
    schema,
    valueType.toBuffer({
      before: c.op === 'd' ? row : null,
      after: c.op === 'd' || c.op === 't' ? null : row,
      source: { ts_ms: 1_700_000_000_000 + c.lsn, txId: { long: c.lsn }, lsn: { long: c.lsn } },
      transaction: t === undefined ? null : { 'event.block': { id: t.id, total_order: t.order, data_collection_order: t.order } },
      op: c.op,
      ts_ms: { long: 1_700_000_000_000 + c.lsn },
    }),
  )
}
