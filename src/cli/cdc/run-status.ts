import type { Watermark } from '../../contract/table.ts'
import { Failure } from '../../failure/failure.ts'
import { LakeWatermarkStore } from '../../lake/watermark-store.ts'
import { readOwner } from '../../log/embedded/state-lock.ts'
import { KafkaCluster } from '../../log/kafka/cluster.ts'
import { topicExtents } from '../../log/kafka/topic-extents.ts'
import { kafkaOptionsOf } from '../kafka-flags.ts'
import { openStore } from '../open-store.ts'
import type { S3FlagValues } from '../s3-flags.ts'
import { openStateForReading } from '../state.ts'
import { grid } from '../terminal/grid.ts'
import { countOf, durationText } from '../terminal/units.ts'
import type { ContextWith, Outcome } from '../verb.ts'
import { type PositionFlagValues, positionStore } from './position-store.ts'

type StatusContext = ContextWith<PositionFlagValues & S3FlagValues & { readonly lake: string }>

/** How far a topic goes. In Kafka the markers of transactions count as well, one for each and partition. */
interface TopicStatus {
  readonly topic: string
  readonly partitions: number
  readonly first: number
  readonly next: number
  /** Offset up to which the lake has it, where the watermark says that; null: not known, or no lake. */
  readonly lake: number | null
}

/** Runs `cdc status`. */
export async function runStatus(context: StatusContext): Promise<Outcome> {
  const { flags, clock } = context
  const store = await positionStore(context)
  const held = await store.read()
  if (held === null) throw new Failure('TRB-KAFKA-017', { name: flags.name, store: store.text })
  const { append, cursor } = held.cursor
  const watermark = await newestWatermark(context)
  const lakeOffsets = new Map(watermark?.tables.map((t) => [t.topic, t.nextOffset]))
  const inKafka = flags.kafka.length > 0
  const topics = inKafka ? await kafkaTopics(context) : embeddedTopics(flags.state, lakeOffsets)
  const run = inKafka ? null : owner(flags.state)
  const time = cursor.commitUs === null ? null : new Date(Number(cursor.commitUs / 1000n)).toISOString()
  const ageMs = cursor.commitUs === null ? null : Math.max(0, clock.now() - Number(cursor.commitUs / 1000n))
  const lake = flags.lake === 'none' ? null : lakeStatus(flags.lake, watermark, append, cursor.commitUs)
  const notes = `${cursor.boundary ? '' : ' (inside a transaction)'}${cursor.consistent ? '' : ' (the snapshot is not complete)'}`
  const lines = [
    `name      ${flags.name}`,
    `kept in   ${store.text}, append ${append}`,
    `position  ${cursor.at}${notes}`,
    `commit    ${cursor.commit ?? 'none yet'}${time === null ? '' : ` of ${time}, ${durationText(ageMs!)} ago`}`,
    ...(run === null ? [] : [`run       ${run.text}`]),
    ...(lake === null ? [] : [`lake      ${lake.text}`]),
    ...(topics.length === 0 ? [] : ['', topicGrid(topics)]),
  ]
  const { at, boundary, consistent, commit } = cursor
  const position = { at, boundary, consistent, commit, time, ageMs, append, offset: held.offset }
  const result = { name: flags.name, store: store.text, position, run: run?.owner ?? null, lake: lake?.result ?? null, topics }
  return { summary: `${flags.name} is at ${cursor.at}, ${countOf(topics.length, 'topic')}`, text: lines.join('\n'), result }
}

async function newestWatermark(context: StatusContext): Promise<Watermark | null> {
  const { flags, clock } = context
  if (flags.lake === 'none') return null
  for await (const w of new LakeWatermarkStore(openStore(flags.lake, context), clock).list()) if (w.source === flags.name) return w
  return null
}

function lakeStatus(lake: string, w: Watermark | null, append: number, commitUs: bigint | null) {
  if (w === null)
    return { text: `${lake} has no state of this name yet`, result: { lake, commit: null, appendsBehind: null, behindMs: null } }
  const appendsBehind = Math.max(0, append - w.appendId)
  const behindMs = commitUs === null ? null : Math.max(0, Number((commitUs - w.commitUs) / 1000n))
  const time = new Date(Number(w.commitUs / 1000n)).toISOString()
  const behind =
    appendsBehind === 0 ? 'all of the log' : `${countOf(appendsBehind, 'append')} and ${durationText(behindMs ?? 0)} behind the log`
  return { text: `${lake} is at ${w.commit} of ${time}: ${behind}`, result: { lake, commit: w.commit, time, appendsBehind, behindMs } }
}

/** Who has the state directory, if the process is there. */
function owner(dir: string) {
  const found = readOwner(dir)
  if (found === null || !isAlive(found.pid)) return { text: `none: nobody holds ${dir}`, owner: null }
  return { text: `process ${found.pid} since ${found.started}: ${found.command}`, owner: found }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (e) {
    // EPERM: it is there, and another user's.
    return (e as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function embeddedTopics(dir: string, lake: ReadonlyMap<string, number>): TopicStatus[] {
  const state = openStateForReading(dir)
  try {
    return state.log.topics().map((topic) => {
      const { start, end } = state.log.range(topic, 0)
      return { topic, partitions: 1, first: start, next: end, lake: lake.get(topic) ?? null }
    })
  } finally {
    state.close()
  }
}

/** The topics that begin with the name, without that of the position. */
async function kafkaTopics({ flags, clock, cwd }: StatusContext): Promise<TopicStatus[]> {
  const cluster = new KafkaCluster(await kafkaOptionsOf(flags, { clock, cwd, clientId: 'tributary-status' }))
  try {
    const offsets = flags['kafka-offsets-topic'] ?? `${flags.name}.offsets`
    const extents = await topicExtents(cluster, (topic) => topic.startsWith(`${flags.name}.`) && topic !== offsets)
    return extents.map(({ topic, partitions, held, next }) => {
      return { topic, partitions, first: Number(next - held), next: Number(next), lake: null }
    })
  } finally {
    await cluster.close()
  }
}

function topicGrid(topics: readonly TopicStatus[]): string {
  const known = topics.some((t) => t.lake !== null)
  const head = ['topic', 'partitions', 'held', 'written', ...(known ? ['in the lake'] : [])]
  const rows = topics.map((t) => {
    const lake = known ? [t.lake === null ? '-' : String(t.lake)] : []
    return [t.topic, String(t.partitions), String(t.next - t.first), String(t.next), ...lake]
  })
  return grid(head, rows, ['left', 'right', 'right', 'right', 'right'])
}
