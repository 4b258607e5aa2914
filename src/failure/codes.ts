import type { CodeEntry } from './code-entry.ts'
import { CLI_CODES } from './codes-cli.ts'
import { ENVELOPE_CODES } from './codes-envelope.ts'
import { INGEST_CODES } from './codes-ingest.ts'
import { KAFKA_CODES } from './codes-kafka.ts'
import { LAKE_CODES } from './codes-lake.ts'
import { LAKE_VERB_CODES } from './codes-lake-verbs.ts'
import { LOG_CODES } from './codes-log.ts'
import { MYSQL_CODES } from './codes-mysql.ts'
import { PG_CODES } from './codes-postgres.ts'
import { QUERY_CODES } from './codes-query.ts'
import { REGISTRY_CODES } from './codes-registry.ts'
import { SIGNAL_CODES } from './codes-signal.ts'
import { STORE_CODES } from './codes-storage.ts'

/** Every failure the product can report. docs/errors.md is generated from this table; a code is never reused or renamed. */
export const CODES = {
  'TRB-INT-001': {
    what: 'Internal check failed: {invariant}',
    why: 'A rule that the code relies on did not hold: this is a defect of Tributary.',
    safe: 'Nothing after the last completed commit was made visible or acknowledged.',
    fix: 'Restart the command; if it happens again report it with this text and the stack trace.',
    retry: 'never',
    exit: 1,
  },
  ...CLI_CODES,
  ...PG_CODES,
  ...MYSQL_CODES,
  ...ENVELOPE_CODES,
  ...LOG_CODES,
  ...STORE_CODES,
  ...LAKE_CODES,
  ...LAKE_VERB_CODES,
  ...INGEST_CODES,
  ...QUERY_CODES,
  ...KAFKA_CODES,
  ...REGISTRY_CODES,
  ...SIGNAL_CODES,
} as const satisfies Record<string, CodeEntry>

export type FailureCode = keyof typeof CODES
