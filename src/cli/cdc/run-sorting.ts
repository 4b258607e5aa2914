import { Failure } from '../../failure/failure.ts'

/** `schema.table` → columns that its rows are sorted by. */
export type Sorting = Readonly<Record<string, readonly string[]>>

/** Reads `--cluster-sort`. Fails with TRB-CLI-004. */
export function sortingOf(command: string, values: readonly string[]): Sorting {
  const out: Record<string, readonly string[]> = {}
  for (const value of values) {
    const at = value.lastIndexOf('=')
    const name = value.slice(0, Math.max(0, at))
    const columns = value.slice(at + 1).split('+')
    if (!/^[^.]+\..+$/.test(name) || name in out || columns.includes('')) {
      const expected = 'schema.table=COLUMN or schema.table=COLUMN+COLUMN, once for a table'
      throw new Failure('TRB-CLI-004', { command, where: '--cluster-sort', value: JSON.stringify(value), expected })
    }
    out[name] = columns
  }
  return out
}
