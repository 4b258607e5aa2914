import type { CodeEntry } from './failure.ts'

/** Codes TRB-LAKE-… */
export const LAKE_CODES = {} as const satisfies Record<string, CodeEntry>
