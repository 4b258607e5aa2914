import avsc from 'avsc'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { FileSlice, LogFile, MergeRules } from '../../../src/contract/slice.ts'
import type { BlockType, HeaderKey } from '../../../src/format/hudi-log/block.ts'
import { avroContent, printBlock } from '../../../src/format/hudi-log/writer.ts'
import { ParquetWriter } from '../../../src/format/parquet/writer.ts'
import { avroSchemaText } from '../../../src/lake/metadata/avro-schema.ts'
import { META } from '../../../src/lake/read/log-columns.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { type Value, vectorOf } from '../../format/parquet/values.ts'
import { fixedClock } from '../../support/fixed-clock.ts'

/** A table with an ordering field, a delete marker and two texts, built block by block, and what its rows must come to. */
export const SCHEMA: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'string' } },
  { name: 'ts', type: { kind: 'long' } },
  { name: 'op', type: { kind: 'string' } },
  { name: 'name', type: { kind: 'string' } },
  { name: 'note', type: { kind: 'string' } },
]

export const UNAVAILABLE = '__unavailable'

export interface ModelRow {
  readonly id: string
  readonly ts: number | null
  readonly op: string
  readonly name: string | null
  /** UNAVAILABLE: the log does not have it. */
  readonly note: string | null
}

export type ModelBlock =
  | { readonly kind: 'avro' | 'parquet'; readonly partial: boolean; readonly rows: readonly ModelRow[] }
  | { readonly kind: 'delete'; readonly keys: readonly { readonly id: string; readonly ts: number | null }[] }

export const RULES: Readonly<Record<'commit-time' | 'event-time', MergeRules>> = {
  'commit-time': { mode: 'commit-time', ordering: [], deleteMarker: { column: 'op', value: 'd' }, unavailable: UNAVAILABLE },
  'event-time': { mode: 'event-time', ordering: ['ts'], deleteMarker: { column: 'op', value: 'd' }, unavailable: UNAVAILABLE },
}

const NEVER = Date.UTC(2026, 0, 1)

/** Instant of the n-th block. */
export function instantOf(n: number): string {
  return String(20260101000000000n + BigInt(n))
}

export function newStore(): MemoryStore {
  return new MemoryStore(fixedClock(NEVER))
}

/** Writes base rows and blocks, `perLog` blocks to a log file, and returns the slice. */
export async function buildSlice(
  store: MemoryStore,
  base: readonly ModelRow[] | null,
  blocks: readonly ModelBlock[],
  perLog: number,
  rowsPerGroup = 1000,
): Promise<FileSlice> {
  const logs: LogFile[] = []
  for (let i = 0; i < blocks.length; i += perLog) {
    const parts: Uint8Array[] = []
    for (const [j, b] of blocks.slice(i, i + perLog).entries()) parts.push(...(await printModelBlock(b, instantOf(i + j + 1))))
    logs.push(await putLog(store, logs.length + 1, Buffer.concat(parts)))
  }
  const instant = instantOf(0)
  if (base === null) return { partition: '', fileId: 'f', baseInstant: instant, base: null, logs }
  const key = 't/f_0-0-0_base.parquet'
  const bytes = await parquetOf(base, instant, SCHEMA, rowsPerGroup)
  await store.put(key, bytes)
  return {
    partition: '',
    fileId: 'f',
    baseInstant: instant,
    base: { fileId: 'f', partition: '', key, bytes: bytes.length, rows: base.length, instant },
    logs,
  }
}

export async function putLog(store: MemoryStore, version: number, body: Buffer): Promise<LogFile> {
  const name = `.f_${instantOf(0)}.log.${version}_0-0-0`
  await store.put(`t/${name}`, body)
  return { key: `t/${name}`, name, bytes: body.length, instant: instantOf(0), version, token: '0-0-0' }
}

export async function printModelBlock(b: ModelBlock, instant: string): Promise<Uint8Array[]> {
  const schema = b.kind !== 'delete' && b.partial ? SCHEMA.filter((c) => c.name !== 'name') : SCHEMA
  const header = new Map<HeaderKey, string>([
    ['instant', instant],
    ['schema', avroSchemaText('t', schema, true)],
  ])
  if (b.kind === 'delete') return printBlock('delete', header, [deleteBytes(b.keys)])
  if (b.partial) header.set('partial', 'true')
  const content = b.kind === 'avro' ? avroOf(b.rows, instant, schema) : await parquetOf(b.rows, instant, schema, 1000)
  return printBlock(b.kind satisfies BlockType, header, [content])
}

function valuesOf(rows: readonly ModelRow[], instant: string, column: string): Value[] {
  return rows.map((r, i): Value => {
    switch (column) {
      case '_hoodie_commit_time':
        return instant
      case '_hoodie_commit_seqno':
        return `${instant}_0_${i}`
      case '_hoodie_record_key':
        return r.id
      case '_hoodie_partition_path':
        return ''
      case '_hoodie_file_name':
        return 'f'
      case 'ts':
        return r.ts === null ? null : BigInt(r.ts)
      default:
        return r[column as 'id' | 'op' | 'name' | 'note']
    }
  })
}

async function parquetOf(rows: readonly ModelRow[], instant: string, schema: readonly LakeColumn[], perGroup: number): Promise<Buffer> {
  const store = newStore()
  const columns = [...META, ...schema]
  const w = new ParquetWriter(await store.writer('x'), { root: 'r', columns, codec: 'snappy' })
  for (let i = 0; i < rows.length; i += perGroup) {
    const part = rows.slice(i, i + perGroup)
    await w.writeRowGroup(
      columns.map((c) => vectorOf(c.type, valuesOf(part, instant, c.name))),
      part.length,
    )
  }
  await w.close(new Map())
  return store.get('x')
}

