import type { ConnectSchema } from '../../contract/connect-schema.ts'
import { Failure } from '../../failure/failure.ts'
import { ByteCursor } from '../../format/bytes/cursor.ts'
import { optionalBytes, StructFields, textOf } from './avro-fields.ts'
import { valueHeader } from './headers.ts'
import { expandedPayload } from './json-payload.ts'
import type { HeaderFormat, Transform, TransformRecord } from './record.ts'
import { routed, type TopicRule } from './routers.ts'

export interface OutboxOptions {
  /** Of the transform, for messages. */
  readonly name: string
  readonly id: string
  readonly key: string
  readonly payload: string
  /** Column with the time of the event in ms (or µs of Debezium's types); null: that of the envelope. */
  readonly timestamp: string | null
  readonly routeBy: string
  readonly rule: TopicRule
  readonly additional: readonly AdditionalField[]
  /** `table.field.additional.missing`=ignore. */
  readonly ignoresMissing: boolean
  readonly expandsJson: boolean
  readonly tombstoneOnEmpty: boolean
  /** What an update of the outbox table is: left out, or the end of the flow. */
  readonly updates: 'skip' | 'fatal'
  readonly headerFormat: HeaderFormat
}

export interface AdditionalField {
  readonly column: string
  readonly placement: 'header' | 'envelope'
  readonly alias: string
}

/** io.debezium.transforms.outbox.EventRouter: rows of an outbox table become messages of their own (spec debezium §4.3). */
export class OutboxRouter implements Transform {
  readonly #options: OutboxOptions
  readonly #plans = new WeakMap<ConnectSchema, Plan>()
  /** One schema object for each text, so that ids are asked for once. */
  readonly #schemas = new Map<string, ConnectSchema>()

  constructor(options: OutboxOptions) {
    this.#options = options
  }

  apply(record: TransformRecord): boolean {
    const { value } = record
    if (value === null || value.avro === null) return record.key?.schema.name?.endsWith('.Key') !== true
    if (value.schema.name?.endsWith('.Envelope') !== true) return true
    const plan = this.#planOf(value.schema, record.topic)
    plan.envelope.open(value.avro)
    const op = plan.envelope.text(plan.op)
    if (op === 'u' && this.#options.updates === 'fatal') throw this.#failure(`a row of ${record.topic} was updated`)
    if (op !== 'c' && op !== 'r') return false
    plan.row.open(plan.envelope.present(plan.after)!)
    this.#route(record, plan)
    return true
  }

  #route(record: TransformRecord, plan: Plan): void {
    const { routeBy, rule, headerFormat, additional } = this.#options
    const from = record.topic
    const routedBy = plan.row.text(plan.index(routeBy))
    if (routedBy === null) throw this.#failure(`${routeBy} of a row of ${from} is null`)
    record.topic = routed(rule, routedBy) ?? routedBy
    record.timestamp = this.#timestamp(plan)
    record.headers.push(this.#header(plan, headerFormat, 'id', plan.index(this.#options.id)))
    const placed = additional.filter((a) => plan.has(a.column))
    for (const a of placed) {
      if (a.placement === 'header') record.headers.push(this.#header(plan, headerFormat, a.alias, plan.index(a.column)))
    }
    const key = plan.index(this.#options.key)
    const bytes = plan.row.present(key)
    if (bytes !== null) record.key = { schema: plan.schema(key), avro: plan.row.bytes(key) }
    this.#value(record, plan, from, routedBy, placed)
  }

  #header(plan: Plan, format: HeaderFormat, name: string, i: number): TransformRecord['headers'][number] {
    return valueHeader(format, name, plan.schema(i), plan.row.present(i))
  }

  #value(record: TransformRecord, plan: Plan, from: string, routedBy: string, placed: readonly AdditionalField[]): void {
    const i = plan.index(this.#options.payload)
    const present = plan.row.present(i)
    const expanded =
      this.#options.expandsJson && present !== null && plan.schema(i).type === 'string' ? expandedPayload(textOf(present)) : null
    const schema = this.#same(expanded?.schema ?? plan.schema(i))
    const inEnvelope = placed.filter((a) => a.placement === 'envelope')
    if (inEnvelope.length > 0) {
      const struct: ConnectSchema = {
        type: 'struct',
        optional: false,
        name: `${from}.${routedBy}.Value`,
        fields: [{ name: 'payload', schema }, ...inEnvelope.map((a) => ({ name: a.alias, schema: plan.schema(plan.index(a.column)) }))],
      }
      const payload = expanded === null ? [plan.row.bytes(i)] : optionalBytes(expanded.avro)
      record.value = {
        schema: this.#same(struct),
        avro: Buffer.concat([...payload, ...inEnvelope.map((a) => plan.row.bytes(plan.index(a.column)))]),
      }
      return
    }
    if (present === null) record.value = this.#options.tombstoneOnEmpty ? null : { schema, avro: null }
    else if (expanded === null) record.value = { schema, avro: plan.row.bytes(i) }
    else record.value = { schema, avro: schema.type === 'struct' ? expanded.avro : Buffer.concat(optionalBytes(expanded.avro)) }
  }

  #same(schema: ConnectSchema): ConnectSchema {
    const text = JSON.stringify(schema, (_, v) => (typeof v === 'bigint' ? `${v}n` : v))
    const known = this.#schemas.get(text)
    if (known !== undefined) return known
    this.#schemas.set(text, schema)
    return schema
  }

  /** Ms since the epoch. */
  #timestamp(plan: Plan): number | null {
    const { timestamp } = this.#options
    const i = timestamp === null ? plan.envelope.indexOf('ts_ms') : plan.index(timestamp)
    const bytes = timestamp === null ? plan.envelope.present(i) : plan.row.present(i)
    if (bytes === null) return null
    const schema = timestamp === null ? plan.envelope.schema.fields![i].schema : plan.schema(i)
    if (schema.type !== 'int64') throw this.#failure(`${timestamp} is no number of milliseconds or microseconds`)
    const n = new ByteCursor(bytes).zigzagNumber()
    return schema.name === 'io.debezium.time.MicroTimestamp' ? Math.floor(n / 1000) : n
  }

  #planOf(schema: ConnectSchema, topic: string): Plan {
    let plan = this.#plans.get(schema)
    if (plan === undefined) {
      plan = new Plan(schema)
      const { id, key, payload, routeBy, timestamp, additional, ignoresMissing } = this.#options
      const needed = [id, key, payload, routeBy, ...(timestamp === null ? [] : [timestamp])]
      const wanted = ignoresMissing ? needed : [...needed, ...additional.map((a) => a.column)]
      const missing = wanted.find((c) => !plan!.has(c))
      if (missing !== undefined) throw this.#failure(`${topic} has no column ${missing}`)
      this.#plans.set(schema, plan)
    }
    return plan
  }

  #failure(reason: string): Failure {
    return new Failure('TRB-ENV-013', { transform: this.#options.name, reason })
  }
}

class Plan {
  readonly envelope: StructFields
  readonly row: StructFields
  readonly op: number
  readonly after: number

  constructor(schema: ConnectSchema) {
    this.envelope = new StructFields(schema)
    this.op = this.envelope.indexOf('op')
    this.after = this.envelope.indexOf('after')
    this.row = new StructFields(schema.fields![this.after].schema)
  }

  has(column: string): boolean {
    return this.row.indexOf(column) >= 0
  }

  index(column: string): number {
    return this.row.indexOf(column)
  }

  schema(i: number): ConnectSchema {
    return this.row.schema.fields![i].schema
  }
}
