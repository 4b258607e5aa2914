import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FileSlice } from '../../../src/contract/slice.ts'
import { fileSlices } from '../../../src/lake/read/slices.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { DiskStore } from '../../../src/storage/disk/disk-store.ts'
import { slicesWithHudiRs } from '../../interop/readers.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { goldenFiles } from '../../support/golden-table.ts'

const clock = fixedClock(Date.UTC(2026, 10, 22))
const TABLES = readdirSync(new URL('../../golden/hudi/', import.meta.url))
  .flatMap((f) => (f.endsWith('.tar.gz') ? [f.slice(0, -7)] : []))
  .filter(
    // Several ordering fields, and key generators named field by field, are more than hudi-rs 0.5 reads.
    (name) => !/^v9_\w+_payload_mysql$|_custom_partitions$/.test(name),
  )
/** Known of hudi-rs 0.5: logs written while a compaction of version 6 is pending belong to no slice. */
const PENDING = ['compaction_requested_then_upsert', 'compaction_inflight']
const same = (name: string): boolean => !(name.startsWith('v6') && PENDING.some((p) => name.endsWith(p)))

let home = ''
/** Without logs of change data capture, which hudi-rs lists with the others. */
let theirs = new Map<string, string[]>()

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'trib-slices-'))
  for (const name of TABLES) {
    for (const [path, body] of goldenFiles(name)) {
      const file = join(home, name, path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, body)
    }
  }
  const answers = await slicesWithHudiRs(TABLES.map((name) => join(home, name)))
  const refused = TABLES.flatMap((name, i) => ('refused' in answers[i]! ? [`${name}: ${answers[i].refused}`] : []))
  expect(refused).toEqual([])
  theirs = new Map(
    TABLES.map((name, i) => [
      name,
      (answers[i] as { readonly base: string | null; readonly logs: readonly string[] }[])
        .map((s) =>
          line(
            s.base,
            s.logs.filter((l) => !l.endsWith('.cdc')),
          ),
        )
        .sort(),
    ]),
  )
})

afterAll(() => rmSync(home, { recursive: true, force: true }))

function line(base: string | null, logs: readonly string[]): string {
  return [base ?? '-', ...logs].join(' ')
}

async function ours(name: string): Promise<readonly FileSlice[]> {
  const ts = new TimelineStore(new DiskStore(join(home, name), clock), '', clock)
  await ts.refresh()
  return fileSlices(ts, null)
}

test.each(TABLES.filter(same))('the slices of %s, logs in their order, are those that hudi-rs finds', async (name) => {
  const found = (await ours(name)).map((s) =>
    line(
      s.base?.key ?? null,
      s.logs.map((l) => l.key),
    ),
  )
  expect(found.sort()).toEqual(theirs.get(name))
})

test('where hudi-rs overlooks logs of a pending compaction, they are the only difference', async () => {
  for (const name of TABLES.filter((n) => !same(n))) {
    const found = await ours(name)
    const compaction = found[0].logs.at(-1)!.instant
    expect(compaction > found[0].baseInstant).toBe(true)
    const without = found.map((s) =>
      line(
        s.base?.key ?? null,
        s.logs.flatMap((l) => (l.instant === compaction ? [] : [l.key])),
      ),
    )
    expect(without.sort()).toEqual(theirs.get(name))
  }
})
