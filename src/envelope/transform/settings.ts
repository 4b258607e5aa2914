import { Failure } from '../../failure/failure.ts'
import type { NameMode } from '../name-adjuster.ts'
import { type DeleteMode, ExtractNewState, fieldReference } from './extract-new-state.ts'
import { type AdditionalField, OutboxRouter } from './outbox.ts'
import type { HeaderFormat, Transform } from './record.ts'
import { javaReplacement, LogicalTableRouter, RegexRouter, type TopicRule } from './routers.ts'

/** Options of one transform: `transforms.<name>.<option>`. */
class Options {
  readonly name: string
  readonly #values: ReadonlyMap<string, string>
  readonly #file: string
  readonly #read = new Set<string>(['type'])

  constructor(name: string, values: ReadonlyMap<string, string>, file: string) {
    this.name = name
    this.#values = values
    this.#file = file
  }

  text(option: string): string | null
  text(option: string, otherwise: string): string
  text(option: string, otherwise: string | null = null): string | null {
    this.#read.add(option)
    const value = this.#values.get(option)?.trim()
    return value === undefined || value === '' ? otherwise : value
  }

  list(option: string): string[] {
    return this.text(option, '')
      .split(',')
      .map((s) => s.trim())
      .filter((s) => s !== '')
  }

  oneOf<T extends string>(option: string, otherwise: T, supported: readonly T[]): T {
    const value = this.text(option, otherwise).toLowerCase()
    const found = supported.find((s) => s === value)
    if (found === undefined) throw this.bad(option, value, supported.join(', '))
    return found
  }

  flag(option: string, otherwise: boolean): boolean {
    return this.oneOf(option, otherwise ? 'true' : 'false', ['true', 'false']) === 'true'
  }

  /** A pair of expression and replacement; null: without an expression. */
  rule(regex: string, replacement: string, text: string | null = this.text(regex), otherwise: string | null = null): TopicRule | null {
    if (text === null) return null
    const to = this.text(replacement) ?? otherwise
    if (to === null) throw this.bad(replacement, '', 'a replacement')
    try {
      return { regex: new RegExp(`^(?:${text})$`), replacement: javaReplacement(to) }
    } catch (e) {
      throw this.bad(regex, text, 'a regular expression', e)
    }
  }

  bad(option: string, value: string, supported: string, cause?: unknown): Failure {
    return new Failure('TRB-ENV-002', { option: `transforms.${this.name}.${option}`, value, supported }, cause)
  }