function avroOf(rows: readonly ModelRow[], instant: string, schema: readonly LakeColumn[]): Buffer {
  const type = avsc.Type.forSchema(JSON.parse(avroSchemaText('t', schema, true)), { wrapUnions: false, typeHook: bigLong })
  const names = [...META, ...schema].map((c) => c.name)
  const columns = names.map((n) => valuesOf(rows, instant, n))
  return avroContent(rows.map((_, i) => type.toBuffer(Object.fromEntries(names.map((n, c) => [n, columns[c][i]])))))
}

/** 64-bit integers as bigint. */
function bigLong(schema: unknown): avsc.Type | undefined {
  if (schema !== 'long') return undefined
  return avsc.types.LongType.__with({
    fromBuffer: (b: Buffer) => b.readBigInt64LE(),
    toBuffer: (n: bigint) => {
      const b = Buffer.alloc(8)
      b.writeBigInt64LE(n)
      return b
    },
    fromJSON: BigInt,
    toJSON: Number,
    isValid: (n: unknown) => typeof n === 'bigint',
    compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
  })
}

const WRAPPED = (name: string, type: string): object => ({ type: 'record', name, fields: [{ name: 'value', type }] })
const DELETES = avsc.Type.forSchema(
  {
    type: 'record',
    name: 'HoodieDeleteRecordList',
    fields: [
      {
        name: 'deleteRecordList',
        type: {
          type: 'array',
          items: {
            type: 'record',
            name: 'HoodieDeleteRecord',
            fields: [
              { name: 'recordKey', type: ['null', 'string'] },
              { name: 'partitionPath', type: ['null', 'string'] },
              {
                name: 'orderingVal',
                type: ['null', WRAPPED('BooleanWrapper', 'boolean'), WRAPPED('IntWrapper', 'int'), WRAPPED('LongWrapper', 'long')],
              },
            ],
          },
        },
      },
    ],
  } as avsc.Schema,
  { wrapUnions: true },
)

/** As Java writes it: a value as LongWrapper, none as IntWrapper(0). */
function deleteBytes(keys: readonly { readonly id: string; readonly ts: number | null }[]): Buffer {
  const datum = DELETES.toBuffer({
    deleteRecordList: keys.map((k) => ({
      recordKey: { string: k.id },
      partitionPath: { string: '' },
      orderingVal: k.ts === null ? { IntWrapper: { value: 0 } } : { LongWrapper: { value: k.ts } },
    })),
  })
  const head = Buffer.alloc(8)
  head.writeInt32BE(3, 0)
  head.writeInt32BE(datum.length, 4)
  return Buffer.concat([head, datum])
}

interface Version {
  readonly ts: number
  readonly arrival: number
  readonly row: ModelRow | null
  readonly lacks: ReadonlySet<'name' | 'note'>
}

const LOWEST = Number.NEGATIVE_INFINITY

/** What the rows come to, by the rules in words: versions of a key in order of (ordering value, arrival), looked at from the newest down. */
export function expectedRows(
  base: readonly ModelRow[] | null,
  blocks: readonly ModelBlock[],
  mode: 'commit-time' | 'event-time',
): ModelRow[] {
  const stored = new Map((base ?? []).map((r) => [r.id, r]))
  const log = new Map<string, Version[]>()
  let arrival = 0
  const add = (id: string, v: Omit<Version, 'arrival'>, forgets: boolean): void => {
    const versions = forgets ? [] : (log.get(id) ?? [])
    versions.push({ ...v, arrival: arrival++ })
    log.set(id, versions)
  }
  for (const b of blocks) {
    if (b.kind === 'delete') {
      for (const k of b.keys) {
        const always = k.ts === null || mode === 'commit-time'
        add(k.id, { ts: always ? LOWEST : k.ts!, row: null, lacks: new Set() }, always)
      }
      continue
    }
    for (const row of b.rows) {
      const lacks = new Set<'name' | 'note'>()
      if (b.partial || row.name === UNAVAILABLE) lacks.add('name')
      if (row.note === UNAVAILABLE) lacks.add('note')
      const ts = mode === 'event-time' ? (row.ts ?? -1e15) : 0
      add(row.id, { ts, row: row.op === 'd' ? null : row, lacks }, false)
    }
  }
  const out = new Map(stored)
  for (const [id, versions] of log) {
    const old = stored.get(id)
    const result = outcome(versions, old, mode)
    if (result === null) out.delete(id)
    else out.set(id, result)
  }
  return [...out.values()]
}

function outcome(versions: readonly Version[], old: ModelRow | undefined, mode: 'commit-time' | 'event-time'): ModelRow | null {
  // newest first
  const sorted = [...versions].sort((a, b) => b.ts - a.ts || b.arrival - a.arrival)
  const oldTs = mode === 'event-time' ? (old?.ts ?? -1e15) : LOWEST
  const top = sorted[0]
  if (top.ts !== LOWEST && old !== undefined && oldTs > top.ts) return old
  if (top.row === null) return null
  const value = (column: 'name' | 'note'): string | null => {
    for (const v of sorted) {
      if (v.row === null) return null
      if (!v.lacks.has(column)) return v.row[column]
    }
    return old?.[column] ?? null
  }
  return { ...top.row, name: value('name'), note: value('note') }
}
