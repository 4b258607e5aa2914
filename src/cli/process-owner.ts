import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Owner, OwnerProbe } from '../lake/lake-lock.ts'

/**
 * Who this process is, and whether another one still lives. A process is known by its id, host and start time, so that a later process
 * with the same id is not taken for it. The start time is the kernel's (Linux: field 22 of /proc/pid/stat, with the boot's id).
 */
export function processProbe(): OwnerProbe {
  const host = hostname()
  const started = startOf(process.pid)
  return {
    self: { pid: process.pid, host, started: started ?? 'unknown' },
    isAlive(owner: Owner): boolean | null {
      if (owner.host !== host) return null
      if (started === null || owner.started === 'unknown') return exists(owner.pid)
      return startOf(owner.pid) === owner.started
    },
  }
}

/** Null: no such process, or a system without /proc. */
function startOf(pid: number): string | null {
  const stat = readOrNull(`/proc/${pid}/stat`)
  if (stat === null) return null
  // The second field is the command in parentheses and may hold anything; the start time is the 20th field after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // A zombie has ended; only its parent has not asked yet.
  if (fields[0] === 'Z' || fields[0] === 'X') return null
  return `${readOrNull('/proc/sys/kernel/random/boot_id')?.trim() ?? ''} ${fields[19]}`
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (e) {
    // EPERM: it exists, and belongs to another user.
    return (e as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function readOrNull(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ESRCH') return null
    throw e
  }
}
