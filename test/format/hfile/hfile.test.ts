import avsc from 'avsc'
import { describe, expect, test } from 'vitest'
import type { FileSlice, LogFile } from '../../../src/contract/slice.ts'
import { crc32c } from '../../../src/format/hfile/crc32c.ts'
import { readHFile } from '../../../src/format/hfile/reader.ts'
import { readDelta } from '../../../src/lake/read/delta.ts'
import { goldenFiles, goldenStore } from '../../support/golden-table.ts'
import { bytesStore } from '../hudi-log/bytes-store.ts'

const TABLES = ['v6_cow_mdt', 'v9_cow_mdt'] as const

/** HFiles of a recorded table's metadata table. */
function hfiles(table: string): [path: string, bytes: Buffer][] {
  return [...goldenFiles(table)].filter(([path]) => path.endsWith('.hfile'))
}

async function cells(bytes: Buffer): Promise<[key: string, value: Buffer][]> {
  const out: [string, Buffer][] = []
  for await (const b of readHFile(bytesStore(bytes), 'x.hfile', bytes.length)) {
    for (let i = 0; i < b.count; i++)
      out.push([b.data.toString('utf8', b.keyFrom[i], b.keyTo[i]), b.data.subarray(b.valueFrom[i], b.valueTo[i])])
  }
  return out
}

/** The schema that the file carries among its facts, which are compressed: taken from a log of the table instead. */
function schemaOf(table: string): avsc.Type {
  for (const [path, bytes] of goldenFiles(table)) {
    if (!path.includes('.hoodie/metadata/') || !path.includes('.log.')) continue
    const at = bytes.indexOf('{"type":"record","name":"HoodieMetadataRecord"')
    if (at >= 0) return avsc.Type.forSchema(JSON.parse(bytes.toString('utf8', at, at + bytes.readInt32BE(at - 4))), { wrapUnions: true })
  }
  throw new Error('no schema')
}

test('CRC-32C of the check string', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
})

describe.each(TABLES)('%s', (table) => {
  test('the HFiles of the metadata table name the partitions, and files that are there', async () => {
    const type = schemaOf(table)
    const found = new Map<string, Set<string>>()
    for (const [, bytes] of hfiles(table)) {
      for (const [key, value] of await cells(bytes)) {
        const record = type.fromBuffer(value) as { type: number; filesystemMetadata: { map: Record<string, unknown> } | null }
        expect(record.type).toBe(key === '__all_partitions__' ? 1 : 2)
        const names = found.get(key) ?? new Set()
        for (const name of Object.keys(record.filesystemMetadata?.map ?? {})) names.add(name)
        found.set(key, names)
      }
    }
    expect(found.has('__all_partitions__')).toBe(true)
    const paths = [...goldenFiles(table).keys()]
    for (const [key, names] of found)
      if (key !== '__all_partitions__') for (const n of names) expect(paths.some((p) => p.endsWith(n))).toBe(true)
  })
  test('a file cut anywhere, and one of another version, are refused', async () => {
    const [, bytes] = hfiles(table)[0]
    for (const cut of [0, 100, bytes.length - 4096, bytes.length - 1]) {
      await expect(cells(bytes.subarray(0, cut))).rejects.toMatchObject({ code: 'TRB-LAKE-401' })
    }
    const newer = Buffer.from(bytes)
    newer[newer.length - 1] = 4
    await expect(cells(newer)).rejects.toMatchObject({ code: 'TRB-LAKE-402', details: { feature: 'HFile version 4' } })
  })
})

test('a changed byte in a data block is found by its checksum', async () => {
  const [, bytes] = hfiles('v6_cow_mdt')[0]
  const at = bytes.indexOf('DATABLK*')
  for (const i of [at + 33, at + 60, at + 90]) {
    const wrong = Buffer.from(bytes)
    wrong[i] ^= 1
    await expect(cells(wrong)).rejects.toMatchObject({ code: 'TRB-LAKE-401', details: { problem: 'the checksum of a data block differs' } })
  }
})

test('rows of HFile blocks in a log are read by their keys', async () => {
  const store = await goldenStore('v6_mor_mdt', 't')
  const logs: LogFile[] = []
  for await (const o of store.list('t/.hoodie/metadata/files/')) {
    const m = /\.(files-\S+)_(\d+)\.log\.(\d+)_(.*)$/.exec(o.key)
    if (m !== null) logs.push({ key: o.key, name: m[0], bytes: o.size, instant: m[2], version: Number(m[3]), token: m[4] })
  }
  expect(logs.length).toBe(4)
  const slice: FileSlice = {
    partition: 'files',
    fileId: 'files-0000-0',
    baseInstant: '0',
    base: null,
    logs: logs.sort((a, b) => a.version - b.version),
  }
  const schema = [
    { name: 'key', type: { kind: 'string' } },
    { name: 'type', type: { kind: 'int' } },
  ] as const
  const rules = { mode: 'commit-time', ordering: [], deleteMarker: null, unavailable: null } as const
  const delta = await readDelta({ store, table: 't', slice, schema, rules, visible: () => true })
  const keys: string[] = []
  const types: number[] = []
  for await (const chunk of delta.rows()) {
    const key = chunk.vectors[2]
    const type = chunk.vectors[6]
    if (key.kind !== 'bytes' || type.kind !== 'fixed') throw new Error('not as expected')
    for (let i = 0; i < chunk.count; i++) {
      keys.push(key.data.toString('utf8', key.offsets[i], key.offsets[i + 1]))
      types.push(type.data.readInt32LE(i * 4))
    }
  }
  expect(Object.fromEntries(keys.map((k, i) => [k, types[i]]))).toEqual({ __all_partitions__: 1, ap: 2, eu: 2, us: 2 })
})
