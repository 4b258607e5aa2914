import { expect } from 'vitest'
import type { RowChunk } from '../../src/contract/slice.ts'
import { isFailure } from '../../src/failure/failure.ts'
import { rowLines } from '../../src/format/json/row-lines.ts'
import { scanChanges } from '../../src/lake/read/cdc.ts'
import type { CommitRange } from '../../src/lake/read/incremental.ts'
import { scanTable } from '../../src/lake/read/table-scan.ts'
import { verifyTable } from '../../src/lake/verify/verify-table.ts'
import { effectiveTime } from '../../timeline/timeline.ts'
import { completedWrites } from '../../timeline/view.ts'
import { type Expected, type ModelRows, rowsNow, rowText, textOf } from './expected.ts'
import type { SimStore } from './faulty-store.ts'
import type { World } from './world.ts'

/**
 * The content now, every state that must still be readable (I6), what `lake verify` proves of the whole table, and that changes of ranges of commits
 * fit together (I13). `quick`: of the earlier states only the oldest, and data files are opened by the reading alone.
 */
export async function check(world: World<SimStore>, exp: Expected, where: string, quick = false): Promise<void> {
  expect((await verifyTable(world.timeline(), !quick)).violations, where).toEqual([])
  expect(await world.rows(null), where).toEqual(textOf(rowsNow(exp)))
  const readable = [...exp.states].filter(([time]) => time >= exp.from)
  for (const [time, rows] of quick ? readable.slice(0, 1) : readable) {
    expect(await world.rows(time), `${where}, as of ${time}`).toEqual(textOf(rows))
  }
  if (!quick) await checkRanges(world, exp, where)
}

/** Whether a range of changes may be refused: its first state has been archived or cleaned away. */
const REFUSED = ['TRB-LAKE-018', 'TRB-LAKE-067', 'TRB-LAKE-068'] as const

/** Of three states of the active timeline: incremental (a, b] ∘ (b, c] = (a, c], and the changes of (a, c] make c out of a. */
async function checkRanges(world: World<SimStore>, exp: Expected, where: string): Promise<void> {
  const ts = world.timeline()
  await ts.refresh()
  const times = new Map(completedWrites(ts.timeline, null).map((i) => [i.time, effectiveTime(i)]))
  const states = [...exp.states].filter(([time]) => time >= exp.from && times.has(time))
  if (states.length < 2) return
  const [a, b, c] = [states[0]!, states[states.length >> 1]!, states.at(-1)!]
  const [at, bt, ct] = [a, b, c].map(([time]) => times.get(time)!) as [string, string, string]
  const [first, second, both] = [await rowsOf(world, at, bt), await rowsOf(world, bt, ct), await rowsOf(world, at, ct)]
  const composed = new Map(second)
  for (const [id, row] of first) if (!second.has(id) && c[1].has(id)) composed.set(id, row)
  expect(new Map([...both].sort()), `${where}, changes after ${at} beside those after ${bt}`).toEqual(new Map([...composed].sort()))
  try {
    const now = await replayed(world, textsOf(a[1]), { from: at, to: ct }, where)
    expect([...now.values()].sort(), `${where}, changes after ${at}`).toEqual(textOf(c[1]))
  } catch (e) {
    if (!REFUSED.some((code) => isFailure(e, code))) throw e
  }
}

/** Rows of an incremental read with their commit times, by id. */
async function rowsOf(world: World<SimStore>, from: string, to: string): Promise<Map<number, string>> {
  const out = new Map<number, string>()
  if (from === to) return out
  const scan = await scanTable(world.store, 't', world.clock, { kind: 'incremental', from, to })
  const toText = rowLines(scan.columns)
  for await (const chunk of scan.rows()) {
    for (const row of parsed(toText(chunk.vectors, chunk.count))) {
      expect(out.has(row['id'] as number), 'one row for each key').toBe(false)
      out.set(row['id'] as number, `${row['_hoodie_commit_time']} ${row['_hoodie_commit_seqno']} ${rowText(row)}`)
    }
  }
  return out
}

/** The rows after the changes of a range; each image before must be what is there. */
async function replayed(
  world: World<SimStore>,
  before: Map<number, string>,
  range: CommitRange,
  where: string,
): Promise<Map<number, string>> {
  const rows = new Map(before)
  const { columns, batches } = await scanChanges(world.store, 't', world.clock, range)
  const toText = rowLines(columns)
  const texts = (chunk: RowChunk | null): Record<string, unknown>[] => (chunk === null ? [] : parsed(toText(chunk.vectors, chunk.count)))
  for await (const { op, before: was, after: is, commit } of batches()) {
    const at = `${where}, ${op} of ${commit}`
    for (const row of texts(was)) {
      expect(rows.get(row['id'] as number), at).toBe(rowText(row))
      rows.delete(row['id'] as number)
    }
    for (const row of texts(is)) {
      expect(rows.has(row['id'] as number), at).toBe(false)
      rows.set(row['id'] as number, rowText(row))
    }
  }
  return rows
}

function parsed(lines: string): Record<string, unknown>[] {
  return lines
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l) as Record<string, unknown>)
}

function textsOf(rows: ModelRows): Map<number, string> {
  return new Map([...rows].map(([id, r]) => [id, rowText({ id, ...r, wide: r.wide ? 'w' : null })]))
}
