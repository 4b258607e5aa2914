import { describe, expect, test } from 'vitest'
import { scanTable } from '../../src/lake/read/table-scan.ts'
import { openWriterOf } from '../../src/lake/write/open-table.ts'
import { writableSpec } from '../../src/lake/write/writable-spec.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { fixedClock } from '../support/fixed-clock.ts'
import { goldenFiles } from '../support/golden-table.ts'

const clock = fixedClock(Date.UTC(2026, 10, 22))

/** A recorded table whose files are changed on their way: null leaves a file out. */
async function changed(name: string, change: (path: string, body: Buffer) => Buffer | null): Promise<MemoryStore> {
  const store = new MemoryStore(clock)
  for (const [path, body] of goldenFiles(name)) {
    const now = change(path, body)
    if (now !== null) await store.putIfAbsent(`t/${path}`, now)
  }
  return store
}

async function read(store: MemoryStore): Promise<number> {
  let n = 0
  for await (const { count } of (await scanTable(store, 't', clock, { kind: 'snapshot', asOf: null })).rows()) n += count
  return n
}

const commits = (name: string): string[] =>
  [...goldenFiles(name).keys()].filter((p) => /\.hoodie\/.*\d{17}(_\d{17})?\.(commit|deltacommit)$/.test(p)).sort()

describe.each(['v6_cow_part', 'v9_cow_part', 'v6_mor_part_logs', 'v9_mor_part_logs'])('%s', (name) => {
  test('a completed instant of zero bytes where content is due is named, not passed over', async () => {
    for (const damaged of [commits(name)[0], commits(name).at(-1)]) {
      const store = await changed(name, (p, b) => (p === damaged ? Buffer.alloc(0) : b))
      await expect(read(store)).rejects.toMatchObject({
        code: 'TRB-LAKE-004',
        details: { file: expect.stringContaining(damaged!.split('/').at(-1)!) },
      })
    }
  })

  test('a base file that is cut off is told by its size; with a size that fits, by what is in it', async () => {
    const cut = await changed(name, (p, b) => (p.endsWith('.parquet') ? b.subarray(0, b.length - 100) : b))
    await expect(read(cut)).rejects.toMatchObject({ code: 'TRB-LAKE-014' })
    const zeros = await changed(name, (p, b) =>
      p.endsWith('.parquet') ? Buffer.concat([b.subarray(0, b.length - 100), Buffer.alloc(100)]) : b,
    )
    await expect(read(zeros)).rejects.toMatchObject({ code: 'TRB-LAKE-401' })
  })

  test('a commit without a row is one, and changes nothing', async () => {
    const store = await changed(name, (_, b) => b)
    const before = await read(store)
    const spec = (await writableSpec(store, 't', clock))!
    const writer = await openWriterOf(store, spec, { clock, scratchDir: 'none' })
    const staged = await writer.stage([])
    expect(await writer.commit(staged, null)).toBe('committed')
    expect(staged.counts).toEqual({ inserted: 0, updated: 0, deleted: 0 })
    expect(await read(store)).toBe(before)
  })
})
