import type { CodeEntry } from './code-entry.ts'

/** Codes TRB-CLI-… */
export const CLI_CODES = {} as const satisfies Record<string, CodeEntry>
