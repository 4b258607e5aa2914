import type { ConnectField, ConnectSchema } from '../../contract/connect-schema.ts'
import { Failure } from '../../failure/failure.ts'
import { avroText, optionalBytes, optionalCopy, StructFields } from './avro-fields.ts'
import { valueHeader } from './headers.ts'
import type { HeaderFormat, Transform, TransformRecord } from './record.ts'

export type DeleteMode = 'drop' | 'tombstone' | 'rewrite' | 'rewrite-with-tombstone' | 'delete-to-tombstone'

export interface ExtractOptions {
  /** Of the transform, for messages. */
  readonly name: string
  readonly deletes: DeleteMode
  readonly addFields: readonly FieldReference[]
  readonly addHeaders: readonly FieldReference[]
  readonly routeByField: string | null
  readonly replaceNullWithDefault: boolean
  readonly headerFormat: HeaderFormat
}

/** A field of the envelope and the name under which it is added. */
export interface FieldReference {
  readonly path: readonly string[]
  readonly name: string
}

const OF_ENVELOPE = ['op', 'ts_ms', 'ts_us', 'ts_ns']
const OF_TRANSACTION = ['id', 'total_order', 'data_collection_order']

/** `op`, `source.ts_ms`, `table:newName` … A name without a struct is of the envelope, the transaction or the source. */
export function fieldReference(text: string, prefix: string): FieldReference {
  const [field, renamed] = text.trim().split(':')
  const path = field.split('.')
  if (path.length === 1 && OF_TRANSACTION.includes(field)) path.unshift('transaction')
  else if (path.length === 1 && !OF_ENVELOPE.includes(field)) path.unshift('source')
  return { path, name: `${prefix}${(renamed ?? field).replaceAll('.', '_')}` }
}

/** io.debezium.transforms.ExtractNewRecordState: the row instead of the envelope (spec debezium §4.1). */
export class ExtractNewState implements Transform {
  readonly asksForDefaults: boolean
  readonly #options: ExtractOptions
  readonly #plans = new WeakMap<ConnectSchema, Plan>()

  constructor(options: ExtractOptions) {
    this.#options = options
    this.asksForDefaults = options.routeByField !== null && !options.replaceNullWithDefault
  }

