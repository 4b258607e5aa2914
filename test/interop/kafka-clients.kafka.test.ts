import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SchemaRegistry } from '@kafkajs/confluent-schema-registry'
import avro from 'avsc'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { repository, runBin } from '../cli/run-bin.ts'
import { readCommitted } from '../support/kafka-reader.ts'
import { freshDatabase, type TestDatabase } from '../support/postgres.ts'
import { pythonClient } from './clients.ts'

// Clients that share no code with ours read what ours wrote, with the schemas that our registry serves.
const { bootstrap } = inject('kafka')
const dir = mkdtempSync(join(tmpdir(), 'trib-clients-'))
let database: TestDatabase
let registry: ChildProcess
let url = ''
let topic = ''
const rows = Array.from({ length: 40 }, (_, i) => ({
  id: i + 1,
  name: i % 7 === 0 ? null : `name ${i} é`,
  total: `${i}.50`,
  big: String(2n ** 52n + BigInt(i)),
}))

beforeAll(async () => {
  const served = startRegistry()
  database = await freshDatabase('clients')
  await database.sql(
    'CREATE TABLE orders (id int PRIMARY KEY, name text, total numeric(9,2) NOT NULL, big bigint, at timestamptz, ok boolean)',
  )
  await database.sql(`INSERT INTO orders SELECT (r->>'id')::int, r->>'name', (r->>'total')::numeric, (r->>'big')::bigint, '2026-01-02 03:04:05Z', true
    FROM json_array_elements('${JSON.stringify(rows)}') r`)
  url = await served
  const name = database.name.replaceAll(/[^a-z0-9]/g, '')
  topic = `${name}.public.orders`
  const flags = ['--url', database.url, '--name', name, '--slot-name', name, '--publication', name, '--state', join(dir, 'state')]
  const kafka = ['--kafka', bootstrap, '--registry', url, '--lake', 'none', '--kafka-partitions', '3', '--once']
  const captured = await runBin('cdc', ['run', ...flags, ...kafka])
  expect(captured.code, captured.stderr).toBe(0)
  await database.sql('UPDATE orders SET name = $1 WHERE id <= 5', ['changed'])
  await database.sql('DELETE FROM orders WHERE id = 40')
  const again = await runBin('cdc', ['run', ...flags, ...kafka])
  expect(again.code, again.stderr).toBe(0)
}, 120_000)
afterAll(async () => {
  registry.kill('SIGINT')
  await database.drop()
  rmSync(dir, { recursive: true, force: true })
})

/** `cdc registry` on a free port. */
function startRegistry(): Promise<string> {
  registry = spawn(process.execPath, [`${repository}bin/cdc.mjs`, 'registry', '--listen', '127.0.0.1:0', '--state', join(dir, 'registry')])
  return new Promise((resolve, reject) => {
    let said = ''
    registry.stderr!.on('data', (d: Buffer) => {
      said += d.toString()
      const found = /^registry (http\S+)$/m.exec(said)
      if (found !== null) resolve(found[1]!)
    })
    registry.on('exit', () => reject(new Error(said)))
  })
}

const BIGINT = avro.types.LongType.__with({
  fromBuffer: (b: Buffer) => b.readBigInt64LE(),
  toBuffer(n: bigint) {
    const b = Buffer.alloc(8)
    b.writeBigInt64LE(n)
    return b
  },
  fromJSON: BigInt,
  toJSON: String,
  isValid: (n: unknown) => typeof n === 'bigint',
  compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1),
})

interface Event {
  readonly key: { readonly id: number }
  readonly value: { readonly op: string; readonly after: Record<string, unknown> | null } | null
}

/** The table as its events make it: the last word on each key. */
function tableOf(events: readonly Event[]): Map<number, Record<string, unknown>> {
  const table = new Map<number, Record<string, unknown>>()
  for (const { key, value } of events) {
    if (value === null) continue
    if (value.after === null) table.delete(key.id)
    else table.set(key.id, value.after)
  }
  return table
}

/** 40 rows of the snapshot, 5 updates, a delete and its tombstone. */
const EVENTS = 47
const expected = (): (readonly [number, string | null, string, string])[] =>
  rows.slice(0, 39).map((r) => [r.id, r.id <= 5 ? 'changed' : r.name, r.total, r.big])

describe('topics and registry of ours', () => {
  test("Confluent's Python client reads the rows of the table, by AvroDeserializer", async () => {
    const events = await pythonClient<Event[]>('read', bootstrap, url, topic, String(EVENTS))
    expect(events).toHaveLength(EVENTS)
    const table = [...tableOf(events)].sort(([x], [y]) => x - y)
    expect(table.map(([id, r]) => [id, r['name'], String(r['total']), String(r['big'])])).toEqual(expected())
    expect(table[0]![1]).toMatchObject({ at: '2026-01-02T03:04:05.000000Z', ok: true })
  })
  test('kafkajs and @kafkajs/confluent-schema-registry read the same', async () => {
    // Nanoseconds since 1970 are more than a JavaScript number holds: this client wants to be told what a long is.
    const schemas = new SchemaRegistry({ host: url }, { AVRO: { registry: { long: BIGINT } } as never })
    const records = await readCommitted([topic], bootstrap)
    expect(records).toHaveLength(EVENTS)
    const events: Event[] = []
    for (const { key, value } of records) {
      events.push({ key: await schemas.decode(key!), value: value === null ? null : await schemas.decode(value) })
    }
    const table = [...tableOf(events)].sort(([x], [y]) => x - y)
    const unscaled = (b: unknown): string => `${(Number(`0x${(b as Buffer).toString('hex')}`) / 100).toFixed(2)}`
    expect(table.map(([id, r]) => [id, r['name'], unscaled(r['total']), String(r['big'])])).toEqual(expected())
  })
  test("Confluent's Python client uses the registry: every call has the answer that it expects", async () => {
    expect(await pythonClient('registry', url)).toEqual({
      register: true,
      lookup: 1,
      latest: [1, true],
      versions: [1],
      listed: true,
      incompatible: { status: 409, code: 409 },
      compatibility: [true, false],
      level: 'NONE',
      allowed: { ok: true },
      unknownSubject: { status: 404, code: 40401 },
      unknownId: { status: 404, code: 40403 },
      invalid: { status: 422, code: 42201 },
      roundTrip: { a: 7 },
      deleted: [
        [1, 2],
        [1, 2],
      ],
    })
  })
  test('@kafkajs/confluent-schema-registry registers and encodes with it', async () => {
    const schemas = new SchemaRegistry({ host: url })
    const schema = { type: 'record', name: 'Row', namespace: 'js', fields: [{ name: 'a', type: 'int' }] }
    const { id } = await schemas.register({ type: 'AVRO' as never, schema: JSON.stringify(schema) })
    expect(await schemas.getLatestSchemaId('js.Row')).toBe(id)
    expect(await schemas.decode(await schemas.encode(id, { a: 7 }))).toEqual({ a: 7 })
    const wider = { ...schema, fields: [...schema.fields, { name: 'b', type: 'int' }] }
    await expect(schemas.register({ type: 'AVRO' as never, schema: JSON.stringify(wider) })).rejects.toThrow(/incompatible/)
  })
})
