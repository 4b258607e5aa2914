import type { SchemaRegistry } from '../../contract/log.ts'
import { Failure } from '../../failure/failure.ts'
import { SchemaError } from '../avro/json.ts'
import { type CompatibilityLevel, type Conflict, conflictOf, LEVELS } from '../avro/levels.ts'
import { namedTypes, parseSchema } from '../avro/parse-schema.ts'
import type { AvroSchema, NamedSchema } from '../avro/schema.ts'
import { normalizedText, schemaText } from '../avro/schema-text.ts'
import { API, ApiError } from './api-error.ts'
import { conflictMessages } from './conflict-messages.ts'
import { RegistryModel } from './registry-model.ts'
import { MODES, type Mode, type Reference, type RegistryJournal, type SchemaRecord, type SchemaValue } from './schema-record.ts'

export interface GivenSchema {
  readonly schema: string
  readonly references: readonly Reference[]
  readonly normalize: boolean
}

/** Which versions count: those in use, the soft-deleted too, or these alone. */
export type Shown = 'live' | 'all' | 'deleted'

/** What a new schema is compared with: as many versions as the level says, or one. */
type Against = 'all' | number | 'latest'

interface Parsed {
  readonly schema: AvroSchema
  readonly text: string
}

/** The service over what its journal holds. Fails as the journal's load, and with TRB-REG-014. */
export async function openRegistryService(journal: RegistryJournal, defaultLevel: CompatibilityLevel): Promise<RegistryService> {
  const model = new RegistryModel()
  const { records, reserved } = await journal.load()
  for (const r of records) model.apply(r)
  model.reserve(reserved)
  return new RegistryService(model, journal, defaultLevel)
}

/**
 * What Confluent's registry does, over a model and a journal. Changes are made one after the other, each durable before it is answered and
 * before anyone can read it. Errors of callers are ApiErrors; a journal that fails changes nothing.
 */
export class RegistryService implements SchemaRegistry {
  readonly #model: RegistryModel
  readonly #journal: RegistryJournal
  readonly #defaultLevel: CompatibilityLevel
  readonly #parsed = new Map<string, AvroSchema>()
  #turn: Promise<unknown> = Promise.resolve()

  constructor(model: RegistryModel, journal: RegistryJournal, defaultLevel: CompatibilityLevel) {
    this.#model = model
    this.#journal = journal
    this.#defaultLevel = defaultLevel
  }

  /** As a client of its own: for the process that serves it. Fails with TRB-REG-002, -006, -010. */
  async register(subject: string, text: string): Promise<number> {
    try {
      return await this.registerVersion(subject, { schema: text, references: [], normalize: false })
    } catch (e) {
      if (!(e instanceof ApiError)) throw e
      const common = { subject, url: 'of this process', detail: e.message }
      if (e.status === 409) {
        const advice = `Allow the change: --registry-compatibility NONE, or PUT {"compatibility":"NONE"} to /config/${subject}`
        throw new Failure('TRB-REG-002', { ...common, level: this.levelOf(subject), problem: e.message, advice }, e)
      }
      throw new Failure(e.errorCode === API.notPermitted('').errorCode ? 'TRB-REG-010' : 'TRB-REG-006', common, e)
    }
  }

  schema(id: number): Promise<string> {
    const text = this.schemaText(id)
    return text === null ? Promise.reject(new Failure('TRB-ENV-006', { id })) : Promise.resolve(text)
  }

  schemaText(id: number): string | null {
    return this.#model.withId(id)[0]?.schema ?? null
  }

  get maxId(): number {
    return this.#model.maxId
  }

  subjects(shown: Shown, prefix = ''): readonly string[] {
    return this.#model.subjects().filter((s) => s.startsWith(prefix) && this.#model.versions(s).some((v) => isShown(v, shown)))
  }

