// npm test [-- names or vitest flags]        everything that needs nothing but npm
//   --projects=pure,pg,s3,kafka,mysql,interop   which suites (default pure,pg)      --strict or TRIBUTARY_TEST_STRICT=1   skipped is failed
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packagedBinaries } from '../scripts/embedded-postgres.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

interface JsonReport {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message?: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

interface Outcome {
  passed: number
  failed: number
  readonly skipped: string[]
}

function runVitest(projects: readonly string[], args: readonly string[], report: string): Promise<number> {
  const cli = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  // The Postgres suites wait for servers and processes a third of their time: one worker more than the config's two.
  const workers = projects.includes('pg') ? ['--maxWorkers=3'] : []
  const flags = [
    'run',
    ...workers,
    ...projects.map((p) => `--project=${p}`),
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ]
  // Where the programs keep what Node made of their TypeScript: scripts that tests start find it there too.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'tributary') }
  const child = spawn(process.execPath, [cli, ...flags, ...args], { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] })
  // The report is the last thing it writes; whatever keeps it from ending after that is no test's business.
  const watch = setInterval(() => {
    if (!existsSync(report) || Date.now() - statSync(report).mtimeMs < 30_000) return
    console.log('vitest did not end within 30 s after its report: stopped')
    child.kill('SIGKILL')
  }, 1000)
  return new Promise((done) => {
    const end = (code: number): void => {
      clearInterval(watch)
      done(code)
    }
    child.once('error', () => end(1))
    child.once('exit', (code, signal) => end(signal === 'SIGKILL' && existsSync(report) ? 0 : (code ?? 1)))
  })
}

/** A suite that could not even be loaded has no tests to count: it is one failure. */
function count(report: JsonReport): Outcome {
  const out: Outcome = { passed: 0, failed: 0, skipped: [] }
  for (const file of report.testResults) {
    const before = out.failed
    for (const t of file.assertionResults) {
      if (t.status === 'passed') out.passed++
      else if (t.status === 'failed') out.failed++
      else out.skipped.push(`${relative(root, file.name)}: ${t.fullName}`)
    }
    if (file.status === 'failed' && out.failed === before) out.failed++
  }
  return out
}

function postgresMissing(): string | null {
  if (process.env['TRIBUTARY_TEST_PG_URL'] !== undefined || process.env['TRIBUTARY_TEST_PG_BIN'] !== undefined) return null
  try {
    packagedBinaries()
    return null
  } catch (e) {
    return (e as Error).message
  }
}

/** Why what a script of test/services installs is not there; null: it is. */
function scriptMissing(script: string, what: string): string | null {
  const found = spawnSync('bash', [join(root, 'test/services', script), 'bin'], { timeout: 30_000 })
  return found.status === 0 ? null : `${what} is not installed (bash test/services/${script} install)`
}

/** Suites that need a service: their name in what was skipped, and what of it is missing. The interop suites install what they need. */
const SERVICES: readonly (readonly [project: string, suites: string, missing: () => string | null])[] = [
  ['pg', 'the Postgres suites (*.pg.test.ts)', postgresMissing],
  ['s3', 'the S3 suites (*.s3.test.ts)', () => scriptMissing('s3.sh', 'the S3 server')],
  ['kafka', 'the Kafka suites (*.kafka.test.ts)', () => scriptMissing('kafka.sh', 'Kafka')],
  [
    'mysql',
    'the MySQL and MariaDB suites (*.mysql.test.ts)',
    () => scriptMissing('mysql.sh', 'MySQL') ?? scriptMissing('mariadb.sh', 'MariaDB'),
  ],
]

async function main(): Promise<number> {
  const own = (a: string): boolean => a.startsWith('--projects=') || a === '--strict'
  const args = process.argv.slice(2)
  const strict = args.includes('--strict') || process.env['TRIBUTARY_TEST_STRICT'] === '1'
  let projects = (args.find((a) => a.startsWith('--projects='))?.slice('--projects='.length) ?? 'pure,pg').split(',')
  const absent: string[] = []
  for (const [project, suites, missing] of SERVICES) {
    const why = projects.includes(project) ? missing() : null
    if (why === null) continue
    projects = projects.filter((p) => p !== project)
    absent.push(`${suites}: ${why}`)
  }
  const scratch = mkdtempSync(join(tmpdir(), 'tributary-test-'))
  try {
    const file = join(scratch, 'report.json')
    const exit = await runVitest(
      projects,
      args.filter((a) => !own(a)),
      file,
    )
    const { passed, failed, skipped } = count(JSON.parse(readFileSync(file, 'utf8')) as JsonReport)
    for (const s of [...absent, ...skipped]) console.log(`skipped: ${s}`)
    // vitest also fails for what belongs to no test: an unhandled rejection, a set-up that threw, no test found.
    const outside = exit !== 0 && failed === 0 ? 1 : 0
    const bad = failed + outside + (strict ? absent.length + skipped.length : 0)
    console.log(`${passed} passed, ${bad} failed`)
    return bad === 0 ? 0 : 1
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

process.exitCode = await main()
