// npm run check: types, lint, format and tidiness. Needs no service.
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const bin = (name: string): string => join(root, 'node_modules', '.bin', name)

const CHECKS: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ['types', bin('tsc'), '-p', '.'],
  ['types of timeline/ alone', bin('tsc'), '-p', 'timeline'],
  ['lint and format', bin('biome'), 'check', '--error-on-warnings', '--diagnostic-level=warn', '.'],
  ['tidy', process.execPath, join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', '--project=pure', 'test/tidy.test.ts'],
]

interface Result {
  readonly code: number
  readonly output: string
  readonly seconds: number
}

function run(command: string, args: readonly string[]): Promise<Result> {
  const start = performance.now()
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  const chunks: Buffer[] = []
  child.stdout.on('data', (c: Buffer) => chunks.push(c))
  child.stderr.on('data', (c: Buffer) => chunks.push(c))
  return new Promise((done) => {
    const end = (code: number, extra = ''): void =>
      done({ code, output: Buffer.concat(chunks).toString() + extra, seconds: (performance.now() - start) / 1000 })
    child.once('error', (e) => end(1, String(e)))
    child.once('close', (code) => end(code ?? 1))
  })
}

let failed = 0
for (const [name, command, ...args] of CHECKS) {
  const { code, output, seconds } = await run(command, args)
  if (code !== 0) {
    failed++
    console.log(output)
  }
  console.log(`${code === 0 ? '✓' : '✗'} ${name} (${seconds.toFixed(1)} s)`)
}
console.log(`${CHECKS.length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
