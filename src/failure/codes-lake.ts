import type { CodeEntry } from './code-entry.ts'

/** Codes TRB-LAKE-… */
export const LAKE_CODES = {} as const satisfies Record<string, CodeEntry>
