import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { text as readText } from 'node:stream/consumers'
import { Failure } from '../../failure/failure.ts'
import type { Context, Outcome } from '../verb.ts'
import { cursorOfOffset } from './kafka-offset.ts'
import type { OFFSETS_FLAGS } from './offsets-flags.ts'
import { type HeldPosition, type PositionStore, positionStore } from './position-store.ts'

type OffsetsContext = Context<typeof OFFSETS_FLAGS>

const ACTIONS = ['show', 'export', 'import', 'reset'] as const

/** Runs `cdc offsets ACTION`. */
export async function runOffsets(context: OffsetsContext): Promise<Outcome> {
  const { flags, args } = context
  const action = ACTIONS.find((a) => a === args[0])
  if (action === undefined) {
    const detail = `${args[0]} is none of ${ACTIONS.join(', ')}`
    throw new Failure('TRB-KAFKA-016', { flag: 'ACTION', detail, fix: `cdc offsets show --name ${flags.name}` })
  }
  const store = await positionStore(context)
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
function exported(name: string, { offset, cursor }: HeldPosition): Outcome {
  const text = `{"offsets":[{"partition":{"server":${JSON.stringify(name)}},"offset":${offset}}]}`
  return { summary: `position ${cursor.cursor.at}`, text, result: JSON.parse(text) as Record<string, unknown> }
}

function shown(name: string, store: string, { cursor: { append, cursor }, offset }: HeldPosition): Outcome {
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

async function importOffset(context: OffsetsContext, store: PositionStore): Promise<Outcome> {
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
