import type { CodeEntry } from './failure.ts'

/** Codes TRB-QUERY-… */
export const QUERY_CODES = {} as const satisfies Record<string, CodeEntry>
