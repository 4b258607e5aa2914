import { type TableSelection, tableMatcher } from '../../capture/select-tables.ts'
import type { SignalOptions } from '../../capture/signal/signal-options.ts'
import type { TableId } from '../../contract/change.ts'
import { Failure } from '../../failure/failure.ts'
import { bool, integer, text } from '../flag.ts'

/** Flags of `cdc run` about signals. */
export const signalFlags = {
  'signal-table': text({
    help: 'table whose new rows are signals, as schema.table (cdc signal writes them): snapshots of single tables while the stream goes on',
    placeholder: 'TABLE',
  }),
  'signal-read-only': bool({
    help: 'write no marks of incremental snapshots into the signal table: positions of the source tell where a chunk belongs (MySQL: needs GTIDs)',
  }),
  'signal-chunk-rows': integer({ help: 'rows of an incremental snapshot that are read at once', default: 8192, min: 1, max: 1_000_000 }),
}

/** Undefined: no signals. @param schema of a name without one */
export function signalsOfFlags(
  flags: { readonly 'signal-table'?: string | null; readonly 'signal-read-only'?: boolean; readonly 'signal-chunk-rows'?: number },
  schema: string | null,
  tables: TableSelection,
): SignalOptions | undefined {
  const name = flags['signal-table'] ?? null
  if (name === null) return undefined
  const table = tableId(name, schema)
  if (table === null) throw new Failure('TRB-ENV-002', { option: '--signal-table', value: name, supported: 'a name as schema.table' })
  return {
    table,
    hidden: !tableMatcher(tables).matches(table.schema, table.table),
    chunkRows: flags['signal-chunk-rows'] ?? 8192,
    readOnly: flags['signal-read-only'] === true,
    strategy: 'insert_insert',
    exact: false,
  }
}

/** `schema.table`, of which the schema may be left out when there is a usual one; null: no such name. */
export function tableId(name: string, schema: string | null): TableId | null {
  const dot = name.indexOf('.')
  if (dot < 0) return schema === null || name === '' ? null : { schema, table: name }
  return dot === 0 || dot === name.length - 1 ? null : { schema: name.slice(0, dot), table: name.slice(dot + 1) }
}

/** Settings of a Debezium configuration that are read here. */
export const SIGNAL_SETTINGS = [
  'signal.data.collection',
  'signal.enabled.channels',
  'signal.poll.interval.ms',
  'read.only',
  'incremental.snapshot.chunk.size',
  'incremental.snapshot.watermarking.strategy',
]

/** Undefined: no signals. Fails with TRB-ENV-002 for what is not supported: other channels than `source`. */
export function signalsOfConfig(config: ReadonlyMap<string, string>): SignalOptions | undefined {
  const value = (option: string, otherwise: string, supported: RegExp, text: string): string => {
    const found = config.get(option)?.trim() ?? otherwise
    if (!supported.test(found)) throw new Failure('TRB-ENV-002', { option, value: found, supported: text })
    return found
  }
  const channels = value('signal.enabled.channels', 'source', /^source$/, 'source')
  const readOnly = value('read.only', 'false', /^(true|false)$/, 'true, false') === 'true'
  const rows = value('incremental.snapshot.chunk.size', '1024', /^[1-9]\d{0,6}$/, 'a number of rows')
  const strategy = value(
    'incremental.snapshot.watermarking.strategy',
    'insert_insert',
    /^insert_(insert|delete)$/i,
    'insert_insert, insert_delete',
  )
  const option = 'signal.data.collection'
  const name = config.get(option)?.trim()
  if (name === undefined || channels !== 'source') return undefined
  const table = tableId(name, null)
  if (table === null) throw new Failure('TRB-ENV-002', { option, value: name, supported: 'a name as schema.table' })
  return {
    table,
    hidden: false,
    chunkRows: Number(rows),
    readOnly,
    strategy: strategy.toLowerCase() as SignalOptions['strategy'],
    exact: true,
  }
}

/** The fields that are there. */
export function only<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, v]) => v !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> }
}
