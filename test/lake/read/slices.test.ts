import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { columnsAt } from '../../../src/lake/open-table.ts'
import { fileSlices, latestBaseFiles, listDataFiles, sliceHistory } from '../../../src/lake/read/slices.ts'
import { LakeTableReader } from '../../../src/lake/read/table-reader.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { completedWrites } from '../../../timeline/view.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { goldenAnswers, goldenStore } from '../../support/golden-table.ts'

const clock = fixedClock(Date.UTC(2026, 10, 22))
const TABLES = readdirSync(new URL('../../golden/hudi/', import.meta.url)).flatMap((f) => (f.endsWith('.tar.gz') ? [f.slice(0, -7)] : []))

async function opened(name: string): Promise<TimelineStore> {
  const ts = new TimelineStore(await goldenStore(name, 't'), 't', clock)
  await ts.refresh()
  return ts
}

/** `bases+logs` of each slice, sorted: enough to see which files a slice has. */
async function shape(name: string, asOf: string | null = null): Promise<string[]> {
  const slices = await fileSlices(await opened(name), asOf)
  return slices.map((s) => `${s.partition} ${s.base === null ? 0 : 1}+${s.logs.length}`).sort()
}

interface Golden {
  readonly timeline: readonly { readonly t: string; readonly action: string; readonly state: string; readonly c?: string }[]
}

test.each(TABLES)('the timeline of %s is that which Spark tells of', async (name) => {
  const { timeline } = goldenAnswers(name) as unknown as Golden
  const ts = await opened(name)
  const told = ts.timeline.instants.map((i) => {
    const action =
      i.state === 'completed'
        ? ({ compaction: 'commit', logcompaction: 'deltacommit', clustering: 'replacecommit' }[i.action as string] ?? i.action)
        : i.action
    return `${i.time} ${action} ${i.state} ${i.completion ?? ''}`
  })
  const recorded = timeline.map((i) => {
    const clustering = i.action === 'replacecommit' && i.state !== 'completed' && name.includes('clustering')
    return `${i.t} ${clustering ? 'clustering' : i.action} ${i.state} ${i.c ?? ''}`
  })
  expect(told.sort()).toEqual(recorded.sort())
})

test.each(TABLES)('every completed write of %s is read, and names files that are there', async (name) => {
  const ts = await opened(name)
  const files = await listDataFiles(ts.store, 't')
  const known = new Set([...files.bases, ...files.logs, ...files.cdc].map((f) => `${f.key.slice(2)} ${f.bytes}`))
  const slices = await fileSlices(ts, null)
  for (const i of ts.timeline.instants) {
    if (
      i.state !== 'completed' ||
      !['commit', 'deltacommit', 'replacecommit', 'compaction', 'clustering', 'logcompaction'].includes(i.action)
    )
      continue
    const metadata = await ts.commit(i.time, i.action)
    const current = slices.flatMap((s) => (s.base !== null && s.base.instant === i.time ? [s.base.key.slice(2)] : []))
    const stats = [...metadata.stats.values()].flat()
    for (const path of current) expect(stats.map((s) => s.path)).toContain(path)
    for (const s of stats) if (current.includes(s.path ?? '')) expect(known).toContain(`${s.path} ${s.fileSizeInBytes}`)
  }
  expect((await columnsAt(ts, null))?.map((c) => c.name)).toContain('id')
})

test.each(['v6', 'v9'])('the slices of %s tables through a compaction', async (v) => {
  expect(await shape(`${v}_mor_part_logs`)).toEqual(['ap 1+2', 'eu 1+3', 'us 1+2'])
  expect(await shape(`${v}_mor_part_compaction_requested`)).toEqual(['ap 1+2', 'eu 1+3', 'us 1+2'])
  // Logs written while it was pending are read with those before.
  expect(await shape(`${v}_mor_part_compaction_requested_then_upsert`)).toEqual(['ap 1+3', 'eu 1+4', 'us 1+3'])
  expect(await shape(`${v}_mor_part_compaction_inflight`)).toEqual(['ap 1+3', 'eu 1+4', 'us 1+3'])
  expect(await shape(`${v}_mor_part_compacted`)).toEqual(['ap 1+1', 'eu 1+1', 'us 1+1'])
  expect(await shape(`${v}_mor_part_compacted_then_upsert`)).toEqual(['ap 1+2', 'eu 1+2', 'us 1+2'])
})

