import type { Clock } from '../contract/clock.ts'
import type { ObjectStore } from '../contract/object-store.ts'
import type { TableSpec } from '../contract/table.ts'
import type { TableReader } from '../contract/table-reader.ts'
import { HOODIE_DIR, join } from './layout/paths.ts'
import { openTable } from './open-table.ts'
import { LakeTableReader } from './read/table-reader.ts'

/** The tables of a lake: every Hudi table below its root, whoever created it. */
export class LakeCatalog {
  readonly #store: ObjectStore
  readonly #clock: Clock

  constructor(store: ObjectStore, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /**
   * Paths of all tables below `prefix` ('' = the whole lake), sorted. Costs about two list calls per table, whatever the tables hold:
   * the first key below a table's `.hoodie/` is enough, the listing goes on behind the table. Tables inside tables are not looked for.
   */
  async *paths(prefix = ''): AsyncGenerator<string> {
    const under = prefix === '' ? '' : `${prefix}/`
    let after = ''
    for (let more = true; more; ) {
      more = false
      for await (const o of this.#store.list(under, after)) {
        const table = tableOf(o.key)
        if (table === null) continue
        if ((await this.#store.head(join(table, `${HOODIE_DIR}/hoodie.properties`))) !== null) yield table
        // '0' sorts just after '/': behind everything below the table. A table at the root of the lake is the only one.
        after = `${table}0`
        more = table !== under.slice(0, -1)
        break
      }
    }
  }

  /** Opens a table by its path: TRB-LAKE-001 when there is none, TRB-LAKE-002 when its version is unknown. */
  async open(path: string): Promise<{ readonly spec: TableSpec; readonly reader: TableReader }> {
    return { spec: await openTable(this.#store, path, this.#clock), reader: this.reader(path) }
  }

  reader(path: string): TableReader {
    return new LakeTableReader(this.#store, path, this.#clock)
  }
}

/** Path of the table in whose `.hoodie/` a key lies; null: in none. */
function tableOf(key: string): string | null {
  const parts = key.split('/')
  const at = parts.indexOf(HOODIE_DIR)
  return at < 0 ? null : parts.slice(0, at).join('/')
}
