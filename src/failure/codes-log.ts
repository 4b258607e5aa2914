import type { CodeEntry } from './failure.ts'

/** Codes TRB-LOG-… */
export const LOG_CODES = {} as const satisfies Record<string, CodeEntry>
