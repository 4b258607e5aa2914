import type { TableSpec } from '../../contract/table.ts'
import { Failure } from '../../failure/failure.ts'

type Partition = NonNullable<TableSpec['partition']>

/** `schema.table` → how a new lake table of it is partitioned. */
export type Partitions = Readonly<Record<string, Partition>>

// table=column, or table=day(column), month(column), year(column)
const FORM = /^([^=]+\.[^=]+)=(?:(day|month|year)\((.+)\)|([^()]+))$/

/** Reads `--partition`. Fails with TRB-CLI-004. */
export function partitionsOf(command: string, values: readonly string[]): Partitions {
  const out: Record<string, Partition> = {}
  for (const value of values) {
    const m = FORM.exec(value)
    if (m === null || m[1] in out) {
      const expected = 'schema.table=COLUMN or schema.table=day(COLUMN), month(COLUMN), year(COLUMN), once for a table'
      throw new Failure('TRB-CLI-004', { command, where: '--partition', value: JSON.stringify(value), expected })
    }
    const column = m[3] ?? m[4]
    out[m[1]] = { column, truncate: (m[2] as Partition['truncate'] | undefined) ?? 'none' }
  }
  return out
}

/** Tables with a partitioning that are not among the captured ones. */
export function unmetPartitions(partitions: Partitions, captured: readonly string[]): readonly string[] {
  return Object.keys(partitions).filter((name) => !captured.includes(name))
}

/** What is said of such a name where tables are about to be made: TRB-CLI-004. */
export function notCaptured(command: string, name: string, captured: readonly string[]): Failure {
  const list = captured.length > 20 ? `${captured.slice(0, 20).join(', ')}, …` : captured.join(', ')
  return new Failure('TRB-CLI-004', {
    command,
    where: '--partition',
    value: JSON.stringify(name),
    expected: `a table that --tables chooses: ${list}`,
  })
}
