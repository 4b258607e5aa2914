import { describe, expect, test } from 'vitest'

const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json'

export interface Answer {
  readonly status: number
  readonly body: unknown
  readonly type: string
}

/** A registry under test: `url()` once it serves. The cases use subjects of their own, and leave the global settings as they were. */
export interface RegistryUnderTest {
  readonly url: () => string
  /** Cases that this registry is known not to pass, with the reason; they must fail, or the entry is out of date. */
  readonly differs: Readonly<Record<string, string>>
}

type Ask = (method: string, path: string, body?: unknown) => Promise<Answer>

export async function ask(url: string, method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { 'content-type': CONTENT_TYPE, accept: CONTENT_TYPE },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const type = response.headers.get('content-type') ?? ''
  return { status: response.status, body: text === '' ? null : JSON.parse(text), type }
}

const row = (name: string, ...fields: readonly string[]): string =>
  `{"type":"record","name":"${name}","fields":[${fields.map((f) => (f.startsWith('{') ? f : `{"name":"${f}","type":"int"}`)).join(',')}]}`
const withDefault = '{"name":"d","type":"int","default":0}'

/** What clients of Confluent Schema Registry rely on: paths, answers, error codes. */
const CASES: Readonly<Record<string, (ask: Ask, subject: string) => Promise<void>>> = {
  async 'a new schema gets an id and version 1; the same again keeps both'(ask, s) {
    const first = await ask('POST', `/subjects/${s}/versions`, { schema: row('A', 'a') })
    expect(first.status).toBe(200)
    const { id } = first.body as { id: number }
    expect(Number.isInteger(id)).toBe(true)
    expect((await ask('POST', `/subjects/${s}/versions`, { schema: row('A', 'a') })).body).toMatchObject({ id })
    expect((await ask('GET', `/subjects/${s}/versions`)).body).toEqual([1])
    expect((await ask('GET', `/subjects/${s}/versions/1`)).body).toMatchObject({ subject: s, version: 1, id, schema: row('A', 'a') })
    expect((await ask('GET', `/subjects/${s}/versions/latest`)).body).toMatchObject({ version: 1, id })
    expect((await ask('GET', `/schemas/ids/${id}`)).body).toMatchObject({ schema: row('A', 'a') })
    expect((await ask('GET', '/subjects')).body).toContain(s)
  },
  async 'one schema has one id in all subjects'(ask, s) {
    const schema = row('Shared', 'a')
    const ids = []
    for (const subject of [`${s}-x1`, `${s}-x2`])
      ids.push(((await ask('POST', `/subjects/${subject}/versions`, { schema })).body as { id: number }).id)
    expect(ids[0]).toBe(ids[1])
    const { body } = await ask('GET', `/schemas/ids/${ids[0]}/versions`)
    expect(body).toEqual(expect.arrayContaining([`${s}-x1`, `${s}-x2`].map((subject) => ({ subject, version: 1 }))))
    expect((await ask('GET', `/schemas/ids/${ids[0]}/subjects`)).body).toEqual(expect.arrayContaining([`${s}-x1`, `${s}-x2`]))
  },
  async 'other white space is the same schema'(ask, s) {
    const a = await ask('POST', `/subjects/${s}/versions`, { schema: row('A', 'a') })
    const b = await ask('POST', `/subjects/${s}/versions`, { schema: row('A', 'a').replaceAll(':', ' : ') })
    expect(b.body).toMatchObject({ id: (a.body as { id: number }).id })
    expect((await ask('GET', `/subjects/${s}/versions`)).body).toEqual([1])
  },
  async 'a schema is looked up in its subject'(ask, s) {
    await ask('POST', `/subjects/${s}/versions`, { schema: row('A', 'a') })
    const found = await ask('POST', `/subjects/${s}`, { schema: row('A', 'a') })
    expect(found).toMatchObject({ status: 200, body: { subject: s, version: 1, schema: row('A', 'a') } })
    expect(await ask('POST', `/subjects/${s}`, { schema: row('A', 'b') })).toMatchObject({ status: 404, body: { error_code: 40403 } })
    const unknown = await ask('POST', `/subjects/${s}-unknown`, { schema: row('A', 'a') })
    expect(unknown).toMatchObject({ status: 404, body: { error_code: 40401 } })
  },
  async 'what is not there is named by its code'(ask, s) {
    expect(await ask('GET', `/subjects/${s}/versions`)).toMatchObject({ status: 404, body: { error_code: 40401 } })
    expect(await ask('GET', `/subjects/${s}/versions/latest`)).toMatchObject({ status: 404, body: { error_code: 40401 } })
    await ask('POST', `/subjects/${s}/versions`, { schema: row('A', 'a') })
    expect(await ask('GET', `/subjects/${s}/versions/7`)).toMatchObject({ status: 404, body: { error_code: 40402 } })
    expect(await ask('GET', '/schemas/ids/2000000000')).toMatchObject({ status: 404, body: { error_code: 40403 } })
    expect(await ask('DELETE', `/subjects/${s}-unknown`)).toMatchObject({ status: 404, body: { error_code: 40401 } })
  },
  async 'what is no version is 42202'(ask, s) {
    await ask('POST', `/subjects/${s}/versions`, { schema: row('A', 'a') })
    for (const v of ['x', '0', '-2']) {
      expect(await ask('GET', `/subjects/${s}/versions/${v}`)).toMatchObject({ status: 422, body: { error_code: 42202 } })
    }
  },
  async 'what is no schema is 42201'(ask, s) {
    for (const schema of ['{"type":"record"}', '{', '"nothing"', row('A', 'a', 'a')]) {
      const answer = await ask('POST', `/subjects/${s}/versions`, { schema })
      expect(answer, schema).toMatchObject({ status: 422, body: { error_code: 42201 } })
    }
  },
  async 'an incompatible version is 409, and nothing is registered'(ask, s) {
    await ask('POST', `/subjects/${s}/versions`, { schema: row('A', 'a') })
    const refused = await ask('POST', `/subjects/${s}/versions`, { schema: row('A', 'a', 'b') })
    expect(refused).toMatchObject({ status: 409, body: { error_code: 409 } })
    expect((await ask('GET', `/subjects/${s}/versions`)).body).toEqual([1])
    expect((await ask('POST', `/subjects/${s}/versions`, { schema: row('A', 'a', withDefault) })).status).toBe(200)
    expect((await ask('GET', `/subjects/${s}/versions`)).body).toEqual([1, 2])
  },
  async 'each level allows what it says, transitive ones for all versions'(ask, s) {
    // Versions 1: a, 2: a and d with default; asked for: a, d without default. And 1: a b, 2: a; asked for a b again.
    const table: readonly (readonly [string, readonly string[], string, boolean])[] = [
      ['BACKWARD', [row('A', 'a'), row('A', 'a', withDefault)], row('A', 'a', 'd'), true],
      ['BACKWARD_TRANSITIVE', [row('A', 'a'), row('A', 'a', withDefault)], row('A', 'a', 'd'), false],
      ['FORWARD', [row('A', 'a')], row('A', 'a', 'b'), true],
      ['FORWARD', [row('A', 'a', 'b')], row('A', 'a'), false],
      ['FORWARD_TRANSITIVE', [row('A', 'a', 'd'), row('A', 'a', withDefault)], row('A', 'a'), false],
      ['FULL', [row('A', 'a')], row('A', 'a', 'b'), false],
      ['FULL', [row('A', 'a')], row('A', 'a', withDefault), true],
      ['FULL_TRANSITIVE', [row('A', 'a', 'd'), row('A', 'a', withDefault)], row('A', 'a'), false],
      ['NONE', [row('A', 'a')], '"string"', true],
    ]
    for (const [i, [level, earlier, schema, wanted]] of table.entries()) {
      const subject = `${s}-${i}`
      await ask('PUT', `/config/${subject}`, { compatibility: 'NONE' })
      for (const e of earlier) await ask('POST', `/subjects/${subject}/versions`, { schema: e })
      expect((await ask('PUT', `/config/${subject}`, { compatibility: level })).body).toMatchObject({ compatibility: level })
      expect((await ask('POST', `/subjects/${subject}/versions`, { schema })).status, `${i} ${level}`).toBe(wanted ? 200 : 409)
    }
  },
  async 'compatibility with one version is told without registering'(ask, s) {
    await ask('POST', `/subjects/${s}/versions`, { schema: row('A', 'a') })
    const told = async (path: string, schema: string): Promise<unknown> =>
      (await ask('POST', `/compatibility/subjects/${s}${path}`, { schema })).body
    expect(await told('/versions/latest', row('A', 'a', withDefault))).toMatchObject({ is_compatible: true })
    expect(await told('/versions/1', row('A', 'a', 'b'))).toMatchObject({ is_compatible: false })
    expect(await told('/versions/9', row('A', 'a', 'b'))).toMatchObject({ error_code: 40402 })
    expect((await ask('GET', `/subjects/${s}/versions`)).body).toEqual([1])
  },
  async 'compatibility with the subject looks at as many versions as its level says'(ask, s) {
    for (const e of [row('A', 'a'), row('A', 'a', withDefault)]) await ask('POST', `/subjects/${s}/versions`, { schema: e })
    const told = async (): Promise<unknown> =>
      (await ask('POST', `/compatibility/subjects/${s}/versions`, { schema: row('A', 'a', 'd') })).body
    expect(await told()).toMatchObject({ is_compatible: true })
    await ask('PUT', `/config/${s}`, { compatibility: 'BACKWARD_TRANSITIVE' })
    expect(await told()).toMatchObject({ is_compatible: false })
  },
  async 'verbose compatibility names the field'(ask, s) {
    await ask('POST', `/subjects/${s}/versions`, { schema: row('A', 'a') })
    const { body } = await ask('POST', `/compatibility/subjects/${s}/versions/latest?verbose=true`, { schema: row('A', 'a', 'b') })
    expect(body).toMatchObject({ is_compatible: false })
    expect((body as { messages: string[] }).messages.join()).toContain("READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'b'")
  },
  async 'a level is set, told and reset, for a subject and for all'(ask, s) {
    await ask('POST', `/subjects/${s}/versions`, { schema: row('A', 'a') })
    expect((await ask('GET', '/config')).body).toMatchObject({ compatibilityLevel: 'BACKWARD' })
    expect((await ask('GET', `/config/${s}?defaultToGlobal=true`)).body).toMatchObject({ compatibilityLevel: 'BACKWARD' })
    expect(await ask('PUT', `/config/${s}`, { compatibility: 'SOMETIMES' })).toMatchObject({ status: 422, body: { error_code: 42203 } })
    expect((await ask('PUT', `/config/${s}`, { compatibility: 'FULL' })).body).toMatchObject({ compatibility: 'FULL' })
    expect((await ask('GET', `/config/${s}`)).body).toMatchObject({ compatibilityLevel: 'FULL' })
    expect((await ask('DELETE', `/config/${s}`)).status).toBe(200)
    expect((await ask('GET', `/config/${s}?defaultToGlobal=true`)).body).toMatchObject({ compatibilityLevel: 'BACKWARD' })
  },
  async 'a subject without a level of its own is 40408'(ask, s) {
    expect(await ask('GET', `/config/${s}`)).toMatchObject({ status: 404, body: { error_code: 40408 } })
  },
  async 'a read-only subject takes nothing'(ask, s) {
    expect((await ask('GET', '/mode')).body).toMatchObject({ mode: 'READWRITE' })
    expect((await ask('PUT', `/mode/${s}`, { mode: 'READONLY' })).body).toMatchObject({ mode: 'READONLY' })
    const refused = await ask('POST', `/subjects/${s}/versions`, { schema: row('A', 'a') })
    expect(refused).toMatchObject({ status: 422, body: { error_code: 42205 } })
    expect(await ask('PUT', `/mode/${s}`, { mode: 'SOMETIMES' })).toMatchObject({ status: 422, body: { error_code: 42204 } })
    expect((await ask('DELETE', `/mode/${s}`)).status).toBe(200)
    expect((await ask('POST', `/subjects/${s}/versions`, { schema: row('A', 'a') })).status).toBe(200)
  },
  async 'in mode IMPORT schemas come with their ids and versions'(ask, s) {
    await ask('PUT', `/mode/${s}`, { mode: 'IMPORT' })
    const id = 1_000_000 + Math.floor(Math.random() * 1e8)
    const schema = row(`I${id}`, 'a')
    expect((await ask('POST', `/subjects/${s}/versions`, { schema, id, version: 4 })).body).toMatchObject({ id })
    expect((await ask('GET', `/subjects/${s}/versions`)).body).toEqual([4])
    expect((await ask('GET', `/schemas/ids/${id}`)).body).toMatchObject({ schema })
    await ask('PUT', `/mode/${s}`, { mode: 'READWRITE' })
    const outside = await ask('POST', `/subjects/${s}/versions`, { schema: row(`I${id}`, 'a', withDefault), id: id + 1, version: 5 })
    expect(outside).toMatchObject({ status: 422, body: { error_code: 42205 } })
  },
  async 'a subject is deleted softly, then for good'(ask, s) {
    const { id } = (await ask('POST', `/subjects/${s}/versions`, { schema: row(`D${s.replaceAll('-', '_')}`, 'a') })).body as { id: number }
    await ask('POST', `/subjects/${s}/versions`, { schema: row(`D${s.replaceAll('-', '_')}`, 'a', withDefault) })
    expect((await ask('DELETE', `/subjects/${s}`)).body).toEqual([1, 2])
    expect((await ask('GET', '/subjects')).body).not.toContain(s)
    expect((await ask('GET', '/subjects?deleted=true')).body).toContain(s)
    expect(await ask('GET', `/subjects/${s}/versions`)).toMatchObject({ status: 404, body: { error_code: 40401 } })
    expect((await ask('GET', `/schemas/ids/${id}`)).status, 'records with the id can still be read').toBe(200)
    expect((await ask('DELETE', `/subjects/${s}?permanent=true`)).body).toEqual([1, 2])
    expect((await ask('GET', '/subjects?deleted=true')).body).not.toContain(s)
  },
  async 'an id goes with the last version that has it'(ask, s) {
    const schema = row(`G${s.replaceAll('-', '_')}`, 'a')
    const { id } = (await ask('POST', `/subjects/${s}/versions`, { schema })).body as { id: number }
    await ask('DELETE', `/subjects/${s}`)
    await ask('DELETE', `/subjects/${s}?permanent=true`)
    expect(await ask('GET', `/schemas/ids/${id}`)).toMatchObject({ status: 404, body: { error_code: 40403 } })
  },
  async 'a deletion out of order is named by its code'(ask, s) {
    for (const f of [[], [withDefault]]) await ask('POST', `/subjects/${s}/versions`, { schema: row('A', 'a', ...f) })
    expect(await ask('DELETE', `/subjects/${s}?permanent=true`)).toMatchObject({ status: 404, body: { error_code: 40405 } })
    expect(await ask('DELETE', `/subjects/${s}/versions/2?permanent=true`)).toMatchObject({ status: 404, body: { error_code: 40407 } })
    await ask('DELETE', `/subjects/${s}/versions/2`)
    expect(await ask('DELETE', `/subjects/${s}/versions/2`)).toMatchObject({ status: 404, body: { error_code: 40406 } })
    await ask('DELETE', `/subjects/${s}`)
    expect(await ask('DELETE', `/subjects/${s}`)).toMatchObject({ status: 404, body: { error_code: 40404 } })
  },
  async 'a version is deleted softly, then for good; its number is not given again'(ask, s) {
    for (const f of [[], [withDefault]]) await ask('POST', `/subjects/${s}/versions`, { schema: row('A', 'a', ...f) })
    expect((await ask('DELETE', `/subjects/${s}/versions/2`)).body).toBe(2)
    expect((await ask('GET', `/subjects/${s}/versions`)).body).toEqual([1])
    expect((await ask('GET', `/subjects/${s}/versions?deleted=true`)).body).toEqual([1, 2])
    await ask('POST', `/subjects/${s}/versions`, { schema: row('A', 'a', withDefault) })
    expect((await ask('GET', `/subjects/${s}/versions`)).body).toEqual([1, 3])
    expect((await ask('DELETE', `/subjects/${s}/versions/2?permanent=true`)).body).toBe(2)
  },
  async 'a schema may use types of another subject, which then stays'(ask, s) {
    const money = `{"type":"record","name":"Money${s.replaceAll('-', '_')}","namespace":"shop","fields":[{"name":"cents","type":"long"}]}`
    const name = `shop.Money${s.replaceAll('-', '_')}`
    const order = `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"total","type":"${name}"}]}`
    await ask('POST', `/subjects/${s}-money/versions`, { schema: money })
    expect(await ask('POST', `/subjects/${s}-order/versions`, { schema: order })).toMatchObject({
      status: 422,
      body: { error_code: 42201 },
    })
    const references = [{ name, subject: `${s}-money`, version: 1 }]
    const { status, body } = await ask('POST', `/subjects/${s}-order/versions`, { schema: order, references })
    expect(status).toBe(200)
    const { id } = body as { id: number }
    expect((await ask('GET', `/schemas/ids/${id}`)).body).toMatchObject({ references })
    expect((await ask('GET', `/subjects/${s}-money/versions/1/referencedby`)).body).toEqual([id])
    expect(await ask('DELETE', `/subjects/${s}-money`)).toMatchObject({ status: 422, body: { error_code: 42206 } })
  },
  async 'schemas of other kinds are refused, not misread'(ask, s) {
    const answer = await ask('POST', `/subjects/${s}/versions`, {
      schema: 'syntax = "proto3"; message A { int32 a = 1; }',
      schemaType: 'THRIFT',
    })
    expect(answer.status).toBe(422)
  },
  async 'subjects with any character are told apart'(ask, s) {
    const subject = `${s}/a b%ü`
    const path = `/subjects/${encodeURIComponent(subject)}/versions`
    expect((await ask('POST', path, { schema: row('A', 'a') })).status).toBe(200)
    expect((await ask('GET', `${path}/1`)).body).toMatchObject({ subject })
    expect((await ask('GET', '/subjects')).body).toContain(subject)
  },
  async 'errors and answers carry the content type of the API'(ask, s) {
    expect((await ask('GET', '/subjects')).type).toContain(CONTENT_TYPE)
    expect((await ask('GET', `/subjects/${s}/versions`)).type).toContain(CONTENT_TYPE)
  },
}

/** Declares the cases for one registry. */
export function registryConformance(name: string, registry: RegistryUnderTest): void {
  describe(`registry: ${name}`, () => {
    const run = Math.floor(Math.random() * 2 ** 31).toString(36)
    for (const [i, [title, body]] of Object.entries(CASES).entries()) {
      const reason = registry.differs[title]
      const work = (): Promise<void> => body((method, path, given) => ask(registry.url(), method, path, given), `c${run}-${i}`)
      if (reason === undefined) test(title, work)
      else test(`${title} (known to differ: ${reason})`, async () => expect(work()).rejects.toThrow())
    }
    test('every case that is known to differ exists', () => {
      expect(Object.keys(registry.differs).filter((t) => !(t in CASES))).toEqual([])
    })
  })
}
