import { expect, test } from 'vitest'
import { LogReader } from '../../../src/format/hudi-log/reader.ts'
import { printArchive, readArchive } from '../../../src/lake/metadata/archived-entry.ts'
import { ARCHIVED_ENTRY } from '../../../src/lake/metadata/schemas/archived-entry.ts'
import { goldenStore } from '../../support/golden-table.ts'

const archive = (n: number): string => `t/.hoodie/archived/.commits_.archive.${n}_1-0-1`

test('an archive that Spark wrote is read, every state of an instant as an entry of its own', async () => {
  const store = await goldenStore('v6_cow_clean_archive', 't')
  const entries: string[] = []
  for (let n = 1; n <= 5; n++) {
    const key = archive(n)
    for await (const e of readArchive(store, key, (await store.head(key))!.size)) entries.push(`${n} ${e.time} ${e.action} ${e.state}`)
  }
  expect(entries).toHaveLength(30)
  expect(entries.slice(0, 3).map((e) => e.split(' ').slice(2).join(' '))).toEqual([
    'commit requested',
    'commit inflight',
    'commit completed',
  ])
})

test('the schema is the one that Spark writes, byte for byte', async () => {
  const store = await goldenStore('v6_cow_clean_archive', 't')
  const key = archive(1)
  for await (const block of new LogReader(store, key, (await store.head(key))!.size).blocks()) {
    expect(block.kind === 'block' && block.header.get('schema')).toBe(ARCHIVED_ENTRY)
  }
})

test('instants that Spark left on the active timeline get the entries that Spark gives its own', async () => {
  for (const [name, action] of [
    ['v6_cow_clean_archive', 'commit'],
    ['v6_cow_clean_archive', 'clean'],
    ['v6_mor_clean_archive', 'deltacommit'],
    ['v6_mor_clean_archive', 'compaction'],
  ] as const) {
    const store = await goldenStore(name, 't')
    const ours = await entriesOf(store, action)
    const theirs: Record<string, unknown>[] = []
    for (let n = 1; n <= 5; n++) {
      const key = archive(n)
      for await (const e of readArchive(store, key, (await store.head(key))!.size)) if (e.action === action) theirs.push(e.record)
    }
    const shapes = (list: Record<string, unknown>[]): string[] => [...new Set(list.map((r) => `${r['actionState']}: ${shape(r)}`))].sort()
    expect(shapes(ours).length).toBeGreaterThan(1)
    for (const s of shapes(ours)) expect(shapes(theirs)).toContain(s)
  }
})

/** What our writer makes of the instants of one action on the active timeline, read back. */
async function entriesOf(store: Awaited<ReturnType<typeof goldenStore>>, action: string): Promise<Record<string, unknown>[]> {
  const { parseName } = await import('../../../timeline/name.ts')
  const files = []
  for await (const o of store.list('t/.hoodie/')) {
    const parsed = parseName(o.key.slice('t/.hoodie/'.length))
    if (parsed.kind !== 'instant' || parsed.file.action !== action) continue
    files.push({ file: parsed.file, body: await store.get(o.key), modifiedMs: o.modifiedMs })
  }
  await store.put(
    't/ours',
    printArchive(files, () => 't'),
  )
  const out: Record<string, unknown>[] = []
  for await (const e of readArchive(store, 't/ours', (await store.head('t/ours'))!.size)) out.push(e.record as Record<string, unknown>)
  return out
}

/** Which fields are there, with their types; keys of maps (partitions) and lengths of lists left out. */
function shape(v: unknown, name = ''): string {
  if (v === null || v === undefined) return 'null'
  if (Array.isArray(v)) return `[${[...new Set(v.map((x) => shape(x)))].sort().join('|')}]`
  if (typeof v !== 'object') return typeof v
  const maps = new Set(['partitionToWriteStats', 'partitionMetadata', 'filePathsToBeDeletedPerPartition', 'metrics'])
  if (maps.has(name)) return `map<${[...new Set(Object.values(v).map((x) => shape(x)))].sort().join('|')}>`
  return `{${Object.entries(v)
    .map(([k, x]) => `${k}:${k === 'path' || k === 'prevCommit' ? 'text' : shape(x, k)}`)
    .join(',')}}`
}
