import { describe, expect, test } from 'vitest'
import type { FileSlice } from '../../../src/contract/slice.ts'
import { readPositions } from '../../../src/format/hudi-log/positions.ts'
import { ParquetFile } from '../../../src/format/parquet/file.ts'
import { chunkStart } from '../../../src/format/parquet/metadata.ts'
import { readDelta } from '../../../src/lake/read/delta.ts'
import { mergeRulesOf } from '../../../src/lake/read/merge-rules.ts'
import { LakeTableReader } from '../../../src/lake/read/table-reader.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import type { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { goldenStore } from '../../support/golden-table.ts'

const clock = fixedClock(Date.UTC(2026, 10, 22))

const u16 = (...n: number[]): Buffer => Buffer.concat(n.map((x) => Buffer.from([x & 255, x >> 8])))
const u32 = (...n: number[]): Buffer => Buffer.concat(n.map((x) => Buffer.from(Uint32Array.of(x).buffer)))
const bitmap64 = (high: number, body: Buffer): string => Buffer.concat([u32(1, 0), u32(high), body]).toString('base64')

describe('row numbers of a block', () => {
  test('are those that Hudi 1.2 wrote', () => {
    const hudi = Buffer.from('0100000000000000000000003a30000001000000000001001000000002000500', 'hex')
    expect([...readPositions(hudi.toString('base64'))!]).toEqual([2, 5])
  })

  test('in lists, runs and bits', () => {
    const lists = Buffer.concat([u32(12346, 2), u16(0, 1, 3, 0), u32(24, 28), u16(7, 9), u16(65535)])
    expect([...readPositions(bitmap64(0, lists))!]).toEqual([7, 9, (3 << 16) + 65535])
    const runs = Buffer.concat([u16(12347, 1), Buffer.from([0b01]), u16(0, 4, 2, 0), u16(1, 10, 4), u16(5)])
    expect([...readPositions(bitmap64(0, runs))!]).toEqual([10, 11, 12, 13, 14, (2 << 16) + 5])
    const bits = Buffer.alloc(8192, 0xff)
    expect(readPositions(bitmap64(0, Buffer.concat([u32(12346, 1), u16(0, 65535), u32(16), bits])))).toEqual(
      Int32Array.from({ length: 65536 }, (_, i) => i),
    )
  })

  test('that are in no such form, or too large, are none', () => {
    const one = Buffer.concat([u32(12346, 1), u16(0, 0), u32(16), u16(7)])
    expect([...readPositions(bitmap64(0, one))!]).toEqual([7])
    expect(readPositions(bitmap64(1, one))).toBeNull()
    expect(readPositions(bitmap64(0, one.subarray(0, -1)))).toBeNull()
    expect(readPositions(bitmap64(0, Buffer.concat([one, u16(1)])))).toBeNull()
    expect(readPositions(bitmap64(0, Buffer.concat([u32(99, 1), u16(0, 0), u32(16), u16(7)])))).toBeNull()
    expect(readPositions('')).toBeNull()
  })
})

/** What the logs of a slice make of its base, and whether the base's key column was read for it. */
async function delta(store: MemoryStore, slice: FileSlice, instant: string | null): Promise<{ hidden: number[]; keysRead: boolean }> {
  const base = { ...slice.base!, instant: instant ?? slice.base!.instant }
  const file = await ParquetFile.open(store, base.key, base.bytes)
  const chunk = file.meta.rowGroups[0]!.columns[file.column('_hoodie_record_key')!.firstLeaf]!
  let keysRead = false
  const watched = {
    range: async (key: string, from: number, length: number) => {
      if (key === base.key && from === chunkStart(chunk)) keysRead = true
      return store.range(key, from, length)
    },
  } as unknown as MemoryStore
  const ts = new TimelineStore(store, 't', clock)
  const rules = mergeRulesOf(await ts.properties(), 't')
  const plan = await new LakeTableReader(store, 't', clock).plan({ kind: 'latest' })
  const d = await readDelta({ store: watched, table: 't', slice: { ...slice, base }, schema: plan.columns, rules, visible: plan.counts })
  return { hidden: [...d.hidden], keysRead }
}

describe('rows of the base file that logs concern', () => {
  test.each(['v8_mor_positions', 'v9_mor_positions', 'v9_mor_part_logs', 'v9_mor_pqblk', 'v8_mor_part_logs', 'v9_mor_logs_event'])(
    '%s: are found by their positions, the same as by their keys',
    async (name) => {
      const store = await goldenStore(name, 't')
      const { slices } = await new LakeTableReader(store, 't', clock).plan({ kind: 'latest' })
      let placed = 0
      for (const slice of slices.filter((s) => s.base !== null && s.logs.length > 0)) {
        const found = await delta(store, slice, null)
        if (!found.keysRead) placed++
        // of a base file of another instant the positions mean nothing
        const byKeys = await delta(store, slice, '20200101000000000')
        expect(byKeys.keysRead).toBe(true)
        expect(found.hidden).toEqual(byKeys.hidden)
      }
      expect(placed).toBeGreaterThan(0)
    },
  )

  test.each(['v8_mor_positions_other_base', 'v9_mor_positions_other_base'])(
    '%s: positions in an older base file are not used',
    async (name) => {
      const store = await goldenStore(name, 't')
      const { slices } = await new LakeTableReader(store, 't', clock).plan({ kind: 'latest' })
      for (const slice of slices) expect((await delta(store, slice, null)).keysRead).toBe(true)
    },
  )
})