  /** Refuses what was not read. */
  done(): void {
    for (const option of this.#values.keys()) {
      if (!this.#read.has(option)) throw new Failure('TRB-ENV-007', { option: `transforms.${this.name}.${option}`, file: this.#file })
    }
  }
}

type Maker = (o: Options, headerFormat: HeaderFormat) => Transform

const KINDS: Readonly<Record<string, Maker>> = {
  'io.debezium.transforms.ExtractNewRecordState': extractNewState,
  'io.debezium.transforms.ByLogicalTableRouter': logicalRouter,
  'io.debezium.transforms.outbox.EventRouter': outboxRouter,
  'org.apache.kafka.connect.transforms.RegexRouter': (o) => new RegexRouter(needed(o, 'regex', o.rule('regex', 'replacement'))),
}

/** Settings that `transformsOf` reads. */
export const TRANSFORM_SETTINGS: readonly RegExp[] = [/^transforms(\..+)?$/]

/** The steps of `transforms=…` in order. Fails with TRB-ENV-002 and, for options that are not read, TRB-ENV-007. */
export function transformsOf(config: ReadonlyMap<string, string>, file: string, headerFormat: HeaderFormat): Transform[] {
  const names = (config.get('transforms') ?? '')
    .split(',')
    .map((s) => s.trim())
    .filter((s) => s !== '')
  for (const option of config.keys()) {
    const owner = /^transforms\.([^.]+)\./.exec(option)?.[1]
    if (owner !== undefined && !names.includes(owner)) throw new Failure('TRB-ENV-007', { option, file })
  }
  return names.map((name) => {
    const prefix = `transforms.${name}.`
    const own = [...config].filter(([k]) => k.startsWith(prefix)).map(([k, v]) => [k.slice(prefix.length), v] as const)
    const options = new Options(name, new Map(own), file)
    const type = options.text('type', '')
    const maker = KINDS[type]
    if (maker === undefined) throw options.bad('type', type, Object.keys(KINDS).join(', '))
    const transform = maker(options, headerFormat)
    options.done()
    return transform
  })
}

function needed<T>(o: Options, option: string, value: T | null): T {
  if (value === null) throw o.bad(option, '', 'a value: it has no default')
  return value
}

const DELETE_MODES: readonly DeleteMode[] = ['tombstone', 'drop', 'rewrite', 'rewrite-with-tombstone', 'delete-to-tombstone']

function extractNewState(o: Options, headerFormat: HeaderFormat): Transform {
  const fieldPrefix = o.text('add.fields.prefix', '__')
  const headerPrefix = o.text('add.headers.prefix', '__')
  o.oneOf('drop.fields.from.key', 'false', ['false'])
  o.oneOf('drop.fields.keep.schema.compatible', 'true', ['true'])
  return new ExtractNewState({
    name: o.name,
    deletes: deleteMode(o),
    addFields: o.list('add.fields').map((f) => fieldReference(f, fieldPrefix)),
    addHeaders: o.list('add.headers').map((f) => fieldReference(f, headerPrefix)),
    routeByField: o.text('route.by.field'),
    replaceNullWithDefault: o.flag('replace.null.with.default', true),
    headerFormat,
  })
}

/** The one option, or the pair that it took the place of. */
function deleteMode(o: Options): DeleteMode {
  const old = o.text('delete.handling.mode')
  const dropped = o.text('drop.tombstones')
  if (old === null && dropped === null) return o.oneOf('delete.tombstone.handling.mode', 'tombstone', DELETE_MODES)
  if (o.text('delete.tombstone.handling.mode') !== null)
    throw o.bad('delete.handling.mode', old ?? '', 'nothing beside delete.tombstone.handling.mode')
  const drops = o.flag('drop.tombstones', true)
  switch (o.oneOf('delete.handling.mode', 'drop', ['drop', 'rewrite', 'none'])) {
    case 'rewrite':
      return drops ? 'rewrite' : 'rewrite-with-tombstone'
    case 'none':
      if (drops) return 'tombstone'
      throw o.bad('delete.handling.mode', 'none', 'drop, rewrite, or none with drop.tombstones=true')
    default:
      if (drops) return 'drop'
      return 'delete-to-tombstone'
  }
}

function logicalRouter(o: Options): Transform {
  const rule = needed(o, 'topic.regex', o.rule('topic.regex', 'topic.replacement'))
  const unique = o.flag('key.enforce.uniqueness', true)
  const field = o.text('key.field.name', '__dbz__physicalTableIdentifier')
  return new LogicalTableRouter({
    rule,
    keyField: unique ? field : null,
    keyRule: o.rule('key.field.regex', 'key.field.replacement'),
    schemaNames: o.oneOf<NameMode>('schema.name.adjustment.mode', 'none', ['none', 'avro', 'avro_unicode']),
  })
}

function outboxRouter(o: Options, headerFormat: HeaderFormat): Transform {
  const regex = o.text('route.topic.regex', '(?<routedByValue>.*)')
  const replacement = 'outbox.event.$\u007broutedByValue}'
  o.oneOf('table.json.payload.null.behavior', 'ignore', ['ignore'])
  o.oneOf('table.json.payload.empty.array.behavior', 'ignore', ['ignore'])
  // The names of these columns have defaults and are not used without more settings.
  o.text('table.field.event.type')
  return new OutboxRouter({
    name: o.name,
    id: o.text('table.field.event.id', 'id'),
    key: o.text('table.field.event.key', 'aggregateid'),
    payload: o.text('table.field.event.payload', 'payload'),
    timestamp: o.text('table.field.event.timestamp'),
    routeBy: o.text('route.by.field', 'aggregatetype'),
    rule: needed(o, 'route.topic.regex', o.rule('route.topic.regex', 'route.topic.replacement', regex, replacement)),
    additional: o.list('table.fields.additional.placement').map((text) => additionalField(o, text)),
    ignoresMissing: o.oneOf('table.field.additional.missing', 'error', ['error', 'ignore']) === 'ignore',
    expandsJson: o.flag('table.expand.json.payload', false),
    tombstoneOnEmpty: o.flag('route.tombstone.on.empty.payload', false),
    updates: o.oneOf('table.op.invalid.behavior', 'warn', ['warn', 'error', 'fatal']) === 'fatal' ? 'fatal' : 'skip',
    headerFormat,
  })
}

/** `column:header|envelope[:alias]`. */
function additionalField(o: Options, text: string): AdditionalField {
  const [column, placement, alias] = text.split(':').map((s) => s.trim())
  if (column === '' || (placement !== 'header' && placement !== 'envelope')) {
    throw o.bad('table.fields.additional.placement', text, 'column:header:alias, column:envelope:alias')
  }
  return { column, placement, alias: alias ?? column }
}
