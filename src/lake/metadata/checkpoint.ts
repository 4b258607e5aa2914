import type { Checkpoint } from '../../contract/table.ts'
import { Failure } from '../../failure/failure.ts'
import type { CommitMetadata } from './commit-metadata.ts'

/** Key under which Hudi Streamer keeps the Kafka offsets that a commit has consumed: `topic,partition:offset`. */
const STREAMER = 'deltastreamer.checkpoint.key'
/** Only commits of ours have it. */
export const SOURCE_KEY = 'tributary.source'
const COMMIT = 'tributary.source.commit'
const COMMIT_US = 'tributary.source.commit_us'

/** Entries of extraMetadata that record a checkpoint. Absent position: no entry. */
export function checkpointExtra(c: Checkpoint): readonly (readonly [string, string])[] {
  const out: [string, string][] = [
    [STREAMER, `${c.topic},0:${c.nextOffset}`],
    [SOURCE_KEY, c.source],
  ]
  if (c.commit !== null) out.push([COMMIT, c.commit])
  if (c.commitUs !== null) out.push([COMMIT_US, String(c.commitUs)])
  return out
}

/** The checkpoint that a commit of ours recorded; null when it has none (another writer's). */
export function readCheckpoint(m: CommitMetadata, file: string): Checkpoint | null {
  const source = m.extra.get(SOURCE_KEY)
  const offsets = m.extra.get(STREAMER)
  if (source === undefined || offsets === undefined) return null
  const parts = /^(.+),0:(\d+)$/.exec(offsets)
  const nextOffset = Number(parts?.[2])
  const us = m.extra.get(COMMIT_US)
  if (parts === null || !Number.isSafeInteger(nextOffset) || (us !== undefined && !/^-?\d+$/.test(us)))
    throw new Failure('TRB-LAKE-004', { file })
  return { source, commit: m.extra.get(COMMIT) ?? null, commitUs: us === undefined ? null : BigInt(us), topic: parts[1], nextOffset }
}
