import type { LakeColumn } from '../../contract/columns.ts'
import type { TableSpec } from '../../contract/table.ts'
import { Failure } from '../../failure/failure.ts'
import { partitionColumns } from '../../lake/index/partition-path.ts'
import { BAG_KEY_COLUMN, PARTITION_COLUMN } from '../../lake/layout/table-properties.ts'
import { typeText, widerType } from '../../lake/merge/fit.ts'
import { parseTypes } from './type-list.ts'
import type { WriteContext } from './write-flags.ts'
import type { WriteInput } from './write-input.ts'

/** Bytes of input per file group of a new table: what a base file then comes to. */
const BUCKET_BYTES = 100_000_000

/**
 * Columns of the input as they are to be stored: the table's type, else the declared, else the guessed one. Fails with TRB-LAKE-063 when the input
 * lacks a column of key, partitioning or ordering (a delete takes the key alone), TRB-LAKE-065 when a flag contradicts the table.
 */
export function inputColumns(context: WriteContext, input: WriteInput, table: TableSpec | null): readonly LakeColumn[] {
  const { flags, command } = context
  const declared = flags.types === null ? [] : parseTypes(command, flags.types)
  if (table === null && flags.key.length === 0) throw new Failure('TRB-CLI-005', { command, what: '--key', env: 'TRIBUTARY_KEY' })
  if (table !== null) checkAgainst(context, table, declared)
  const types = new Map([...declared, ...(table?.columns ?? [])].map((c) => [c.name, c]))
  const columns = input.columns
    .filter((c) => c.name !== BAG_KEY_COLUMN && c.name !== PARTITION_COLUMN)
    .map((c) => typed(input, c, types.get(c.name) ?? null))
  const must = (names: readonly string[], role: string): void => {
    for (const column of names) {
      if (columns.some((c) => c.name === column)) continue
      const found = columns.map((c) => c.name).slice(0, 40)
      const details = { input: input.name, column, role, table: table?.name ?? 'the new table', found: found.join(', ') || 'none' }
      throw new Failure('TRB-LAKE-063', details)
    }
  }
  must(table?.key ?? flags.key, 'a key column')
  if (flags.op === 'delete') return columns.filter((c) => table!.key.includes(c.name))
  const partition = table === null ? (flags.partition === null ? [] : [flags.partition]) : partitionColumns(table.partition)
  must(partition, partition.length > 1 ? 'a partition column' : 'the partition column')
  const ordering = (table === null ? flags.ordering : table.orderingField) ?? ''
  must(ordering === '' ? [] : [ordering], 'the ordering column')
  return columns
}

/** A column of the input as it is to be stored: as the table has it, or, where the input has a type of its own, wide enough for both. */
function typed(input: WriteInput, own: LakeColumn, known: LakeColumn | null): LakeColumn {
  if (known === null) return own
  if (!input.typed) return known
  const type = widerType(known.type, own.type)
  if (type !== null) return { ...known, type }
  const problem = `its column ${own.name} is ${typeText(own.type)}, which ${typeText(known.type)} does not hold, nor the other way`
  throw new Failure('TRB-LAKE-061', { input: input.name, row: 0, problem })
}

function checkAgainst(context: WriteContext, table: TableSpec, declared: readonly LakeColumn[]): void {
  const { flags } = context
  const differs = (what: string, is: string, wanted: string): never => {
    throw new Failure('TRB-LAKE-065', { table: table.name, difference: `${what} is ${is || 'none'}, wanted ${wanted}` })
  }
  if (table.key.length === 0) differs('its key', '', flags.key.join(',') || 'any: its rows are told apart by their content')
  if (flags.key.length > 0 && flags.key.join(',') !== table.key.join(',')) differs('its key', table.key.join(','), flags.key.join(','))
  const partition = partitionColumns(table.partition).join(',')
  if (flags.partition !== null && flags.partition !== partition) differs('its partition column', partition, flags.partition)
  if (flags.ordering !== null && flags.ordering !== table.orderingField) differs('its ordering column', table.orderingField, flags.ordering)
  const type = table.tableType === 'MERGE_ON_READ' ? 'mor' : 'cow'
  if (flags['table-type'] !== null && flags['table-type'] !== type) differs('its type', type, flags['table-type'])
  const version = flags['table-version']
  if (version !== null && version !== String(table.tableVersion)) differs('its version', String(table.tableVersion), version)
  for (const d of declared) {
    const known = table.columns.find((c) => c.name === d.name)
    if (known !== undefined && JSON.stringify(known.type) !== JSON.stringify(d.type))
      differs(`column ${d.name}`, known.type.kind, d.type.kind)
  }
}

/** The table that the flags ask for. `bytes`: of the input. */
export function newSpec(context: WriteContext, root: string, columns: readonly LakeColumn[], bytes: number): TableSpec {
  const { flags, command } = context
  if (flags['table-type'] === 'mor' && flags.ordering === null) {
    // Without it readers cannot agree which of two rows is the newer one; some then show both.
    throw new Failure('TRB-CLI-005', { command, what: '--ordering for a merge-on-read table', env: 'TRIBUTARY_ORDERING' })
  }
  return {
    name: flags.name ?? root.replace(/\/+$/, '').replace(/^.*\//, ''),
    database: '',
    path: '',
    columns,
    key: flags.key,
    orderingField: flags.ordering ?? '',
    partition: flags.partition === null ? null : { column: flags.partition, truncate: 'none' },
    buckets: flags.buckets > 0 ? flags.buckets : Math.max(1, Math.ceil(bytes / BUCKET_BYTES)),
    tableType: flags['table-type'] === 'mor' ? 'MERGE_ON_READ' : 'COPY_ON_WRITE',
    tableVersion: flags['table-version'] === '9' ? 9 : 6,
  }
}
