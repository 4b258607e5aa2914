import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { fixedClock } from './fixed-clock.ts'

const FOLDER = new URL('../golden/hudi/', import.meta.url)

export interface Expected {
  readonly queries: { readonly [query: string]: readonly Record<string, unknown>[] }
  /** Present where Spark's own snapshot is known to be wrong. */
  readonly correct_snapshot?: readonly Record<string, unknown>[]
}

/** Files of a recorded table, by path below the table. */
export function goldenFiles(name: string): Map<string, Buffer> {
  return untar(gunzipSync(readFileSync(new URL(`${name}.tar.gz`, FOLDER))), `${name}/`)
}

/** What Spark answered to the queries on it. */
export function goldenAnswers(name: string): Expected {
  return JSON.parse(readFileSync(new URL(`${name}.expected.json`, FOLDER), 'utf8'))
}

/** A recorded table at `table` of a store of its own. */
export async function goldenStore(name: string, table = name): Promise<MemoryStore> {
  const store = new MemoryStore(fixedClock(Date.UTC(2026, 10, 22)))
  for (const [path, body] of goldenFiles(name)) await store.putIfAbsent(`${table}/${path}`, body)
  return store
}

/** Regular files of a tar archive: 512-byte headers (name, size in octal at 124, type at 156, prefix at 345), bodies padded to 512. */
function untar(tar: Buffer, top: string): Map<string, Buffer> {
  const out = new Map<string, Buffer>()
  const text = (at: number, length: number): string => tar.toString('latin1', at, at + length).split('\0')[0]
  let longName: string | null = null
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8)
    const type = String.fromCharCode(tar[at + 156])
    const prefix = text(at + 345, 155)
    const name: string = longName ?? (prefix === '' ? text(at, 100) : `${prefix}/${text(at, 100)}`)
    const body = tar.subarray(at + 512, at + 512 + size)
    // Long names come in an entry of their own before the file: GNU's 'L', or a 'path' record of a POSIX extended header.
    longName =
      type === 'L' ? body.toString('utf8').split('\0')[0] : type === 'x' ? (/ path=(.*)\n/.exec(body.toString('utf8'))?.[1] ?? null) : null
    if (type === '0' && name.startsWith(top)) out.set(name.slice(top.length), body)
    at += 512 + Math.ceil(size / 512) * 512
  }
  return out
}

export const COW_TABLES = [
  'v6_cow_cdc',
  'v6_cow_clean_archive',
  'v6_cow_clustering_done',
  'v6_cow_clustering_requested',
  'v6_cow_composite',
  'v6_cow_event_time',
  'v6_cow_evolve',
  'v6_cow_insert_overwrite_delete_partition',
  'v6_cow_insert_overwrite_partition',
  'v6_cow_insert_overwrite_table',
  'v6_cow_mdt',
  'v6_cow_nonpart',
  'v6_cow_part',
  'v6_cow_rollback_done',
  'v6_cow_rollback_pending',
  'v6_cow_savepoint_restore_restored',
  'v6_cow_savepoint_restore_restored_then_upsert',
  'v6_cow_savepoint_restore_savepointed',
] as const

/** All recorded merge-on-read tables, versions 6 and 9. */
export const MOR_TABLES = [
  'v6_mor_avroblk',
  'v6_mor_bucket_logonly',
  'v6_mor_cdc',
  'v6_mor_clean_archive',
  'v6_mor_commit_time',
  'v6_mor_event_time',
  'v6_mor_evolve',
  'v6_mor_isdeleted',
  'v6_mor_logcompaction',
  'v6_mor_mdt',
  'v6_mor_nonpart_compacted',
  'v6_mor_nonpart_compacted_then_upsert',
  'v6_mor_nonpart_compaction_inflight',
  'v6_mor_nonpart_compaction_requested',
  'v6_mor_nonpart_compaction_requested_then_upsert',
  'v6_mor_nonpart_logs',
  'v6_mor_part_compacted',
  'v6_mor_part_compacted_then_upsert',
  'v6_mor_part_compaction_inflight',
  'v6_mor_part_compaction_requested',
  'v6_mor_part_compaction_requested_then_upsert',
  'v6_mor_part_logs',
  'v6_mor_pqblk',
  'v6_mor_rollback_done',
  'v6_mor_rollback_pending',
  'v6_mor_savepoint_restore_restored',
  'v9_mor_avroblk',
  'v9_mor_cdc',
  'v9_mor_event_time',
  'v9_mor_evolve',
  'v9_mor_isdeleted',
  'v9_mor_part_compacted',
  'v9_mor_part_compacted_then_upsert',
  'v9_mor_part_compaction_inflight',
  'v9_mor_part_compaction_requested',
  'v9_mor_part_compaction_requested_then_upsert',
  'v9_mor_part_logs',
  'v9_mor_pqblk',
  'v9_mor_rollback_done',
  'v9_mor_rollback_pending',
] as const
