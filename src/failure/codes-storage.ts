import type { CodeEntry } from './failure.ts'

/** Codes TRB-STORE-… */
export const STORE_CODES = {} as const satisfies Record<string, CodeEntry>
