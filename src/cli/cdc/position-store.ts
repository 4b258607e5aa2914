import type { LogCursor } from '../../contract/log.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { CURSOR_HEADER, type NumberedCursor, parseCursor } from '../../log/kafka/offset-record.ts'
import { type OffsetPlace, readOffset, writeOffset } from '../../log/kafka/offset-store.ts'
import { type KafkaFlagValues, kafkaOptionsOf } from '../kafka-flags.ts'
import { openState, openStateForReading, type State } from '../state.ts'
import type { ContextWith } from '../verb.ts'
import { cursorOfOffset, offsetOfCursor } from './kafka-offset.ts'

/** What says where the position of a flow is. */
export interface PositionFlagValues extends KafkaFlagValues {
  readonly name: string
  readonly state: string
  readonly 'kafka-offsets-topic': string | null
  readonly 'kafka-connector': string | null
}

type PositionContext = ContextWith<PositionFlagValues>

const RETENTION = { maxAgeMs: Number.MAX_SAFE_INTEGER, maxBytes: Number.MAX_SAFE_INTEGER }

/** A position with Debezium's offset for it. */
export interface HeldPosition {
  readonly cursor: NumberedCursor
  readonly offset: string
}

/** Where positions are kept: Kafka, or the embedded log. */
export interface PositionStore {
  /** For people: `topic shop.offsets`, `the log in ./.tributary`. */
  readonly text: string
  read(): Promise<HeldPosition | null>
  write(held: HeldPosition | null): Promise<void>
}

/** In Kafka with --kafka, else in the log of --state. */
export async function positionStore(context: PositionContext): Promise<PositionStore> {
  return context.flags.kafka.length > 0 ? await kafkaStore(context) : embeddedStore(context)
}

async function kafkaStore(context: PositionContext): Promise<PositionStore> {
  const { flags, clock, cwd } = context
  const topic = flags['kafka-offsets-topic'] ?? `${flags.name}.offsets`
  const connector = flags['kafka-connector'] ?? flags.name
  const kafka = await kafkaOptionsOf(flags, { clock, cwd, clientId: 'tributary-offsets' })
  const place: OffsetPlace = { kafka, topic, name: flags.name, connector, prefix: flags.name }
  return {
    text: `topic ${topic}`,
    async read() {
      const record = await readOffset(place)
      if (record === null) return null
      const header = record.headers.get(CURSOR_HEADER)
      const offset = record.value!
      if (header !== undefined) return { cursor: parseCursor(header, flags.name, topic), offset }
      return { cursor: { append: 0, cursor: cursorOfOffset(offset, flags.name).cursor }, offset }
    },
    write: (held) => writeOffset(place, held === null ? null : { value: held.offset, cursor: held.cursor }),
  }
}

function embeddedStore(context: PositionContext): PositionStore {
  const { flags, clock, command } = context
  return {
    text: `the log in ${flags.state}`,
    async read() {
      let state: State
      try {
        state = openStateForReading(flags.state)
      } catch (e) {
        if (isFailure(e, 'TRB-LOG-007')) return null
        throw e
      }
      try {
        const cursor = state.log.cursor(flags.name)
        return cursor === null ? null : { cursor: { append: lastAppend(state.log), cursor }, offset: offsetOfCursor(cursor) }
      } finally {
        state.close()
      }
    },
    async write(held) {
      if (held === null) {
        const detail = 'the log keeps records for the lake beside the position'
        throw new Failure('TRB-KAFKA-016', { flag: 'reset', detail, fix: 'cdc run with a new --state and --lake begins with a snapshot' })
      }
      const state = openState(flags.state, { clock, retention: RETENTION, command, pid: process.pid })
      try {
        await state.log.append([], { ...held.cursor.cursor, snapshotDone: [] } satisfies LogCursor)
      } finally {
        state.close()
      }
    },
  }
}

function lastAppend(log: { appends(after: number): Iterable<{ readonly id: number }> }): number {
  let last = 0
  for (const { id } of log.appends(0)) last = id
  return last
}
