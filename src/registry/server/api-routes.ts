import { API, ApiError } from './api-error.ts'
import type { GivenSchema, RegistryService, Shown } from './registry-service.ts'
import type { Reference, SchemaValue } from './schema-record.ts'

/** A request as the routes see it: segments of the path and values of the query decoded. */
export interface ApiRequest {
  readonly method: string
  readonly path: readonly string[]
  readonly query: URLSearchParams
  /** The parsed body; undefined: none. */
  readonly body: unknown
}

/** An answer that is JSON already: a schema keeps its digits. */
export class JsonText {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

type Handler = (service: RegistryService, request: ApiRequest, args: readonly string[]) => unknown

/** `:` stands for a segment that is handed over; routes are tried in order. */
const ROUTES: readonly (readonly [method: string, path: string, handler: Handler])[] = [
  ['GET', '', () => ({})],
  ['GET', 'contexts', () => ['.']],
  ['GET', 'v1/metadata/id', () => ({ scope: { path: [], clusters: {} } })],
  ['GET', 'v1/metadata/version', () => ({ version: 'tributary', commitId: '' })],
  ['GET', 'schemas/types', () => ['AVRO']],
  ['GET', 'schemas', (s, r) => schemas(s, r)],
  ['GET', 'schemas/ids/:', (s, r, [id]) => schemaOfId(s, r, idOf(id!))],
  ['GET', 'schemas/ids/:/schema', (s, _r, [id]) => new JsonText(s.withId(idOf(id!), 'all')[0]!.schema)],
  ['GET', 'schemas/ids/:/subjects', (s, r, [id]) => [...new Set(s.withId(idOf(id!), shownOf(r)).map((v) => v.subject))]],
  ['GET', 'schemas/ids/:/versions', (s, r, [id]) => s.withId(idOf(id!), shownOf(r)).map(({ subject, version }) => ({ subject, version }))],
  ['GET', 'subjects', (s, r) => s.subjects(shownOf(r), r.query.get('subjectPrefix') ?? '')],
  ['POST', 'subjects/:', (s, r, [subject]) => versionView(s.lookup(subject!, schemaOf(r), shownOf(r)))],
  ['DELETE', 'subjects/:', (s, r, [subject]) => s.deleteSubject(subject!, flag(r, 'permanent'))],
  ['GET', 'subjects/:/versions', (s, r, [subject]) => s.versions(subject!, shownOf(r)).map((v) => v.version)],
  ['POST', 'subjects/:/versions', (s, r, [subject]) => register(s, r, subject!)],
  ['GET', 'subjects/:/versions/:', (s, r, [subject, v]) => versionView(s.version(subject!, versionOf(v!), shownOf(r)))],
  ['DELETE', 'subjects/:/versions/:', (s, r, [subject, v]) => s.deleteVersion(subject!, versionOf(v!), flag(r, 'permanent'))],
  ['GET', 'subjects/:/versions/:/schema', (s, r, [subject, v]) => new JsonText(s.version(subject!, versionOf(v!), shownOf(r)).schema)],
  [
    'GET',
    'subjects/:/versions/:/referencedby',
    (s, _r, [subject, v]) => [...new Set(s.referencedBy(subject!, versionOf(v!)).flatMap((x) => (x.deleted ? [] : [x.id])))],
  ],
  ['POST', 'compatibility/subjects/:/versions', (s, r, [subject]) => compatible(r, s.compatibility(subject!, 'all', schemaOf(r)))],
  [
    'POST',
    'compatibility/subjects/:/versions/:',
    (s, r, [subject, v]) => compatible(r, s.compatibility(subject!, versionOf(v!), schemaOf(r))),
  ],
  ['GET', 'config', (s) => ({ compatibilityLevel: s.levelOf(null) })],
  ['PUT', 'config', (s, r) => setLevel(s, null, r)],
  ['DELETE', 'config', (s) => resetLevel(s, null)],
  ['GET', 'config/:', (s, r, [subject]) => ({ compatibilityLevel: ownLevel(s, r, subject!) })],
  ['PUT', 'config/:', (s, r, [subject]) => setLevel(s, subject!, r)],
  ['DELETE', 'config/:', (s, _r, [subject]) => resetLevel(s, subject!)],
  ['GET', 'mode', (s) => ({ mode: s.modeOf(null) })],
  ['PUT', 'mode', (s, r) => setMode(s, null, r)],
  ['GET', 'mode/:', (s, r, [subject]) => ({ mode: ownMode(s, r, subject!) })],
  ['PUT', 'mode/:', (s, r, [subject]) => setMode(s, subject!, r)],
  ['DELETE', 'mode/:', (s, _r, [subject]) => resetMode(s, subject!)],
]

const TABLE = ROUTES.map(([method, path, handler]) => ({ method, segments: path === '' ? [] : path.split('/'), handler }))

/** The answer to a request: a JsonText, or what becomes JSON. Fails with ApiError. */
export async function answerApi(service: RegistryService, request: ApiRequest): Promise<unknown> {
  let known = false
  for (const { method, segments, handler } of TABLE) {
    if (segments.length !== request.path.length) continue
    if (!segments.every((s, i) => s === ':' || s === request.path[i])) continue
    known = true
    if (method === request.method)
      return await handler(
        service,
        request,
        request.path.filter((_, i) => segments[i] === ':'),
      )
  }
  throw known ? new ApiError(405, 405, 'HTTP 405 Method Not Allowed') : new ApiError(404, 404, 'HTTP 404 Not Found')
}

async function register(service: RegistryService, request: ApiRequest, subject: string): Promise<unknown> {
  const { id, version } = (request.body ?? {}) as { id?: unknown; version?: unknown }
  const given = schemaOf(request)
  const forced =
    typeof id === 'number' && id >= 0 ? { id, version: typeof version === 'number' && version > 0 ? version : null } : undefined
  return { id: await service.registerVersion(subject, given, forced) }
}

function schemaOf(request: ApiRequest): GivenSchema {
  const { schema, schemaType, references } = bodyOf(request)
  if (schemaType !== undefined && schemaType !== null && schemaType !== 'AVRO')
    throw API.invalidSchema(`schemas of type ${String(schemaType)} are not kept here, only AVRO`)
  if (typeof schema !== 'string' || schema.trim() === '') throw API.invalidSchema('Empty schema')
  return { schema, references: referencesOf(references), normalize: flag(request, 'normalize') }
}

function referencesOf(given: unknown): readonly Reference[] {
  if (given === undefined || given === null) return []
  const sound = (r: Partial<Reference> | null): boolean =>
    typeof r?.name === 'string' && typeof r.subject === 'string' && Number.isInteger(r.version)
  if (!Array.isArray(given) || !given.every(sound)) throw API.invalidSchema('references are not a list of {name, subject, version}')
  return (given as readonly Reference[]).map(({ name, subject, version }) => ({ name, subject, version }))
}

function bodyOf(request: ApiRequest): Readonly<Record<string, unknown>> {
  const { body } = request
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw API.badRequest('the body is no JSON object')
  return body as Readonly<Record<string, unknown>>
}

function schemaOfId(service: RegistryService, request: ApiRequest, id: number): unknown {
  const value = service.withId(id, 'all')[0]!
  return { ...schemaView(value), ...(flag(request, 'fetchMaxId') ? { maxId: service.maxId } : {}) }
}

function schemas(service: RegistryService, request: ApiRequest): unknown {
  const shown = shownOf(request)
  const number = (name: string, otherwise: number): number => {
    const n = Number(request.query.get(name) ?? otherwise)
    return Number.isInteger(n) && n >= 0 ? n : otherwise
  }
  const all = service.subjects(shown, request.query.get('subjectPrefix') ?? '').flatMap((subject) => {
    const versions = service.versions(subject, shown)
    return flag(request, 'latestOnly') ? versions.slice(-1) : versions
  })
  const offset = number('offset', 0)
  return all.slice(offset, offset + number('limit', all.length)).map(versionView)
}

function schemaView(value: SchemaValue): Record<string, unknown> {
  return { ...(value.references.length === 0 ? {} : { references: value.references }), schema: value.schema }
}

function versionView(value: SchemaValue): Record<string, unknown> {
  return { subject: value.subject, version: value.version, id: value.id, ...schemaView(value) }
}

function compatible(request: ApiRequest, messages: readonly string[]): unknown {
  return { is_compatible: messages.length === 0, ...(flag(request, 'verbose') ? { messages } : {}) }
}

async function setLevel(service: RegistryService, subject: string | null, request: ApiRequest): Promise<unknown> {
  const { compatibility } = bodyOf(request)
  return { compatibility: await service.setLevel(subject, typeof compatibility === 'string' ? compatibility : '') }
}

/** Answers what was in force before. */
async function resetLevel(service: RegistryService, subject: string | null): Promise<unknown> {
  const before = subject === null ? service.levelOf(null) : service.ownLevel(subject)
  if (before === null) throw API.subjectNotFound(subject!)
  await service.setLevel(subject, null)
  return { compatibilityLevel: before }
}

function ownLevel(service: RegistryService, request: ApiRequest, subject: string): string {
  const level = service.ownLevel(subject)
  if (level !== null) return level
  if (flag(request, 'defaultToGlobal')) return service.levelOf(null)
  throw API.noSubjectLevel(subject)
}

async function setMode(service: RegistryService, subject: string | null, request: ApiRequest): Promise<unknown> {
  const { mode } = bodyOf(request)
  return { mode: await service.setMode(subject, typeof mode === 'string' ? mode : '', flag(request, 'force')) }
}

async function resetMode(service: RegistryService, subject: string): Promise<unknown> {
  const before = service.ownMode(subject)
  if (before === null) throw API.subjectNotFound(subject)
  await service.setMode(subject, null, false)
  return { mode: before }
}

function ownMode(service: RegistryService, request: ApiRequest, subject: string): string {
  const mode = service.ownMode(subject)
  if (mode !== null) return mode
  if (flag(request, 'defaultToGlobal')) return service.modeOf(null)
  throw API.noSubjectMode(subject)
}

function shownOf(request: ApiRequest): Shown {
  if (flag(request, 'deletedOnly')) return 'deleted'
  return flag(request, 'deleted') ? 'all' : 'live'
}

/** Clients write booleans in the manner of their language. */
function flag(request: ApiRequest, name: string): boolean {
  return request.query.get(name)?.toLowerCase() === 'true'
}

function versionOf(text: string): number | 'latest' {
  if (text === 'latest' || text === '-1') return 'latest'
  const version = Number(text)
  if (!/^\d+$/.test(text) || version < 1 || version > 0x7fffffff) throw API.invalidVersion(text)
  return version
}

function idOf(text: string): number {
  const id = Number(text)
  if (!/^\d+$/.test(text) || id > 0x7fffffff) throw new ApiError(404, 404, 'HTTP 404 Not Found')
  return id
}
