import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packagedBinaries, type RunningPostgres, startPostgres } from '../scripts/embedded-postgres.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
export const CDC = join(root, 'bin', 'cdc.mjs')

/** A server for a bench, and a client program of the same installation (pg_recvlogical, psql), null when there is none. */
export interface BenchServer {
  readonly server: RunningPostgres
  client(program: string): string | null
}

/** Debian's Postgres where there is one (it brings pg_recvlogical and psql), else the packaged one. */
export async function startBenchServer(): Promise<BenchServer> {
  const debian = debianBinaries()
  const settings = { shared_buffers: '512MB', max_wal_size: '8GB', checkpoint_timeout: '1h' }
  const server = await startPostgres({ bin: debian ?? packagedBinaries(), settings })
  const client = (program: string): string | null => (debian !== null && existsSync(join(debian, program)) ? join(debian, program) : null)
  return { server, client }
}

function debianBinaries(): string | null {
  try {
    const script = join(root, 'test', 'services', 'postgres.sh')
    return execFileSync('bash', [script, 'debian'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return null // no apt here: the reference is then named as absent
  }
}
