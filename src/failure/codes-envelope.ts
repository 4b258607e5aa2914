import type { CodeEntry } from './code-entry.ts'

/** Codes TRB-ENV-…: values, schemas and records of the envelope. */
export const ENVELOPE_CODES = {
  'TRB-ENV-001': {
    what: 'A value of type {type} was not understood: {text}',
    why: 'The session sends this type in another text form than ISO dates, postgres intervals, hex bytea and C money, or the value is not one of the type.',
    safe: 'The transaction with this value was not written; the source position stays before it.',
    fix: 'Remove role or database settings that change the text form: ALTER ROLE <user> RESET datestyle; RESET intervalstyle; RESET bytea_output; RESET lc_monetary; then start again.',
    retry: 'never',
    exit: 3,
  },
  'TRB-ENV-002': {
    what: 'The setting {option}={value} is not supported',
    why: 'Supported values of {option}: {supported}. Going on with another value would change the shape of the events.',
    safe: 'Nothing was started.',
    fix: 'Set {option} to one of {supported}, or remove it to use the default.',
    retry: 'never',
    exit: 2,
  },
  'TRB-ENV-003': {
    what: 'Field {field} of schema {schema} has no column type in the lake: {type}',
    why: 'The value schema holds a type that the lake does not map.',
    safe: 'The table in the lake is unchanged; the records stay in the log.',
    fix: 'Leave the column out of the capture with --exclude-columns {schema}.{field}, then start again.',
    retry: 'never',
    exit: 1,
  },
  'TRB-ENV-004': {
    what: 'A record of topic {topic} could not be read: {reason}',
    why: 'The bytes are not a record in the Confluent wire format with the schema that they name.',
    safe: 'Nothing of this record was applied; the lake stays at its last commit.',
    fix: 'Check the topic for foreign writers; if it is the embedded log run: cdc verify --lake URI.',
    retry: 'never',
    exit: 1,
  },
  'TRB-ENV-005': {
    what: 'Column {column} of {table} is NOT NULL, but its value has no form in this mode: {value}',
    why: 'numeric NaN and infinity have no Avro decimal, timestamps beyond the range of a long have no number, and a NOT NULL field cannot be null.',
    safe: 'The transaction with this value was not written; the source position stays before it.',
    fix: 'Set decimal.handling.mode=double or decimal.handling.mode=string, or correct the row: UPDATE {table} SET "{column}" = 0 WHERE "{column}" = \'NaN\';',
    retry: 'never',
    exit: 1,
  },
  'TRB-ENV-006': {
    what: 'Schema id {id} is not in the registry',
    why: 'The records name a schema that the registry of this state directory or server does not hold.',
    safe: 'Nothing was read or changed.',
    fix: 'Point --registry (or --state) at the registry that the writer of this topic uses.',
    retry: 'manual',
    exit: 3,
  },
  'TRB-ENV-007': {
    what: 'The setting {option} of {file} is not supported yet',
    why: 'It would change the events or what is captured, and Tributary does not do that yet; leaving it out silently would give other events than Debezium.',
    safe: 'Nothing was started.',
    fix: 'Remove the line {option}=… from {file}, or stay with Debezium for this connector; docs/debezium-compat.md lists what is supported.',
    retry: 'never',
    exit: 2,
  },
  'TRB-ENV-008': {
    what: 'The saved position in {file} is not usable: {reason}',
    why: 'The file was changed or cut off, or was written for another connector.',
    safe: 'Nothing was started; the slot is unchanged.',
    fix: 'Delete {file} to start with a new snapshot, or restore it from a copy.',
    retry: 'never',
    exit: 2,
  },
} as const satisfies Record<string, CodeEntry>
