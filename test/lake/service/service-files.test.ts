import { expect, test } from 'vitest'
import { parseCleanMetadata, parseCleanPlan, printCleanMetadata, printCleanPlan } from '../../../src/lake/metadata/clean-files.ts'
import { parseManifest, printHistory, printManifest, readHistory } from '../../../src/lake/metadata/history-file.ts'
import { parseRestorePlan, printRestoreMetadata, printRestorePlan } from '../../../src/lake/metadata/restore-files.ts'
import { parseSavepoint, printSavepoint } from '../../../src/lake/metadata/savepoint-files.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { goldenFiles } from '../../support/golden-table.ts'

const sync = (file: Buffer): Buffer => file.subarray(file.length - 16)
const named = (files: Map<string, Buffer>, end: string): [string, Buffer][] => [...files].filter(([name]) => name.endsWith(end))

for (const table of ['v6_cow_clean_archive', 'v6_mor_clean_archive', 'v9_cow_clean_archive']) {
  test(`plans and metadata of the cleans of ${table} are written with the bytes that Spark wrote`, () => {
    const files = goldenFiles(table)
    const inflight = named(files, '.clean.inflight')
    // Layout 2 does not repeat the plan.
    if (table.startsWith('v9')) expect(inflight.every(([, body]) => body.length === 0)).toBe(true)
    const plans = [...named(files, '.clean.requested'), ...(table.startsWith('v9') ? [] : inflight)]
    expect(plans.length).toBeGreaterThanOrEqual(3)
    for (const [name, body] of plans) expect(printCleanPlan(parseCleanPlan(body, name), sync(body)).equals(body), name).toBe(true)
    for (const [name, body] of named(files, '.clean')) {
      expect(printCleanMetadata(parseCleanMetadata(body, name), sync(body)).equals(body), name).toBe(true)
    }
  })
}

for (const table of ['v6_cow_savepoint_restore_restored', 'v6_mor_savepoint_restore_restored', 'v9_cow_savepoint_restore_restored']) {
  test(`savepoint and restore of ${table} are written with the bytes that Spark wrote`, () => {
    const files = goldenFiles(table)
    const [[, savepoint]] = named(files, '.savepoint')
    expect(printSavepoint(parseSavepoint(savepoint, 's'), sync(savepoint)).equals(savepoint)).toBe(true)
    const [[, plan]] = named(files, '.restore.requested')
    expect(printRestorePlan(parseRestorePlan(plan, 'p'), sync(plan)).equals(plan)).toBe(true)
  })
}

test('the metadata of a restore has the schema and the fields of one that Spark wrote', async () => {
  const { readContainer } = await import('../../../src/lake/metadata/avro-container.ts')
  const [[name, body]] = named(goldenFiles('v6_cow_savepoint_restore_restored'), '.restore')
  const theirs = readContainer(body, name) as Record<string, never>
  const [target, [rollback]] = Object.entries(theirs.hoodieRestoreMetadata)[0] as [string, [Record<string, never>]]
  const deleted = new Map(
    Object.entries(rollback.partitionMetadata).map(([p, m]) => [p, (m as { successDeleteFiles: string[] }).successDeleteFiles]),
  )
  const done = {
    time: rollback.startRollbackTime,
    elapsedMs: rollback.timeTakenInMillis,
    target: { time: target, action: 'commit' },
    deleted,
  }
  const ours = printRestoreMetadata({ time: theirs.startRestoreTime, elapsedMs: theirs.timeTakenInMillis, rollbacks: [done] }, sync(body))
  expect(ours.equals(body)).toBe(true)
})

test('the history of layout 2: manifests are written with the bytes that Spark wrote, instants come back as they were', async () => {
  const files = goldenFiles('v9_cow_clean_archive')
  const store = new MemoryStore(fixedClock())
  for (const [name, body] of [...files].filter(([name]) => name.includes('/history/manifest_'))) {
    expect(printManifest(parseManifest(body, name)).equals(body), name).toBe(true)
  }
  const data = named(files, '.parquet').filter(([name]) => name.includes('/history/'))
  expect(data).toHaveLength(3)
  for (const [name, body] of data) {
    await store.put(name, body)
    const instants = await readHistory(store, name)
    expect(instants.every((i) => i.metadata !== null && Buffer.from(i.metadata).subarray(0, 3).toString() === 'Obj')).toBe(true)
    await store.put(`ours/${name}`, printHistory(instants))
    expect(await readHistory(store, `ours/${name}`)).toEqual(instants)
  }
  const [first] = data.map(([name]) => name)
  expect((await readHistory(store, first)).map((i) => `${i.time} ${i.completion} ${i.action}`)).toEqual([
    '20261121033811790 20261121033819237 commit',
    '20261121033821657 20261121033827563 commit',
  ])
})
