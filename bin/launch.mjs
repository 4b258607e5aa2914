// Starts a program under Node 24 or newer. This file must load on Node 12: no syntax or API newer than that.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import module from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const WANTED = 24
const here = dirname(fileURLToPath(import.meta.url))

/** Runs `src/cli/main-<program>.ts`: here when this Node can, else in the Node that npm installed beside us. */
export function launch(program) {
  const main = join(here, '..', 'src', 'cli', `main-${program}.ts`)
  if (Number(process.versions.node.split('.')[0]) >= WANTED) {
    keepCompiled()
    import(pathToFileURL(main).href)
      .then((m) => m.main(process.argv.slice(2)))
      .catch((e) => {
        process.stderr.write(`${e instanceof Error ? e.stack : e}\n`)
        process.exitCode = 1
      })
    return
  }
  const node = findNode()
  if (node === null) refuse(program)
  else relay(node, main)
}

/**
 * Node keeps what it made of our TypeScript (types stripped, bytecode) beside the installed packages, for the next start: a fifth of a
 * second of CPU for each thread. Where that directory cannot be written nothing is kept. src/cli/cdc/run-lake-entry.ts says the same for
 * its thread.
 */
function keepCompiled() {
  if (module.enableCompileCache) module.enableCompileCache(join(here, '..', 'node_modules', '.cache', 'tributary'))
}

/** The binary of the package node-linux-<arch> (an optional dependency), found as Node resolves packages: nearest node_modules upwards. */
function findNode() {
  const name = `node-${process.platform}-${process.arch}`
  for (let dir = here; ; dir = dirname(dir)) {
    const node = join(dir, 'node_modules', name, 'bin', 'node')
    if (existsSync(node)) return node
    if (dirname(dir) === dir) return null
  }
}

/** Text of TRB-CLI-012 in src/failure/codes-cli.ts, which this Node may not be able to read. A test holds the two together. */
function refuse(program) {
  const lines = [
    `✗ TRB-CLI-012  ${program} needs Node ${WANTED} or newer; this is Node ${process.versions.node}`,
    '  why    The program is TypeScript that Node ' +
      WANTED +
      ' runs as it is, and no node-' +
      process.platform +
      '-' +
      process.arch +
      ' package is installed beside it.',
    '  safe   Nothing was started.',
    '  fix    npm ci --include=optional   (installs Node ' +
      WANTED +
      ' beside the program on Linux x64 and arm64), or install Node ' +
      WANTED +
      ' from https://nodejs.org',
    '  more   docs/errors.md#trb-cli-012',
  ]
  process.stderr.write(`${lines.join('\n')}\n`)
  process.exitCode = 3
}

/**
 * The program in a child with our stdio. Arguments travel over the IPC channel, not the command line, so that a password in a
 * URL is in no second process list; signals travel there too (a terminal's Ctrl-C reaches the child on both ways, and the child
 * counts it once). When this process dies, the channel closes and the child leaves.
 */
function relay(node, main) {
  process.title = process.argv
    .slice(1)
    .map((a) => a.replace(/(\w:\/\/[^/?#\s]*?):[^/?#\s]*@/g, '$1:***@').replace(/([?&]password=)[^&#\s]*/gi, '$1***'))
    .join(' ')
  const child = spawn(node, [main, '--from-launcher'], { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  const forward = (signal) => {
    if (child.connected) child.send({ signal: signal })
  }
  for (const s of signals) process.on(s, forward)
  child.on('error', (e) => {
    process.stderr.write(`cannot start ${node}: ${e.message}\n`)
    process.exitCode = 3
  })
  child.send({ argv: process.argv.slice(2) }, (e) => {
    if (e) process.stderr.write(`cannot reach ${node}: ${e.message}\n`)
  })
  child.on('exit', (code, signal) => {
    for (const s of signals) process.removeListener(s, forward)
    if (signal !== null) process.kill(process.pid, signal)
    else process.exit(code)
  })
}
