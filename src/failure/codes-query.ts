import type { CodeEntry } from './code-entry.ts'

/** Codes TRB-QUERY-… */
export const QUERY_CODES = {} as const satisfies Record<string, CodeEntry>
