import type { CodeEntry } from './code-entry.ts'

/** Codes TRB-PG-… */
export const PG_CODES = {} as const satisfies Record<string, CodeEntry>
