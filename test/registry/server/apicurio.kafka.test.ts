import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/cli/clock.ts'
import { type ConfluentOptions, DEFAULT_CONFLUENT_OPTIONS } from '../../../src/registry/confluent/confluent-options.ts'
import { ConfluentRegistry } from '../../../src/registry/confluent/confluent-registry.ts'
import { registryConformance } from '../../conformance/registry.ts'
import { root } from '../../tidy/tree.ts'

// What our registry is measured by is also asked of one that others wrote: a case that both pass is not our invention.
let url = ''
const env = { ...process.env }
const script = (verb: string): string =>
  execFileSync('bash', [join(root, 'test/services/registry.sh'), verb], {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  }).trim()

beforeAll(async () => {
  env['REGISTRY_DATA'] = mkdtempSync(join(tmpdir(), 'trib-apicurio-'))
  env['REGISTRY_PORT'] = String(await freePort())
  url = script('start')
}, 240_000)
afterAll(() => void script('stop'))

registryConformance('Apicurio 3.3.3', {
  url: () => url,
  differs: {
    'what is no version is 42202': 'it says 40402',
    'compatibility with the subject looks at as many versions as its level says': 'it always looks at all',
    'verbose compatibility names the field': 'it gives no messages',
    'a subject without a level of its own is 40408': 'it says 40401 of a subject that does not exist',
    'a read-only subject takes nothing': 'modes are for the whole registry',
    'in mode IMPORT schemas come with their ids and versions': 'modes are for the whole registry',
    'a deletion out of order is named by its code': 'the codes are the same, the status is 409',
    'errors and answers carry the content type of the API': 'application/json',
  },
})

describe('our client of it', () => {
  const client = (options: Partial<ConfluentOptions> = {}): ConfluentRegistry =>
    new ConfluentRegistry({ ...DEFAULT_CONFLUENT_OPTIONS, clock: systemClock, urls: [url], ...options })
  const row = (...fields: string[]): string =>
    `{"type":"record","name":"Value","namespace":"client","fields":[${fields.map((f) => `{"name":"${f}","type":"int"}`).join(',')}]}`

  test('registers, reads by id, and looks up without registering', async () => {
    const id = await client().register('client-value', row('a'))
    expect(await client().schema(id)).toBe(row('a'))
    expect(await client({ autoRegister: false }).register('client-value', row('a'))).toBe(id)
    await expect(client({ autoRegister: false }).register('client-value', row('b'))).rejects.toMatchObject({ code: 'TRB-REG-008' })
    await expect(client().schema(2_000_000_000)).rejects.toMatchObject({ code: 'TRB-REG-001' })
    await expect(client().register('client-value', '{"type":"record"}')).rejects.toMatchObject({ code: 'TRB-REG-006' })
  })
  test('says which field an incompatible schema is refused for, which the registry does not', async () => {
    await client().register('conflict-value', row('a'))
    await expect(client().register('conflict-value', row('a', 'b'))).rejects.toMatchObject({
      code: 'TRB-REG-002',
      details: { level: 'BACKWARD', problem: 'field b is new and has no default (compared with version 1)' },
    })
  })
})

function freePort(): Promise<number> {
  const server = createServer()
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
