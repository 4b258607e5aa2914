import type { CodeEntry } from './code-entry.ts'

/** Signals, and the snapshots that they ask for. */
export const SIGNAL_CODES = {
  'TRB-SIG-001': {
    what: 'The progress of an incremental snapshot cannot be read: {reason}',
    why: 'The position holds {text}, which this version did not write.',
    safe: 'Nothing was read or written; the position is unchanged.',
    fix: 'Start with the version that wrote it, or let the snapshot go: cdc offsets export --name NAME, then cdc offsets import.',
    retry: 'never',
    exit: 5,
  },
  'TRB-SIG-002': {
    what: 'There is no signal table {table}',
    why: 'Signals are rows of a table that the run reads with the changes of the others.',
    safe: 'Nothing was changed.',
    fix: '{sql}',
    retry: 'never',
    exit: 2,
  },
  'TRB-SIG-003': {
    what: 'Table {table} cannot be read in chunks: {reason}',
    why: 'An incremental snapshot goes through a table in the order of a key, and finds by it the rows that change meanwhile.',
    safe: 'The stream goes on; the other tables are read.',
    fix: 'Give the table a primary key, or name a unique column that is NOT NULL: "surrogate-key":"COLUMN" in the data of the signal.',
    retry: 'never',
    exit: 2,
  },
  'TRB-SIG-004': {
    what: 'An incremental snapshot that writes nothing needs GTIDs',
    why: 'Without them the server does not tell which transactions a reader of its tables can see.',
    safe: 'The stream goes on.',
    fix: 'SET PERSIST gtid_mode = OFF_PERMISSIVE, then ON_PERMISSIVE, then ON; or leave out read.only and name a signal table that may be written.',
    retry: 'never',
    exit: 2,
  },
} as const satisfies Record<string, CodeEntry>