  apply(record: TransformRecord): boolean {
    const { value } = record
    if (value === null || value.avro === null) return this.#tombstone(record)
    if (value.schema.name?.endsWith('.Envelope') !== true) return true
    const plan = this.#planOf(value.schema)
    plan.envelope.open(value.avro)
    const op = plan.envelope.text(plan.op)
    if (op === 't') return false
    const { deletes } = this.#options
    if (op === 'd' && deletes === 'drop') return false
    for (const { reference, reader } of plan.headers) {
      const schema = optionalCopy(reader.schema)
      record.headers.push(valueHeader(this.#options.headerFormat, reference.name, schema, reader.read(plan.envelope)))
    }
    if (op === 'd' && deletes === 'delete-to-tombstone') record.value = null
    else if (op === 'd' && deletes === 'tombstone') record.value = { schema: plan.nullRow, avro: null }
    else this.#row(record, plan, op === 'd')
    return true
  }

  /** The envelope's delete has told already what a tombstone would. */
  #tombstone(record: TransformRecord): boolean {
    if (this.#options.deletes !== 'rewrite-with-tombstone') return false
    const op = this.#options.addHeaders.find((h) => h.path.length === 1 && h.path[0] === 'op')
    const schema: ConnectSchema = { type: 'string', optional: true }
    if (op !== undefined) record.headers.push(valueHeader(this.#options.headerFormat, op.name, schema, avroText('d')))
    return true
  }

  #row(record: TransformRecord, plan: Plan, deleted: boolean): void {
    const row = plan.envelope.present(deleted ? plan.before : plan.after)
    if (row === null) throw new Failure('TRB-ENV-013', { transform: this.#options.name, reason: `a record of ${record.topic} has no row` })
    if (this.#options.routeByField !== null) this.#route(record, plan, row)
    if (!plan.grows) {
      record.value = { schema: plan.row, avro: row }
      return
    }
    const parts: Buffer[] = [row]
    if (plan.marksDeleted) parts.push(...optionalBytes(deleted ? TRUE : FALSE))
    for (const { reader } of plan.fields) parts.push(...optionalBytes(reader.read(plan.envelope)))
    record.value = { schema: plan.row, avro: Buffer.concat(parts) }
  }

  #route(record: TransformRecord, plan: Plan, row: Buffer): void {
    const i = plan.source.indexOf(this.#options.routeByField!)
    if (i < 0) {
      throw new Failure('TRB-ENV-013', {
        transform: this.#options.name,
        reason: `${record.topic} has no field ${this.#options.routeByField}`,
      })
    }
    plan.source.open(row)
    if (this.asksForDefaults && record.isDefaulted(i)) return
    const topic = plan.source.text(i)
    if (topic !== null && topic !== '') record.topic = topic
  }

  #planOf(envelope: ConnectSchema): Plan {
    let plan = this.#plans.get(envelope)
    if (plan === undefined) {
      plan = planOf(envelope, this.#options)
      this.#plans.set(envelope, plan)
    }
    return plan
  }
}

const TRUE = avroText('true')
const FALSE = avroText('false')

interface Added {
  readonly reference: FieldReference
  readonly reader: Reader
}

interface Plan {
  readonly envelope: StructFields
  readonly before: number
  readonly after: number
  readonly op: number
  /** Fields of the row as it is in the envelope. */
  readonly source: StructFields
  /** Schema of a null that keeps it. */
  readonly nullRow: ConnectSchema
  /** Schema of the values that come out. */
  readonly row: ConnectSchema
  readonly grows: boolean
  readonly marksDeleted: boolean
  readonly fields: readonly Added[]
  readonly headers: readonly Added[]
}

function planOf(schema: ConnectSchema, options: ExtractOptions): Plan {
  const envelope = new StructFields(schema)
  const after = envelope.indexOf('after')
  const row = schema.fields![after].schema
  const added = (references: readonly FieldReference[]): Added[] =>
    references.map((reference) => ({ reference, reader: readerOf(envelope, reference, options.name) }))
  const fields = added(options.addFields)
  const marksDeleted = options.deletes === 'rewrite' || options.deletes === 'rewrite-with-tombstone'
  const grown: ConnectField[] = fields.map((f) => ({ name: f.reference.name, schema: optionalCopy(f.reader.schema) }))
  if (marksDeleted) grown.unshift({ name: '__deleted', schema: { type: 'string', optional: true } })
  return {
    envelope,
    before: envelope.indexOf('before'),
    after,
    op: envelope.indexOf('op'),
    source: new StructFields(row),
    nullRow: row,
    row: { ...row, optional: false, fields: [...row.fields!, ...grown] },
    grows: grown.length > 0,
    marksDeleted,
    fields,
    headers: added(options.addHeaders),
  }
}

/** Reads one field of an envelope, or of a struct in it; null when one of the two is. */
interface Reader {
  readonly schema: ConnectSchema
  read(envelope: StructFields): Buffer | null
}

function readerOf(envelope: StructFields, reference: FieldReference, transform: string): Reader {
  const missing = (): Failure => new Failure('TRB-ENV-013', { transform, reason: `the envelope has no field ${reference.path.join('.')}` })
  const first = envelope.indexOf(reference.path[0])
  if (first < 0 || reference.path.length > 2) throw missing()
  const { schema } = envelope.schema.fields![first]
  if (reference.path.length === 1) return { schema, read: (e) => e.present(first) }
  if (schema.type !== 'struct') throw missing()
  const inner = new StructFields(schema)
  const second = inner.indexOf(reference.path[1])
  if (second < 0) throw missing()
  return {
    schema: schema.fields![second].schema,
    read(e) {
      const struct = e.present(first)
      if (struct === null) return null
      inner.open(struct)
      return inner.present(second)
    },
  }
}
