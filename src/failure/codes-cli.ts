import type { CodeEntry } from './failure.ts'

/** Codes TRB-CLI-… */
export const CLI_CODES = {} as const satisfies Record<string, CodeEntry>
