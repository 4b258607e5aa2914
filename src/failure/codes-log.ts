import type { CodeEntry } from './code-entry.ts'

/** Codes TRB-LOG-… */
export const LOG_CODES = {} as const satisfies Record<string, CodeEntry>
