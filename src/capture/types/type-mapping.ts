import type { ValueEncoder } from '../../contract/change.ts'
import type { ConnectSchema } from '../../contract/connect-schema.ts'

/** How values of one PG type (with its modifier) are shown: schema without optionality and default, and the bytes. */
export interface TypeMapping {
  readonly schema: Omit<ConnectSchema, 'optional' | 'default'>
  readonly encode: ValueEncoder
  readonly encodeSnapshot?: ValueEncoder
  /** Avro binary of what stands for null in a NOT NULL column without default. */
  readonly fallback: Uint8Array
  /** Avro binary of the placeholder for a value that is not in the log; null: shown as null. */
  readonly unavailable: Uint8Array | null
}
