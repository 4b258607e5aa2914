import type { Checkpoint } from '../../contract/table.ts'
import { Failure } from '../../failure/failure.ts'
import type { CommitMetadata } from './commit-metadata.ts'

/** Key under which Hudi Streamer keeps the Kafka offsets that a commit has consumed: `topic,partition:offset,partition:offset…`. */
const STREAMER = 'deltastreamer.checkpoint.key'
/** Only commits of ours have it. */
export const SOURCE_KEY = 'tributary.source'
const COMMIT = 'tributary.source.commit'
const COMMIT_US = 'tributary.source.commit_us'
const TOPIC_ID = 'tributary.kafka.topic_id'

/** Entries of extraMetadata that record a checkpoint. Absent position: no entry. */
export function checkpointExtra(c: Checkpoint): readonly (readonly [string, string])[] {
  const out: [string, string][] = [
    [STREAMER, [c.topic, ...(c.partitions ?? [c.nextOffset]).map((offset, p) => `${p}:${offset}`)].join(',')],
    [SOURCE_KEY, c.source],
  ]
  if (c.commit !== null) out.push([COMMIT, c.commit])
  if (c.commitUs !== null) out.push([COMMIT_US, String(c.commitUs)])
  if (c.topicId !== undefined) out.push([TOPIC_ID, c.topicId])
  return out
}

/** The checkpoint that a commit of ours recorded; null when it has none (another writer's). */
export function readCheckpoint(m: CommitMetadata, file: string): Checkpoint | null {
  const source = m.extra.get(SOURCE_KEY)
  const offsets = m.extra.get(STREAMER)
  if (source === undefined || offsets === undefined) return null
  const topicId = m.extra.get(TOPIC_ID)
  const parsed = parseOffsets(offsets)
  const us = m.extra.get(COMMIT_US)
  if (parsed === null || (us !== undefined && !/^-?\d+$/.test(us))) throw new Failure('TRB-LAKE-004', { file })
  const { topic, partitions } = parsed
  const nextOffset = partitions.reduce((sum, offset) => sum + offset, 0)
  const at = { source, commit: m.extra.get(COMMIT) ?? null, commitUs: us === undefined ? null : BigInt(us), topic, nextOffset }
  return topicId === undefined ? at : { ...at, partitions, topicId }
}

/** From the right to partition 0: a topic of the embedded log may have any name. */
function parseOffsets(text: string): { readonly topic: string; readonly partitions: readonly number[] } | null {
  const parts = text.split(',')
  const offsets: number[] = []
  for (let at = parts.length - 1; at > 0; at--) {
    const pair = /^(\d+):(\d+)$/.exec(parts[at]!)
    const offset = Number(pair?.[2])
    if (pair === null || !Number.isSafeInteger(offset)) return null
    offsets.unshift(offset)
    if (Number(pair[1]) > 0) continue
    const topic = parts.slice(0, at).join(',')
    const inOrder = parts.slice(at).every((p, i) => p.startsWith(`${i}:`))
    return topic === '' || !inOrder ? null : { topic, partitions: offsets }
  }
  return null
}