  /** Fails with 40401. */
  versions(subject: string, shown: Shown): readonly SchemaValue[] {
    const versions = this.#model.versions(subject).filter((v) => isShown(v, shown))
    if (versions.length === 0) throw API.subjectNotFound(subject)
    return versions
  }

  /** Fails with 40401, 40402. */
  version(subject: string, version: number | 'latest', shown: Shown): SchemaValue {
    const versions = this.#model.versions(subject)
    const counted = versions.filter((v) => isShown(v, shown))
    if (versions.length === 0 || (version === 'latest' && counted.length === 0)) throw API.subjectNotFound(subject)
    const found = version === 'latest' ? counted.at(-1) : counted.find((v) => v.version === version)
    if (found === undefined) throw API.versionNotFound(version)
    return found
  }

  /** Versions of all subjects that have this id. Fails with 40403. */
  withId(id: number, shown: Shown): readonly SchemaValue[] {
    const all = this.#model.withId(id)
    if (all.length === 0) throw API.schemaNotFound(id)
    return all.filter((v) => isShown(v, shown))
  }

  referencedBy(subject: string, version: number | 'latest'): readonly SchemaValue[] {
    return this.#model.referencing(subject, this.version(subject, version, 'all').version)
  }

  /** The version of a subject that is this schema. Fails with 40401, 40403, 42201. */
  lookup(subject: string, given: GivenSchema, shown: Shown): SchemaValue {
    const versions = this.versions(subject, shown)
    const { text } = this.#parse(given)
    const found = versions.findLast((v) => v.schema === text && sameReferences(v.references, given.references))
    if (found === undefined) throw API.schemaNotFound()
    return found
  }

