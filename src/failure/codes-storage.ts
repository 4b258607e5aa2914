import type { CodeEntry } from './code-entry.ts'

/** Codes TRB-STORE-… */
export const STORE_CODES = {
  'TRB-STORE-001': {
    what: 'No such object: {key} in {root}',
    why: 'A file that the lake refers to is not in the store: it was deleted by hand, or by another engine while it was still referred to.',
    safe: 'Nothing was changed.',
    fix: 'Check the path; if a cleaner of another engine removed it, query a newer state (lake timeline --lake URI lists the commits).',
    retry: 'never',
    exit: 1,
  },
  'TRB-STORE-002': {
    what: 'Access to {key} in {root} was denied ({system})',
    why: 'The process may not read or write there.',
    safe: 'Nothing was changed by the refused call; everything committed before is whole.',
    fix: 'Give the user that runs this command read and write permission: chown -R "$(id -u)" {root}',
    retry: 'manual',
    exit: 3,
  },
  'TRB-STORE-003': {
    what: 'No space left in {root} while writing {key} ({system})',
    why: 'The disk (or the quota of the user) is full.',
    safe: 'All completed commits are whole; the file that was being written is not visible.',
    fix: 'Free space (df -h {root}), then start the command again: it goes on where it stopped.',
    retry: 'manual',
    exit: 3,
  },
  'TRB-STORE-004': {
    what: 'The store {root} failed on {key}: {system}',
    why: 'The file system or the service behind it reported an error.',
    safe: 'All completed commits are whole; a write that got no answer is checked before it is repeated.',
    fix: 'Check the device or the service (dmesg, mount), then start the command again.',
    retry: 'timed',
    exit: 3,
  },
  'TRB-STORE-005': {
    what: 'The object {key} exists already in {root}',
    why: 'A data file with a name that must be unique was about to be overwritten.',
    safe: 'The existing object is unchanged.',
    fix: 'Start the command again; if it repeats, another process writes the same lake: stop it.',
    retry: 'never',
    exit: 1,
  },
  'TRB-STORE-006': {
    what: 'A part of the path {root}/{key} is a file, not a directory',
    why: 'A lake is a directory on disk, and its tables are directories in it.',
    safe: 'Nothing was changed.',
    fix: 'Give the directory of the lake: --lake /path/to/lake',
    retry: 'never',
    exit: 2,
  },
  'TRB-STORE-007': {
    what: 'The key "{key}" is not a valid object name',
    why: "Empty parts, '.' and '..' would name something outside the store or the same object twice.",
    safe: 'Nothing was changed.',
    fix: 'Use a path without empty parts, "." and "..".',
    retry: 'never',
    exit: 2,
  },
  'TRB-STORE-008': {
    what: 'The file system of {root} has no hard links ({system} on {key})',
    why: 'An object appears by link(2), the one call of a file system that creates a whole file and fails when the name is taken. FAT, exFAT and some network shares lack it.',
    safe: 'Nothing was changed.',
    fix: 'Put the lake on a file system with hard links (ext4, xfs, btrfs, zfs, apfs, NFS): --lake /path/on/such/a/disk',
    retry: 'never',
    exit: 3,
  },
} as const satisfies Record<string, CodeEntry>
