import type { Clock } from '../../src/contract/clock.ts'
import type { ObjectStore } from '../../src/contract/object-store.ts'
import { rowLines } from '../../src/format/json/row-lines.ts'
import { scanTable } from '../../src/lake/read/table-scan.ts'

/** Sorted rows of a table as JSON lines, with all meta columns but the name of the file. */
export async function tableRows(
  store: ObjectStore,
  table: string,
  clock: Clock,
  kind: 'snapshot' | 'read-optimized',
  asOf: string | null = null,
): Promise<string[]> {
  const scan = await scanTable(store, table, clock, { kind, asOf })
  const keep = scan.columns.flatMap((c, i) => (c.name === '_hoodie_file_name' ? [] : [i]))
  const text = rowLines(keep.map((i) => scan.columns[i]))
  const out: string[] = []
  for await (const { vectors, count } of scan.rows()) {
    const lines = text(
      keep.map((i) => vectors[i]),
      count,
    )
    out.push(...lines.split('\n').filter((l) => l !== ''))
  }
  return out.sort()
}
