import type { CodeEntry } from './failure.ts'

/** Codes TRB-PG-… */
export const PG_CODES = {} as const satisfies Record<string, CodeEntry>