  /**
   * The id of a schema, as a new version of the subject unless it is one already. `forced` (mode IMPORT) gives the id and version.
   * Fails with 409, 42201, 42205.
   */
  registerVersion(subject: string, given: GivenSchema, forced?: { id: number; version: number | null }): Promise<number> {
    return this.#exclusively(async () => {
      if (subject === '' || subject.startsWith(':')) throw API.invalidSubject(subject)
      const mode = this.modeOf(subject)
      if (mode === 'READONLY' || mode === 'READONLY_OVERRIDE') throw API.notPermitted(`Subject ${subject} is in read-only mode`)
      if (forced !== undefined && mode !== 'IMPORT') throw API.notPermitted(`Subject ${subject} is not in import mode`)
      const { schema, text } = this.#parse(given)
      const versions = this.#model.versions(subject)
      const same = versions.find((v) => !v.deleted && v.schema === text && sameReferences(v.references, given.references))
      if (same !== undefined && (forced === undefined || forced.id === same.id)) return same.id
      if (mode !== 'IMPORT') this.#requireCompatible(subject, schema)
      const id = forced?.id ?? this.#model.idOf(text, given.references) ?? this.#model.maxId + 1
      if (forced !== undefined) this.#requireFree(id, text, given.references)
      const version = forced?.version ?? (versions.at(-1)?.version ?? 0) + 1
      await this.#change([
        { type: 'SCHEMA', subject, version, value: { subject, version, id, schema: text, references: given.references, deleted: false } },
      ])
      return id
    })
  }

  /** Against one version: whether the level of the subject, seen for it alone, lets this schema follow. Fails with 40402, 42201. */
  compatibility(subject: string, against: Against, given: GivenSchema): readonly string[] {
    const { schema } = this.#parse(given)
    const versions = this.#model.versions(subject).filter((v) => !v.deleted)
    if (against === 'all') return this.#conflict(subject, schema, versions)
    const one = against === 'latest' ? versions.at(-1) : versions.find((v) => v.version === against)
    if (one === undefined && against !== 'latest') {
      throw versions.length === 0 ? API.subjectNotFound(subject) : API.versionNotFound(against)
    }
    return this.#conflict(subject, schema, one === undefined ? [] : [one])
  }

  /** Versions that are gone now. Fails with 40401, 40404, 40405, 42205, 42206. */
  deleteSubject(subject: string, permanent: boolean): Promise<readonly number[]> {
    return this.#exclusively(async () => {
      this.#requireWritable(subject)
      const all = this.#model.versions(subject)
      if (all.length === 0) throw API.subjectNotFound(subject)
      const live = all.filter((v) => !v.deleted)
      if (permanent && live.length > 0) throw API.subjectNotSoftDeleted(subject)
      if (!permanent && live.length === 0) throw API.subjectSoftDeleted(subject)
      const gone = permanent ? all : live
      for (const v of gone) this.#requireUnreferenced(subject, v.version)
      const settings: SchemaRecord[] = []
      if (this.#model.level(subject) !== null) settings.push({ type: 'CONFIG', subject, value: null })
      if (this.#model.mode(subject) !== null) settings.push({ type: 'MODE', subject, value: null })
      const versions = gone.map((v) => v.version)
      const records: SchemaRecord[] = permanent
        ? versions.map((version) => ({ type: 'SCHEMA' as const, subject, version, value: null }))
        : [{ type: 'DELETE_SUBJECT', subject, value: { version: versions.at(-1)! } }]
      await this.#change([...records, ...settings])
      return versions
    })
  }

  /** Fails with 40401, 40402, 40406, 40407, 42205, 42206. */
  deleteVersion(subject: string, version: number | 'latest', permanent: boolean): Promise<number> {
    return this.#exclusively(async () => {
      this.#requireWritable(subject)
      const found = this.version(subject, version, version === 'latest' && !permanent ? 'live' : 'all')
      if (permanent && !found.deleted) throw API.versionNotSoftDeleted(subject, found.version)
      if (!permanent && found.deleted) throw API.versionSoftDeleted(subject, found.version)
      this.#requireUnreferenced(subject, found.version)
      await this.#change([{ type: 'SCHEMA', subject, version: found.version, value: permanent ? null : { ...found, deleted: true } }])
      return found.version
    })
  }

  /** In force for a subject (null: for those without one of their own). */
  levelOf(subject: string | null): CompatibilityLevel {
    return this.#model.level(subject) ?? this.#model.level(null) ?? this.#defaultLevel
  }

  ownLevel(subject: string): CompatibilityLevel | null {
    return this.#model.level(subject)
  }

  /** Null: back to what is in force otherwise. Fails with 42203. */
  setLevel(subject: string | null, text: string | null): Promise<CompatibilityLevel | null> {
    return this.#exclusively(async () => {
      const level = text === null ? null : LEVELS.find((l) => l === text.toUpperCase())
      if (level === undefined) throw API.invalidLevel(LEVELS)
      await this.#change([{ type: 'CONFIG', subject, value: level === null ? null : { compatibilityLevel: level } }])
      return level
    })
  }

  modeOf(subject: string | null): Mode {
    const global = this.#model.mode(null)
    if (global === 'READONLY_OVERRIDE') return global
    return this.#model.mode(subject) ?? global ?? 'READWRITE'
  }

  ownMode(subject: string): Mode | null {
    return this.#model.mode(subject)
  }

  /** Null: back to what is in force otherwise. IMPORT needs an empty subject, or `force`. Fails with 42204, 42205. */
  setMode(subject: string | null, text: string | null, force: boolean): Promise<Mode | null> {
    return this.#exclusively(async () => {
      const mode = text === null ? null : MODES.find((m) => m === text.toUpperCase())
      if (mode === undefined) throw API.invalidMode(MODES)
      const used = subject === null ? this.subjects('live').length > 0 : this.#model.versions(subject).some((v) => !v.deleted)
      if (mode === 'IMPORT' && used && !force) throw API.notPermitted('Cannot import since found existing subjects')
      await this.#change([{ type: 'MODE', subject, value: mode === null ? null : { mode } }])
      return mode
    })
  }

  /** After the change that is being made, whose caller hears how it went. */
  async close(): Promise<void> {
    await this.#exclusively(() => this.#journal.close())
  }

  /** Registers run one after the other: a version is decided on the state that it changes. */
  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work, work)
    this.#turn = mine
    return mine
  }

  async #change(records: readonly SchemaRecord[]): Promise<void> {
    await this.#journal.append(records)
    for (const r of records) this.#model.apply(r)
  }

  #parse(given: GivenSchema): Parsed {
    try {
      const known = this.#referenced(given.references, new Map())
      const schema = parseSchema(given.schema, known)
      return { schema, text: given.normalize ? normalizedText(schema, known.keys()) : schemaText(schema, known.keys()) }
    } catch (e) {
      if (e instanceof SchemaError) throw API.invalidSchema(e.message)
      throw e
    }
  }

  #referenced(references: readonly Reference[], into: Map<string, NamedSchema>): Map<string, NamedSchema> {
    for (const r of references) {
      const found = this.#model.versions(r.subject).find((v) => v.version === r.version)
      if (found === undefined) throw new SchemaError(`no schema for reference ${r.name}: subject ${r.subject}, version ${r.version}`)
      const known = this.#referenced(found.references, new Map())
      for (const [name, schema] of [...known, ...namedTypes(parseSchema(found.schema, known))]) into.set(name, schema)
    }
    return into
  }

  /** A stored version as a schema; parsed once. */
  #stored(value: SchemaValue): AvroSchema {
    const key = `${value.subject}\0${value.version}\0${value.id}`
    let schema = this.#parsed.get(key)
    if (schema === undefined) {
      schema = parseSchema(value.schema, this.#referenced(value.references, new Map()))
      this.#parsed.set(key, schema)
    }
    return schema
  }

  #conflict(subject: string, schema: AvroSchema, versions: readonly SchemaValue[]): readonly string[] {
    const level = this.levelOf(subject)
    if (level === 'NONE') return []
    let conflict: Conflict | null
    try {
      conflict = conflictOf(
        level,
        schema,
        versions.map((v) => ({ version: v.version, schema: this.#stored(v) })),
      )
    } catch (e) {
      if (e instanceof SchemaError) return [e.message]
      throw e
    }
    return conflict === null ? [] : conflictMessages(conflict, level, versions.find((v) => v.version === conflict.version)!.schema)
  }

  #requireCompatible(subject: string, schema: AvroSchema): void {
    const live = this.#model.versions(subject).filter((v) => !v.deleted)
    const messages = this.#conflict(subject, schema, live)
    if (messages.length > 0) throw API.incompatible(subject, messages)
  }

  /** One id for a schema, one schema for an id: also where they come from elsewhere. */
  #requireFree(id: number, text: string, references: readonly Reference[]): void {
    const taken = this.#model.withId(id)[0]
    const own = this.#model.idOf(text, references) ?? id
    if ((taken !== undefined && taken.schema !== text) || own !== id) {
      throw API.notPermitted(`Overwrite new schema with id ${id} is not permitted.`)
    }
  }

  #requireWritable(subject: string): void {
    const mode = this.modeOf(subject)
    if (mode === 'READONLY' || mode === 'READONLY_OVERRIDE') throw API.notPermitted(`Subject ${subject} is in read-only mode`)
  }

  #requireUnreferenced(subject: string, version: number): void {
    if (this.#model.referencing(subject, version).some((v) => !v.deleted)) throw API.referenced(subject, version)
  }
}

function isShown(value: SchemaValue, shown: Shown): boolean {
  return shown === 'all' || value.deleted === (shown === 'deleted')
}

function sameReferences(a: readonly Reference[], b: readonly Reference[]): boolean {
  return a.length === b.length && a.every((r, i) => r.name === b[i]!.name && r.subject === b[i]!.subject && r.version === b[i]!.version)
}
