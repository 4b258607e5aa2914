import type { LakeColumn, LakeType } from '../contract/columns.ts'
import { Failure } from '../failure/failure.ts'
import { type AvroField, type AvroNode, nonNull, parseAvroSchema } from '../format/avro/avro-node.ts'

/** Columns that Hudi Streamer's Debezium sources add to the row (DESIGN "The lake"). */
export const CHANGE_COLUMNS: readonly LakeColumn[] = [
  { name: '_change_operation_type', type: { kind: 'string' } },
  { name: '_event_origin_ts_ms', type: { kind: 'long' } },
  { name: '_event_tx_id', type: { kind: 'long' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]

/** Of MySQL and MariaDB: the place in the binlog, number of the file << 36 | byte, stands where the LSN of Postgres does. */
const BINLOG_CHANGE_COLUMNS: readonly LakeColumn[] = [...CHANGE_COLUMNS.slice(0, -1), { name: '_event_seq', type: { kind: 'long' } }]

/** Name of the column by which the newer of two changes is told. */
export function orderingOf(columns: readonly LakeColumn[]): string {
  const seq = BINLOG_CHANGE_COLUMNS.at(-1)!.name
  return columns.at(-1)?.name === seq ? seq : CHANGE_COLUMNS.at(-1)!.name
}

/** The change columns for an envelope: by what its `source` tells of the place of a change. */
export function changeColumns(envelope: AvroNode): readonly LakeColumn[] {
  return hasBinlog(envelope) ? BINLOG_CHANGE_COLUMNS : CHANGE_COLUMNS
}

function hasBinlog(envelope: AvroNode): boolean {
  const source = envelope.kind === 'record' ? envelope.fields.find((f) => f.name === 'source')?.node : undefined
  if (source?.kind !== 'record') return false
  const has = (name: string): boolean => source.fields.some((f) => f.name === name)
  return !has('lsn') && has('file') && has('pos')
}

/** Columns of the lake table for an envelope schema (Avro text): those of the row in order, then the change columns. */
export function lakeColumns(valueSchemaText: string): LakeColumn[] {
  const envelope = parseAvroSchema(valueSchemaText)
  // A TIME of MySQL is a span of ±838 hours, which no time of day can hold.
  const spans = hasBinlog(envelope)
  return [...rowFields(envelope).map((f) => (spans ? asSpan(f) : lakeColumn(f))), ...changeColumns(envelope)]
}

function asSpan(field: AvroField): LakeColumn {
  const column = lakeColumn(field)
  const doc = 'time in microseconds, from -838:59:59 to 838:59:59'
  return column.type.kind === 'time-micros' ? { name: column.name, type: { kind: 'long' }, doc } : column
}

/** Columns of the fields of a key. */
export function keyColumns(key: AvroNode): LakeColumn[] {
  return key.kind === 'record' ? recordColumns(key.fields) : []
}

export function recordColumns(fields: readonly AvroField[]): LakeColumn[] {
  return fields.map((f) => lakeColumn(f))
}

/** Fields of the row struct inside an envelope. Fails with TRB-ENV-004 when the schema is no envelope. */
export function rowFields(envelope: AvroNode): readonly AvroField[] {
  const after = envelope.kind === 'record' ? envelope.fields.find((f) => f.name === 'after') : undefined
  const row = after === undefined ? undefined : nonNull(after.node).node
  if (row?.kind !== 'record') throw new Failure('TRB-ENV-004', { topic: envelope.name ?? '', reason: 'its schema is no Debezium envelope' })
  return row.fields
}

function lakeColumn(field: AvroField): LakeColumn {
  const { node } = nonNull(field.node)
  const doc = DOCS[node.name ?? '']
  return { name: field.name, type: lakeType(field.name, node), ...(doc === undefined ? {} : { doc }) }
}

const WALL_CLOCK = 'timestamp without time zone, wall clock as if UTC'

const DOCS: Readonly<Record<string, string>> = {
  'io.debezium.time.Timestamp': WALL_CLOCK,
  'io.debezium.time.MicroTimestamp': WALL_CLOCK,
  'io.debezium.time.NanoTimestamp': WALL_CLOCK,
  'io.debezium.time.ZonedTime': 'time with time zone, in UTC',
  'io.debezium.time.MicroDuration': 'interval in microseconds, a month is 30.4375 days',
}

const SEMANTIC: Readonly<Record<string, LakeType>> = {
  'io.debezium.time.Date': { kind: 'date' },
  'io.debezium.time.Time': { kind: 'time-micros' },
  'io.debezium.time.MicroTime': { kind: 'time-micros' },
  'io.debezium.time.NanoTime': { kind: 'time-micros' },
  'io.debezium.time.Timestamp': { kind: 'timestamp-micros' },
  'io.debezium.time.MicroTimestamp': { kind: 'timestamp-micros' },
  'io.debezium.time.NanoTimestamp': { kind: 'timestamp-micros' },
  'io.debezium.time.ZonedTimestamp': { kind: 'timestamp-micros' },
  'org.apache.kafka.connect.data.Date': { kind: 'date' },
  'org.apache.kafka.connect.data.Time': { kind: 'time-micros' },
  'org.apache.kafka.connect.data.Timestamp': { kind: 'timestamp-micros' },
  'io.debezium.data.VariableScaleDecimal': { kind: 'string' },
  'io.debezium.data.geometry.Point': { kind: 'bytes' },
  'io.debezium.data.geometry.Geometry': { kind: 'bytes' },
  'io.debezium.data.geometry.Geography': { kind: 'bytes' },
}

/** Lake type of a non-null Avro type by its Debezium meaning. */
export function lakeType(field: string, node: AvroNode): LakeType {
  if (node.name === 'org.apache.kafka.connect.data.Decimal') return decimalType(node)
  const semantic = SEMANTIC[node.name ?? '']
  if (semantic !== undefined) return semantic
  switch (node.kind) {
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'string':
    case 'bytes':
      return { kind: node.kind }
    case 'array':
      return { kind: 'list', element: lakeType(field, nonNull(node.items).node) }
    case 'map':
      return { kind: 'map', value: lakeType(field, nonNull(node.items).node) }
    default:
      throw new Failure('TRB-ENV-003', { field, schema: node.name ?? '', type: node.kind })
  }
}

/** decimal(p,s); without a precision (money) 38 digits; what no decimal of 38 digits can hold is text. */
function decimalType(node: AvroNode): LakeType {
  const precision = Number(node.parameters['connect.decimal.precision'] ?? '38')
  const scale = Number(node.parameters['scale'] ?? '0')
  if (precision > 38 || scale < 0 || scale > precision) return { kind: 'string' }
  return { kind: 'decimal', precision, scale }
}
