import type { CodeEntry } from './code-entry.ts'

/** Codes TRB-LOG-… */
export const LOG_CODES = {
  'TRB-LOG-001': {
    what: 'The state directory {dir} is in use by process {pid} ({command}, started {started}).',
    why: 'Only one process may append to a log; two would give the same offsets to different records.',
    safe: 'Nothing was read or changed; the other process goes on undisturbed.',
    fix: 'Stop process {pid} (kill -INT {pid} drains and commits), or give this run its own directory: --state DIR',
    retry: 'manual',
    exit: 3,
  },
  'TRB-LOG-002': {
    what: 'The log {file} is damaged: {detail}.',
    why: 'What was read back from the disk is not what was written (failing disk, a copy of a running log, or a foreign edit).',
    safe: 'The lake is whole up to its newest watermark. The damaged records were not used and nothing was acknowledged to the source because of them.',
    fix: 'Restore {file} with its -wal file from a backup; or move the state directory away and take a new snapshot: mv "{dir}" "{dir}.damaged" and run the same command again.',
    retry: 'never',
    exit: 3,
  },
  'TRB-LOG-003': {
    what: 'No space left for the log {file}.',
    why: 'The disk (or quota) that holds the state directory is full.',
    safe: 'Everything appended before is whole; the records that did not fit were not acknowledged, so the source keeps them.',
    fix: 'Free space on the disk of {dir} or lower retention (--log-retention-bytes), then run the same command again.',
    retry: 'manual',
    exit: 3,
  },
  'TRB-LOG-004': {
    what: '{file} has log format {found}; this version reads format {known}.',
    why: 'The file was written by another version of Tributary, or is not a Tributary log.',
    safe: 'The file was not changed.',
    fix: 'Use the version that wrote it, or give this run a new directory: --state DIR',
    retry: 'never',
    exit: 2,
  },
  'TRB-LOG-005': {
    what: 'The state directory {dir} cannot be used: {detail}.',
    why: 'It could not be created, or this user may not write in it.',
    safe: 'Nothing was changed.',
    fix: 'Give this user the rights (chown -R "$USER" "{dir}"), or choose another directory: --state DIR',
    retry: 'never',
    exit: 3,
  },
  'TRB-LOG-006': {
    what: 'Offset {offset} of {topic} is no longer in the log; it starts at {start}.',
    why: 'Retention removed the records, or the log belongs to another lake.',
    safe: 'Nothing was changed.',
    fix: 'Ask for a position at or after the start of the log; for a lake that has lost its log take a new snapshot into a new --state DIR.',
    retry: 'never',
    exit: 1,
  },
  'TRB-LOG-007': {
    what: 'There is no log in {dir}.',
    why: 'No tributary.db is there: the directory is not the --state of a cdc run, or nothing was captured yet.',
    safe: 'Nothing was changed.',
    fix: 'Give the directory that cdc run uses: --state DIR',
    retry: 'never',
    exit: 2,
  },
  'TRB-LOG-008': {
    what: 'Reading or writing the log {file} failed: {detail}.',
    why: 'The operating system or SQLite refused the operation ({sqlite}).',
    safe: 'Everything appended before is whole; nothing was acknowledged for the failed append.',
    fix: 'Look at the disk (dmesg, mount options), then run the same command again.',
    retry: 'manual',
    exit: 3,
  },
} as const satisfies Record<string, CodeEntry>
