import type { CodeEntry } from './code-entry.ts'

/** Codes TRB-STORE-… */
export const STORE_CODES = {} as const satisfies Record<string, CodeEntry>
