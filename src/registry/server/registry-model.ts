import type { CompatibilityLevel } from '../avro/levels.ts'
import type { Mode, Reference, SchemaRecord, SchemaValue } from './schema-record.ts'

/** The state of a registry in memory: what its records say, one after the other. Decides nothing. */
export class RegistryModel {
  readonly #subjects = new Map<string, Map<number, SchemaValue>>()
  readonly #levels = new Map<string | null, CompatibilityLevel>()
  readonly #modes = new Map<string | null, Mode>()
  /** Identity of a schema (text and references) → its id, and how many versions have it. */
  readonly #ids = new Map<string, number>()
  readonly #byId = new Map<number, Set<SchemaValue>>()
  #maxId = 0

  apply(record: SchemaRecord): void {
    if (record.type === 'SCHEMA') this.#putVersion(record.subject, record.version, record.value)
    else if (record.type === 'CONFIG') put(this.#levels, record.subject, record.value?.compatibilityLevel)
    else if (record.type === 'MODE') put(this.#modes, record.subject, record.value?.mode)
    else if (record.value !== null) this.#deleteSubject(record.subject, record.value.version)
  }

  /** An id that was given out once and must not be again, though no version has it any more. */
  reserve(id: number): void {
    this.#maxId = Math.max(this.#maxId, id)
  }

  get maxId(): number {
    return this.#maxId
  }

  subjects(): readonly string[] {
    return [...this.#subjects.keys()].sort()
  }

  /** All versions of a subject in order, deleted ones too. */
  versions(subject: string): readonly SchemaValue[] {
    return [...(this.#subjects.get(subject)?.values() ?? [])].sort((a, b) => a.version - b.version)
  }

  /** Versions with a schema id, in order of subject and version. */
  withId(id: number): readonly SchemaValue[] {
    const found = [...(this.#byId.get(id) ?? [])]
    return found.sort((a, b) => (a.subject === b.subject ? a.version - b.version : a.subject < b.subject ? -1 : 1))
  }

  idOf(schema: string, references: readonly Reference[]): number | null {
    return this.#ids.get(identity(schema, references)) ?? null
  }

  /** Versions that use a type of this one. */
  referencing(subject: string, version: number): readonly SchemaValue[] {
    const all = [...this.#subjects.values()].flatMap((versions) => [...versions.values()])
    return all.filter((v) => v.references.some((r) => r.subject === subject && r.version === version))
  }

  level(subject: string | null): CompatibilityLevel | null {
    return this.#levels.get(subject) ?? null
  }

  mode(subject: string | null): Mode | null {
    return this.#modes.get(subject) ?? null
  }

  #putVersion(subject: string, version: number, value: SchemaValue | null): void {
    const versions = this.#subjects.get(subject) ?? new Map<number, SchemaValue>()
    this.#forget(versions.get(version))
    if (value === null) {
      versions.delete(version)
      if (versions.size === 0) this.#subjects.delete(subject)
      return
    }
    this.#subjects.set(subject, versions.set(version, value))
    this.#ids.set(identity(value.schema, value.references), value.id)
    const same = this.#byId.get(value.id) ?? new Set()
    this.#byId.set(value.id, same.add(value))
    this.reserve(value.id)
  }

  #forget(value: SchemaValue | undefined): void {
    if (value === undefined) return
    const same = this.#byId.get(value.id)
    same?.delete(value)
    if (same?.size !== 0) return
    this.#byId.delete(value.id)
    this.#ids.delete(identity(value.schema, value.references))
  }

  #deleteSubject(subject: string, upTo: number): void {
    for (const v of this.versions(subject)) {
      if (v.version <= upTo && !v.deleted) this.#putVersion(subject, v.version, { ...v, deleted: true })
    }
  }
}

function put<V>(map: Map<string | null, V>, subject: string | null, value: V | undefined): void {
  if (value === undefined) map.delete(subject)
  else map.set(subject, value)
}

function identity(schema: string, references: readonly Reference[]): string {
  return references.length === 0 ? schema : `${schema}\0${JSON.stringify(references.map((r) => [r.name, r.subject, r.version]))}`
}
