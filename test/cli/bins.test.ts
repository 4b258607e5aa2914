import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { CODES } from '../../src/failure/codes.ts'
import { envelope, repository, runBin } from './run-bin.ts'
import { runInProcess } from './run-in-process.ts'

const dir = mkdtempSync(join(tmpdir(), 'trib-bins-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** A Node before 24, when this machine has one. */
const oldNode = ['/usr/bin/node', '/usr/local/bin/node'].find((f) => {
  if (!existsSync(f)) return false
  return Number(/^v(\d+)/.exec(execFileSync(f, ['--version']).toString())?.[1]) < 24
})

describe('usage', () => {
  test('without a verb: help on stderr, exit 2; --help: on stdout, exit 0', async () => {
    const bare = await runInProcess('cdc', [])
    expect([bare.code, bare.stdout]).toEqual([2, ''])
    expect(bare.stderr).toContain('usage: cdc <verb>')
    const help = await runInProcess('lake', ['--help'])
    expect([help.code, help.stderr]).toEqual([0, ''])
    expect(help.stdout).toContain('query')
    expect((await runInProcess('lake', ['query', '-h'])).stdout).toContain('--as-of X\n')
    expect((await runInProcess('lake', ['help', 'query'])).stdout).toContain('env: TRIBUTARY_AS_OF')
    expect((await runInProcess('cdc', ['--version'])).stdout).toMatch(/^cdc \d+\.\d+\.\d+ \(node 2/)
  })

  test.each([
    ['TRB-CLI-001', ['qurey']],
    ['TRB-CLI-002', ['query', 'SELECT 1', '--asof', 'x']],
    ['TRB-CLI-003', ['query', 'SELECT 1', '--as-of', '--json']],
    ['TRB-CLI-004', ['query', 'SELECT 1', '--format', 'xml']],
    ['TRB-CLI-004', ['query', 'SELECT 1', '--lake', 'gs://bucket/lake']],
    ['TRB-CLI-005', ['query']],
    ['TRB-CLI-006', ['query', 'SELECT', '1']],
    ['TRB-CLI-007', ['query', 'SELECT 1', '--config', 'no-such-file.yaml']],
    ['TRB-CLI-010', ['query', 'SELECT 1', '--config', 'connector.properties']],
    ['TRB-CLI-013', ['query', 'SELECT 1', '--lake', 'a', '--lake', 'b']],
    ['TRB-CLI-014', ['--lake', 'x', 'query']],
    ['TRB-QUERY-001', ['query', 'SELECT 1', '--as-of', 'noon']],
    ['TRB-QUERY-002', ['query', 'SELECT 1', '--as-of', 'tx:5']],
    ['TRB-QUERY-007', ['query', "COPY (SELECT 1) TO 'x'"]],
    ['TRB-QUERY-008', ['query', 'SELECT 1', '--lake', 'nothing-here']],
    ['TRB-QUERY-011', ['query', 'SELECT 1', '--format', 'parquet']],
  ])('%s: exit 2, five texts on stderr, nothing on stdout: lake %j', async (code, args) => {
    const plain = await runInProcess('lake', args, { cwd: dir })
    // --json itself is the value that is missing in one of these: then the answer is an object.
    if (args.includes('--json')) return expect(envelope(plain).error).toMatchObject({ code })
    expect([plain.code, plain.stdout]).toEqual([2, ''])
    expect(plain.stderr).toContain(`✗ ${code}  `)
    for (const label of ['why', 'safe', 'fix', 'more']) expect(plain.stderr).toMatch(new RegExp(`\\n {2}${label} +\\S`))
  })

  test('--json gives one object, for errors too; it may come from the environment', async () => {
    for (const [args, env] of [[['query', '--json'], {}] as const, [['query'], { TRIBUTARY_JSON: 'true' }] as const]) {
      const e = await runInProcess('lake', args, { env })
      expect([e.code, e.stderr]).toEqual([2, ''])
      expect(envelope(e)).toMatchObject({ command: 'lake query', ok: false, result: null, error: { code: 'TRB-CLI-005' } })
    }
  })

  test('tributary.yaml in the working directory counts; a misspelt key is refused with the nearest', async () => {
    const cwd = mkdtempSync(join(dir, 'yaml-'))
    writeFileSync(join(cwd, 'tributary.yaml'), 'lake: ./from-yaml\nflush-interval: 5s\n')
    expect((await runInProcess('lake', ['tables'], { cwd })).stderr).toContain('from-yaml')
    writeFileSync(join(cwd, 'tributary.yaml'), 'flush-intervall: 5s\n')
    const e = await runInProcess('lake', ['tables'], { cwd })
    expect(e.code).toBe(2)
    expect(e.stderr).toContain('TRB-CLI-009')
    expect(e.stderr).toContain('Did you mean flush-interval?')
    writeFileSync(join(cwd, 'tributary.yaml'), 'lake: [unclosed\n')
    expect((await runInProcess('lake', ['tables'], { cwd })).stderr).toContain('TRB-CLI-008')
  })
})

describe('secrets', () => {
  const password = 'open-sesame-4711'
  const places: readonly (readonly [string, readonly string[], Record<string, string>])[] = [
    ['the URL', ['--url', `postgres://u:${password}@127.0.0.1:1/db`], {}],
    ['a malformed URL', ['--url', `postgres://u:${password}@127.0.0.1:x/db`], {}],
    ['another kind of URL', ['--url', `mysql://u:${password}@h/db`], {}],
    ['TRIBUTARY_URL', [], { TRIBUTARY_URL: `postgres://u:${password}@127.0.0.1:1/db` }],
    ['DATABASE_URL', [], { DATABASE_URL: `postgres://u:${password}@127.0.0.1:1/db?sslmode=bad` }],
    ['PGPASSWORD', [], { PGPASSWORD: password, PGHOST: '127.0.0.1', PGPORT: '1' }],
    ['the password parameter', ['--url', `postgres://127.0.0.1:1/db?password=${password}`], {}],
  ]
  test.each(places)('a password in %s is in no output', async (_, args, env) => {
    const e = await runInProcess('cdc', ['doctor', ...args, ...(args.length === 0 ? ['--json'] : [])], { env, cwd: dir })
    expect(e.code).toBeGreaterThan(1)
    expect(e.stdout + e.stderr).not.toContain(password)
    expect(e.stdout + e.stderr).not.toBe('')
  })

  test('a password in tributary.yaml is in no output', async () => {
    const cwd = mkdtempSync(join(dir, 'secret-'))
    writeFileSync(join(cwd, 'tributary.yaml'), `url: postgres://u:${password}@127.0.0.1:1/db\nname: x\n`)
    const e = await runInProcess('cdc', ['doctor'], { cwd })
    expect(e.code).toBe(3)
    expect(e.stdout + e.stderr).not.toContain(password)
  })
})

describe('the programs', () => {
  test('answer on stdout, errors on stderr, exit status of the failure', async () => {
    const ok = await runBin('cdc', ['--version'])
    expect([ok.code, ok.stderr]).toEqual([0, ''])
    const wrong = await runBin('lake', ['qurey'])
    expect([wrong.code, wrong.stdout]).toEqual([2, ''])
    expect(wrong.stderr).toContain('TRB-CLI-001')
  })
})

describe('another Node', () => {
  test.skipIf(oldNode === undefined)('an older Node hands over to the one beside the program, with status and output', async () => {
    const ok = await runBin('cdc', ['--version'], { node: oldNode! })
    expect([ok.code, ok.stderr]).toEqual([0, ''])
    expect(ok.stdout).toMatch(/\(node 24\./)
    expect((await runBin('lake', ['qurey'], { node: oldNode! })).code).toBe(2)
  })

  test.skipIf(oldNode === undefined)('without one beside it, it says exactly what to do and exits 3', async () => {
    const alone = mkdtempSync(join(dir, 'alone-'))
    for (const f of ['launch.mjs', 'cdc.mjs']) writeFileSync(join(alone, f), readFileSync(join(repository, 'bin', f)))
    chmodSync(join(alone, 'cdc.mjs'), 0o755)
    const e = ((): { status: number; stderr: string } => {
      try {
        execFileSync(oldNode!, [join(alone, 'cdc.mjs'), 'run'], { stdio: 'pipe' })
      } catch (x) {
        const { status, stderr } = x as { status: number; stderr: Buffer }
        return { status, stderr: stderr.toString() }
      }
      return { status: 0, stderr: '' }
    })()
    expect(e.status).toBe(3)
    // The launcher cannot import the table: its text is held equal to it here.
    const entry = CODES['TRB-CLI-012']
    const fill = (s: string): string =>
      s
        .replace('{program}', 'cdc')
        .replace('{version}', execFileSync(oldNode!, ['--version']).toString().trim().slice(1))
        .replace('{package}', `node-${process.platform}-${process.arch}`)
    expect(e.stderr).toBe(
      [
        `✗ TRB-CLI-012  ${fill(entry.what)}`,
        `  why    ${fill(entry.why)}`,
        `  safe   ${entry.safe}`,
        `  fix    ${entry.fix}`,
        '  more   docs/errors.md#trb-cli-012',
        '',
      ].join('\n'),
    )
  })

  test('the launcher keeps to the syntax of Node 12', () => {
    const source = readFileSync(join(repository, 'bin', 'launch.mjs'), 'utf8')
    expect(source.split('\n').filter((l) => /\?\.|\?\?|\|\|=|&&=|\bawait\b|replaceAll|\.at\(/.test(l))).toEqual([])
  })
})
