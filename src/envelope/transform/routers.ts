import type { ConnectSchema } from '../../contract/connect-schema.ts'
import { adjustSchemaName, type NameMode } from '../name-adjuster.ts'
import { avroText } from './avro-fields.ts'
import type { Transform, TransformRecord } from './record.ts'

/** A Java expression that has to match the whole topic, and what takes its place. */
export interface TopicRule {
  readonly regex: RegExp
  /** In JavaScript's notation. */
  readonly replacement: string
}

/** `$1` and `${name}` of Java → `$1` and `$<name>`; a backslash makes the next character plain. */
export function javaReplacement(text: string): string {
  return text.replace(/\\(.)|\$\{([A-Za-z][A-Za-z0-9]*)\}/gs, (_, plain: string | undefined, name: string | undefined) =>
    plain === undefined ? `$<${name}>` : plain === '$' ? '$$' : plain,
  )
}

/** The topic that a rule gives; null: it does not match, or gives nothing. */
export function routed(rule: TopicRule, topic: string): string | null {
  if (!rule.regex.test(topic)) return null
  const out = topic.replace(rule.regex, rule.replacement)
  return out === '' ? null : out
}

/** org.apache.kafka.connect.transforms.RegexRouter: another topic, the record as it is. */
export class RegexRouter implements Transform {
  readonly #rule: TopicRule

  constructor(rule: TopicRule) {
    this.#rule = rule
  }

  apply(record: TransformRecord): boolean {
    record.topic = this.route(record.topic)
    return true
  }

  route(topic: string): string {
    return routed(this.#rule, topic) ?? topic
  }
}

export interface LogicalRouterOptions {
  readonly rule: TopicRule
  /** `key.enforce.uniqueness`: name of the field that the key gets; null: the key stays. */
  readonly keyField: string | null
  /** `key.field.regex` and `.replacement`: what of the topic stands in that field; null: all of it. */
  readonly keyRule: TopicRule | null
  readonly schemaNames: NameMode
}

/** io.debezium.transforms.ByLogicalTableRouter: several tables in one topic, under one name (spec debezium §4.2). */
export class LogicalTableRouter implements Transform {
  readonly #options: LogicalRouterOptions
  readonly #schemas = new Map<string, WeakMap<ConnectSchema, ConnectSchema>>()

  constructor(options: LogicalRouterOptions) {
    this.#options = options
  }

  apply(record: TransformRecord): boolean {
    const from = record.topic
    const to = routed(this.#options.rule, from)
    if (to === null) return true
    record.topic = to
    const { key, value } = record
    if (key !== null && key.avro !== null && key.schema.type === 'struct') {
      const { keyField, keyRule } = this.#options
      const table = keyRule === null ? from : (routed(keyRule, from) ?? from)
      const avro = keyField === null ? key.avro : Buffer.concat([key.avro, avroText(table)])
      record.key = { schema: this.#renamed(to, key.schema, (s) => this.#keySchema(to, s)), avro }
    }
    if (value?.schema.name?.endsWith('.Envelope') === true) {
      record.value = { schema: this.#renamed(to, value.schema, (s) => this.#envelope(to, s)), avro: value.avro }
    }
    return true
  }

  route(topic: string): string {
    return routed(this.#options.rule, topic) ?? topic
  }

  #renamed(topic: string, schema: ConnectSchema, make: (s: ConnectSchema) => ConnectSchema): ConnectSchema {
    let known = this.#schemas.get(topic)
    if (known === undefined) {
      known = new WeakMap()
      this.#schemas.set(topic, known)
    }
    let out = known.get(schema)
    if (out === undefined) {
      out = make(schema)
      known.set(schema, out)
    }
    return out
  }

  #keySchema(topic: string, schema: ConnectSchema): ConnectSchema {
    const { keyField } = this.#options
    const added = keyField === null ? [] : [{ name: keyField, schema: { type: 'string', optional: false } as const }]
    return { ...schema, name: this.#name(topic, 'Key'), fields: [...schema.fields!, ...added] }
  }

  #envelope(topic: string, schema: ConnectSchema): ConnectSchema {
    const row = this.#name(topic, 'Value')
    const fields = schema.fields!.map((f) =>
      f.name === 'before' || f.name === 'after' ? { name: f.name, schema: { ...f.schema, name: row } } : f,
    )
    return { ...schema, name: this.#name(topic, 'Envelope'), fields }
  }

  #name(topic: string, what: string): string {
    return adjustSchemaName(this.#options.schemaNames, `${topic}.${what}`)
  }
}
