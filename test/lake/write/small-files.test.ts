import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import { latestBaseFiles } from '../../../src/lake/read/slices.ts'
import { openWriterOf } from '../../../src/lake/write/open-table.ts'
import { writableSpec } from '../../../src/lake/write/writable-spec.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { goldenFiles, goldenStore } from '../../support/golden-table.ts'
import { changesOf } from './model.ts'

const dir = mkdtempSync(join(tmpdir(), 'lake-small-'))
afterAll(() => rmSync(dir, { recursive: true }))
const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'string' } },
  { name: 'region', type: { kind: 'string' } },
  { name: 'ts', type: { kind: 'long' } },
]

test.each(['v6_cow_part', 'v9_cow_part'])(
  '%s: new keys go into small files of their partition up to the limit, then into new groups',
  async (name) => {
    const clock = fixedClock(Date.UTC(2026, 10, 22))
    const store = await goldenStore(name, 't')
    const insert = async (id: string, smallFileBytes: number): Promise<readonly { fileId: string; bytes: number; instant: string }[]> => {
      const spec = (await writableSpec(store, 't', clock))!
      const writer = await openWriterOf(store, spec, { clock, scratchDir: join(dir, 's'), smallFileBytes })
      const staged = await writer.stage([changesOf(COLUMNS, [{ op: 'c', row: [id, 'us', 5n], gone: [] }], false)])
      expect(await writer.commit(staged, null)).toBe('committed')
      const files = await latestBaseFiles(writer.timeline, null)
      return files.filter((f) => f.partition.endsWith('us'))
    }
    const groups = new Set([...goldenFiles(name).keys()].flatMap((p) => /us\/([^/_]+)_[^/]*\.parquet$/.exec(p)?.[1] ?? []))
    const one = await insert('new1', 1 << 30)
    expect(one.map((f) => f.fileId).sort()).toEqual([...groups].sort())
    // none is small: a new group, and a second one
    const two = await insert('new2', 10)
    expect(two.length).toBe(one.length + 1)
    const three = await insert('new3', 10)
    expect(three.length).toBe(one.length + 2)
    // again the smallest of those that are small
    const smallest = [...three].sort((a, b) => a.bytes - b.bytes || (a.fileId < b.fileId ? -1 : 1))[0]!
    const four = await insert('new4', 1 << 30)
    expect(four.length).toBe(three.length)
    const written = four.filter((f) => !three.some((x) => x.fileId === f.fileId && x.instant === f.instant))
    expect(written.map((f) => f.fileId)).toEqual([smallest.fileId])
  },
)
