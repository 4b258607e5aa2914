import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import process from 'node:process'
import { errorCode } from './disk-failure.ts'

/** Identity of a process that a lock file can hold. */
export interface ProcessIdentity {
  readonly pid: number
  readonly host: string
  readonly started: string
}

/** This process, and whether one that a lock file names still runs on this host. Works on Linux and macOS. */
export function processProbe(): { readonly self: ProcessIdentity; isAlive(p: ProcessIdentity): boolean | null } {
  const host = hostname()
  const self = { pid: process.pid, host, started: startOf(process.pid) ?? 'unknown' }
  return {
    self,
    isAlive: (p) => {
      if (p.host !== host) return null
      const started = startOf(p.pid)
      // Process ids come again: another start is another process.
      return started !== null && (p.started === 'unknown' || started === 'unknown' || started === p.started)
    },
  }
}

/** When a process was started, as the system prints it; null: no such process, `unknown`: it runs but does not say. */
function startOf(pid: number): string | null {
  if (!runs(pid)) return null
  try {
    // Field 22 of stat, after the command in parentheses (which may hold spaces): clock ticks since boot; unique together with the boot.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}+${ticks}`
  } catch (e) {
    if (errorCode(e) !== 'ENOENT' && errorCode(e) !== 'EACCES') throw e
  }
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || null
  } catch (e) {
    // No ps, or the process ended meanwhile.
    if (!(e instanceof Error)) throw e
    return runs(pid) ? 'unknown' : null
  }
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (e) {
    return errorCode(e) === 'EPERM'
  }
}
