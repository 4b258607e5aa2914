import { Failure } from '../../failure/failure.ts'
import type { ContextWith, Outcome } from '../verb.ts'
import { tableId } from './signal-flags.ts'
import { sourceAdapter } from './sources.ts'

export interface SendSignalFlags {
  readonly source: string
  readonly url: string | null
  readonly name: string
  readonly 'signal-table': string
  readonly tables: readonly string[]
  readonly where: string | null
  readonly 'surrogate-key': string | null
  readonly message: string | null
}

const SNAPSHOTS = ['execute-snapshot', 'stop-snapshot', 'pause-snapshot', 'resume-snapshot']

/** `cdc signal`: one row for the signal table. Fails with TRB-SIG-002 when there is no such table. */
export async function sendSignal(context: ContextWith<SendSignalFlags>): Promise<Outcome> {
  const { flags, command } = context
  const action = context.args[0]
  const adapter = await sourceAdapter(flags.source)
  const others = {
    'slot-name': null,
    publication: null,
    'server-id': null,
    'snapshot-locking': 'minimal',
    'ignore-unsupported-types': true,
  }
  const asked = { ...others, url: flags.url, name: flags.name, tables: ['*'], 'signal-table': flags['signal-table'] }
  const kind = adapter.fromFlags(flags.source, asked, context.env, { kind: 'run', snapshot: null })
  if (kind.password !== null) context.secret(kind.password)
  const data = dataOf(command, action, flags, kind.schema)
  const id = context.clock.uuid()
  const { sql } = await kind.signal({ id, type: action, data: JSON.stringify(data) })
  const then = 'A run with this --signal-table obeys it when its stream comes there.'
  return { summary: `signal ${id} written`, result: { id, type: action, data, sql }, text: `${sql};\n${then}` }
}

function dataOf(command: string, action: string, flags: SendSignalFlags, schema: string | null): object {
  if (action === 'log') return { message: flags.message ?? 'at {}' }
  if (!SNAPSHOTS.includes(action)) {
    throw new Failure('TRB-CLI-004', { command, where: 'ACTION', value: action, expected: `one of ${[...SNAPSHOTS, 'log'].join(', ')}` })
  }
  const type = { type: 'incremental' }
  if (action === 'pause-snapshot' || action === 'resume-snapshot') return type
  const collections = flags.tables.map((t) => expression(command, t, schema))
  if (action === 'stop-snapshot') return collections.length === 0 ? type : { 'data-collections': collections, ...type }
  if (collections.length === 0) {
    throw new Failure('TRB-CLI-004', { command, where: '--tables', value: 'nothing', expected: 'tables to be read, as schema.table' })
  }
  const conditions = flags.where === null ? [] : collections.map((c) => ({ 'data-collection': c, filter: flags.where }))
  return {
    'data-collections': collections,
    ...type,
    ...(conditions.length === 0 ? {} : { 'additional-conditions': conditions }),
    ...(flags['surrogate-key'] === null ? {} : { 'surrogate-key': flags['surrogate-key'] }),
  }
}

/** The regular expression for `schema.table` with * for any text. */
function expression(command: string, glob: string, schema: string | null): string {
  const id = tableId(glob, schema)
  if (id === null) throw new Failure('TRB-CLI-004', { command, where: '--tables', value: glob, expected: 'a name as schema.table' })
  return `${id.schema}.${id.table}`.replace(/[\\^$+?.()|[\]{}]/g, '\\$&').replaceAll('*', '.*')
}