test('as of a time before the compaction the slice before it is read', async () => {
  for (const name of ['v6_mor_part_compacted', 'v9_mor_part_compacted']) {
    const ts = await opened(name)
    const compaction = ts.timeline.instants.find((i) => i.action === 'compaction')!
    const before = ts.timeline.instants.filter((i) => i.time < compaction.time).at(-1)!.time
    expect(await shape(name, before)).toEqual(['ap 1+2', 'eu 1+3', 'us 1+2'])
    const history = await sliceHistory(ts, await listDataFiles(ts.store, 't'), null)
    expect(history.map((g) => g.length)).toEqual([2, 2, 2])
  }
})

test('a plan has slices for a snapshot, and base files alone for a read-optimized query', async () => {
  for (const name of ['v6_mor_part_logs', 'v9_mor_part_logs']) {
    const reader = new LakeTableReader(await goldenStore(name, 't'), 't', clock)
    const snapshot = await reader.plan({ kind: 'latest' }, 'snapshot')
    expect(snapshot.slices.map((s) => s.logs.length)).toEqual([2, 3, 2])
    expect(snapshot.totalFiles).toBe(10)
    expect(snapshot.counts(snapshot.instant!)).toBe(true)
    const optimized = await reader.plan({ kind: 'latest' }, 'read-optimized')
    expect(optimized.slices.map((s) => s.logs.length)).toEqual([0, 0, 0])
    const rows = (goldenAnswers(name).queries.read_optimized ?? []).length
    expect(optimized.files.reduce((n, f) => n + f.rows, 0)).toBe(rows)
    expect(await reader.plan({ kind: 'latest' })).toMatchObject({ slices: snapshot.slices })
  }
})

test.each(TABLES)(
  'a file of %s that a commit names and that is missing is an error, unless something has taken its place',
  async (name) => {
    const whole = await goldenStore(name, 't')
    const plan = await new LakeTableReader(whole, 't', clock).plan({ kind: 'latest' }, 'snapshot')
    const ts = new TimelineStore(whole, 't', clock)
    await ts.refresh()
    // Files of archived writes, and logs of writes that were rolled back in layout 1, are known to nobody any more.
    const recorded = new Set<string>()
    for (const i of completedWrites(ts.timeline, null)) {
      for (const s of [...(await ts.commit(i.time, i.action)).stats.values()].flat()) recorded.add(`t/${s.path}`)
    }
    for (const s of plan.slices) {
      for (const key of [...(s.base === null ? [] : [s.base.key]), ...s.logs.map((l) => l.key)]) {
        if (!recorded.has(key)) continue
        const store = await goldenStore(name, 't')
        await store.delete([key])
        const answer = new LakeTableReader(store, 't', clock).plan({ kind: 'latest' }, 'snapshot')
        await expect(answer, key).rejects.toMatchObject({ code: 'TRB-LAKE-028', details: { file: key } })
      }
    }
  },
)

test('a writer does not go on from an older version of a file that is missing', async () => {
  for (const name of ['v6_cow_part', 'v9_mor_part_logs', 'v6_mor_part_compacted']) {
    const store = await goldenStore(name, 't')
    const ts = new TimelineStore(store, 't', clock)
    await ts.refresh()
    const [slice] = await fileSlices(ts, null)
    await store.delete([slice.base!.key])
    await ts.refresh()
    await expect(fileSlices(ts, null)).rejects.toMatchObject({ code: 'TRB-LAKE-028' })
    if (name.includes('cow')) await expect(latestBaseFiles(ts, null)).rejects.toMatchObject({ code: 'TRB-LAKE-028' })
    expect([ts.slices, ts.latest]).toEqual([null, null])
  }
})
