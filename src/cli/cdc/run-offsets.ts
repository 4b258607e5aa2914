import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { text as readText } from 'node:stream/consumers'
import type { LogCursor } from '../../contract/log.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { CURSOR_HEADER, type NumberedCursor, parseCursor } from '../../log/kafka/offset-record.ts'
import { type OffsetPlace, readOffset, writeOffset } from '../../log/kafka/offset-store.ts'
import { kafkaOptionsOf } from '../kafka-flags.ts'
import { openState, openStateForReading, type State } from '../state.ts'
import type { Context, Outcome } from '../verb.ts'
import { cursorOfOffset, offsetOfCursor } from './kafka-offset.ts'
import type { OFFSETS_FLAGS } from './offsets-flags.ts'

type OffsetsContext = Context<typeof OFFSETS_FLAGS>

const ACTIONS = ['show', 'export', 'import', 'reset'] as const
const RETENTION = { maxAgeMs: Number.MAX_SAFE_INTEGER, maxBytes: Number.MAX_SAFE_INTEGER }

/** A position with Debezium's offset for it. */
interface Held {
  readonly cursor: NumberedCursor
  readonly offset: string
}

/** Where positions are kept: Kafka, or the embedded log. */
interface Store {
  readonly text: string
  read(): Promise<Held | null>
  write(held: Held | null): Promise<void>
}

/** Runs `cdc offsets ACTION`. */
export async function runOffsets(context: OffsetsContext): Promise<Outcome> {
  const { flags, args } = context
  const action = ACTIONS.find((a) => a === args[0])
  if (action === undefined) {
    const detail = `${args[0]} is none of ${ACTIONS.join(', ')}`
    throw new Failure('TRB-KAFKA-016', { flag: 'ACTION', detail, fix: `cdc offsets show --name ${flags.name}` })
  }
  const store = flags.kafka.length > 0 ? await kafkaStore(context) : embeddedStore(context)
  if (action === 'import') return await importOffset(context, store)
  const held = await store.read()
  if (action === 'reset') {
    await store.write(null)
    return { summary: `the position of ${flags.name} is taken out of ${store.text}: the next run begins with a snapshot` }
  }
  if (held === null) throw new Failure('TRB-KAFKA-017', { name: flags.name, store: store.text })
  return action === 'export' ? exported(flags.name, held) : shown(flags.name, store.text, held)
}

/** The form of Kafka Connect's REST interface (GET and PATCH /connectors/NAME/offsets). */
function exported(name: string, { offset, cursor }: Held): Outcome {
  const text = `{"offsets":[{"partition":{"server":${JSON.stringify(name)}},"offset":${offset}}]}`
  return { summary: `position ${cursor.cursor.at}`, text, result: JSON.parse(text) as Record<string, unknown> }
}

function shown(name: string, store: string, { cursor: { append, cursor }, offset }: Held): Outcome {
  const { at, boundary, consistent, commit, commitUs } = cursor
  const time = commitUs === null ? null : new Date(Number(commitUs / 1000n)).toISOString()
  const lines = [
    `name      ${name}`,
    `kept in   ${store}`,
    `position  ${at}${boundary ? '' : ' (inside a transaction)'}${consistent ? '' : ' (the snapshot is not complete)'}`,
    `commit    ${commit ?? 'none yet'}${time === null ? '' : ` of ${time}`}`,
    `append    ${append}`,
    `Debezium  ${offset}`,
  ]
  return {
    summary: `position ${at}`,
    text: lines.join('\n'),
    result: { name, store, at, boundary, consistent, commit, time, append, offset },
  }
}

async function importOffset(context: OffsetsContext, store: Store): Promise<Outcome> {
  const { flags, stdin, cwd } = context
  const text = flags.input === '-' ? await readText(stdin) : await readFile(resolve(cwd, flags.input), 'utf8')
  const offset = offsetIn(text)
  const { cursor, repeats } = cursorOfOffset(offset, flags.name)
  const before = await store.read()
  await store.write({ cursor: { append: (before?.cursor.append ?? 0) + 1, cursor }, offset })
  const warning = repeats ? '; it is inside a transaction, whose changes come once more' : ''
  return {
    summary: `${flags.name} goes on from ${cursor.at}${warning}`,
    text: `${flags.name} goes on from ${cursor.at}${warning}`,
    result: { at: cursor.at, repeats },
  }
}

/** The offset in a text: of the form of Kafka Connect's REST interface, or the offset itself. Its text is kept, as longs may be large. */
function offsetIn(text: string): string {
  const example = '{"offsets":[{"partition":{"server":"shop"},"offset":{"lsn_proc":37124488,"lsn_commit":37124488}}]}'
  const refuse = (detail: string, e?: unknown): Failure => new Failure('TRB-KAFKA-015', { what: '--input', detail, example }, e)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (e) {
    throw refuse('it is not JSON', e)
  }
  if (typeof value !== 'object' || value === null || !('offsets' in value)) return text.trim()
  const { offsets } = value as { offsets: unknown }
  if (!Array.isArray(offsets) || offsets.length !== 1) throw refuse('it holds no offset, or those of several partitions')
  const start = text.search(/"offset"\s*:\s*\{/)
  const from = text.indexOf('{', start)
  // Offsets are flat: their end is the next brace outside a text.
  const flat = /^\{(?:"(?:[^"\\]|\\.)*"|[^"{}])*\}/.exec(text.slice(from))
  if (start < 0 || flat === null) throw refuse('its offset is not a flat object')
  return flat[0]
}

async function kafkaStore(context: OffsetsContext): Promise<Store> {
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

function embeddedStore(context: OffsetsContext): Store {
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
