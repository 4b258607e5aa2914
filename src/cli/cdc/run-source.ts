import type { PostgresOptions } from '../../capture/postgres/options.ts'
import { DEFAULT_TYPE_OPTIONS } from '../../capture/postgres/types/options.ts'
import type { PostgresOptions as Connection } from '../postgres-options.ts'

export interface SourceNames {
  readonly name: string
  /** Null: after the name. */
  readonly slot: string | null
  readonly publication: string | null
  /** Patterns as on the command line. */
  readonly tables: readonly string[]
  /** Columns without a type mapping are left out, with a warning, instead of refused. */
  readonly ignoreUnsupported?: boolean
}

/** Options of the Postgres adapter for `cdc run`: everything that the lake can hold is captured, with the source's own types. */
export function sourceOptions(connection: Connection, names: SourceNames): PostgresOptions {
  const { ssl, ...where } = connection
  const tls = ssl === false ? false : { ...ssl, verifyName: ssl.checkServerIdentity === undefined }
  const id = identifier(names.name)
  return {
    ...where,
    password: connection.password ?? null,
    ssl: tls,
    slot: names.slot ?? id,
    publication: names.publication ?? id,
    publicationMode: 'filtered',
    createSlot: true,
    tables: { kind: 'patterns', patterns: names.tables.join(',') },
    snapshot: 'initial',
    types: DEFAULT_TYPE_OPTIONS,
    unsupported: names.ignoreUnsupported === true ? 'omit' : 'refuse',
    budgetBytes: 4 << 20,
  }
}

/** A slot's name may hold a-z, 0-9 and _ only, at most 63. */
function identifier(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9_]/g, '_')
    .slice(0, 63)
}
