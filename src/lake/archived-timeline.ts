import { Failure, isFailure } from '../failure/failure.ts'
import { hoodieKey } from './layout/paths.ts'
import { readArchive } from './metadata/archived-entry.ts'
import { commitOfRecord, parseCommit } from './metadata/commit-avro.ts'
import type { CommitMetadata } from './metadata/commit-metadata.ts'
import { parseHistoryFileName, parseManifest, readHistory } from './metadata/history-file.ts'
import type { TimelineStore } from './timeline-store.ts'

/** A completed instant that has left the active timeline. */
export interface ArchivedInstant {
  readonly time: string
  /** As the completed file was named: a compaction is a `commit`, a clustering a `replacecommit`. */
  readonly action: string
  /** Layout 2; null in layout 1. */
  readonly completion: string | null
  /** What a write recorded (in layout 1 without the sizes of logs and the like); null: the instant is no write, or nothing was kept of it. */
  readonly metadata: CommitMetadata | null
}

const WRITES: ReadonlySet<string> = new Set(['commit', 'deltacommit', 'replacecommit'])

/**
 * Completed instants of the archive with a time ≤ `upTo` (null: all), writes newest first (Hudi archives cleans and rollbacks apart from
 * writes, so those may come earlier or later than the writes beside them). What is still on the active timeline as well (archived
 * by somebody who died before taking it off) is left out. Files are read as far as the caller asks for instants. The timeline must be fresh.
 * TRB-LAKE-004 or TRB-LAKE-020 for a damaged archive.
 */
export async function* archivedInstants(ts: TimelineStore, upTo: string | null = null): AsyncGenerator<ArchivedInstant> {
  // The newest instants are never archived: without an active one there is nothing, maybe no table.
  if (ts.timeline.instants.length === 0) return
  const active = new Set(ts.timeline.instants.map((i) => i.time))
  const p = ts.configuration
  const batches =
    ts.layout === 1
      ? logBatches(ts, p.get('hoodie.archivelog.folder') || 'archived')
      : historyBatches(ts, `${p.get('hoodie.timeline.path') || 'timeline'}/${p.get('hoodie.timeline.history.path') || 'history'}`, upTo)
  for await (const batch of batches) {
    const found = batch.filter((i) => !active.has(i.time) && (upTo === null || i.time <= upTo))
    yield* found.sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0))
  }
}

/** Completion times of archived writes from `since` on, by their times; empty in layout 1. */
export async function archivedCompletions(ts: TimelineStore, since: string): Promise<ReadonlyMap<string, string>> {
  const out = new Map<string, string>()
  if (ts.layout === 1) return out
  for await (const i of archivedInstants(ts)) {
    if (i.metadata !== null && i.time < since) break
    if (i.completion !== null && i.time >= since) out.set(i.time, i.completion)
  }
  return out
}

/** Layout 1: `.commits_.archive.N_1-0-1`, N increasing. */
async function* logBatches(ts: TimelineStore, folder: string): AsyncGenerator<ArchivedInstant[]> {
  const prefix = hoodieKey(ts.table, `${folder}/.commits_.archive.`)
  const files: { n: number; key: string; bytes: number }[] = []
  for await (const o of ts.store.list(prefix)) {
    const n = /^(\d+)(?:_\d+-\d+-\d+)?$/.exec(o.key.slice(prefix.length))
    if (n !== null) files.push({ n: Number(n[1]), key: o.key, bytes: o.size })
  }
  for (const { key, bytes } of files.sort((a, b) => b.n - a.n)) {
    const batch: ArchivedInstant[] = []
    for await (const { time, action, state, record } of readArchive(ts.store, key, bytes)) {
      if (state !== 'completed') continue
      const written = record[action === 'replacecommit' ? 'hoodieReplaceCommitMetadata' : 'hoodieCommitMetadata'] ?? null
      const metadata = WRITES.has(action) && written !== null ? commitOfRecord(written) : null
      batch.push({ time, action, completion: null, metadata })
    }
    yield batch
  }
}

/** Layout 2: Parquet files that the newest manifest names, each with the range of times in its name. */
async function* historyBatches(ts: TimelineStore, dir: string, upTo: string | null): AsyncGenerator<ArchivedInstant[]> {
  const at = hoodieKey(ts.table, `${dir}/`)
  const n = await newestManifest(ts, at)
  if (n === null) return
  const manifest = parseManifest(await ts.store.get(`${at}manifest_${n}`), `${at}manifest_${n}`)
  const files = manifest.map(({ name }) => {
    const range = parseHistoryFileName(name)
    if (range === null) throw new Failure('TRB-LAKE-004', { file: `${at}${name}` })
    return { name, ...range }
  })
  for (const f of files.sort((a, b) => (a.max < b.max ? 1 : -1))) {
    if (upTo !== null && f.min > upTo) continue
    const key = at + f.name
    yield (await readHistory(ts.store, key)).map(({ time, action, completion, metadata }) => ({
      time,
      action,
      completion,
      metadata: WRITES.has(action) && metadata !== null && metadata.length > 0 ? parseCommit(Buffer.from(metadata), key) : null,
    }))
  }
}

/** The number of the manifest that counts; null: nothing has been archived. Engines replace `_version_` by taking it away first. */
async function newestManifest(ts: TimelineStore, at: string): Promise<string | null> {
  const version = await getOrNull(ts, `${at}_version_`)
  if (version === null) {
    let newest: number | null = null
    for await (const o of ts.store.list(`${at}manifest_`)) newest = Math.max(newest ?? 0, Number(o.key.slice(at.length + 9)) || 0)
    return newest === null ? null : String(newest)
  }
  const n = version.toString('utf8').trim()
  if (!/^\d+$/.test(n)) throw new Failure('TRB-LAKE-004', { file: `${at}_version_` })
  return n
}

async function getOrNull(ts: TimelineStore, key: string): Promise<Buffer | null> {
  try {
    return await ts.store.get(key)
  } catch (e) {
    if (isFailure(e, 'TRB-STORE-001')) return null
    throw e
  }
}
