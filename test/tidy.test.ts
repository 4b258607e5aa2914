import { existsSync } from 'node:fs'
import { join, posix } from 'node:path'
import { describe, expect, test } from 'vitest'
import { CODES } from '../src/failure/codes.ts'
import { ARROWS, refuse } from './tidy/rooms.ts'
import { cycles, listFiles, loadSources, reachable, readText, root, type SourceFile, withoutComments } from './tidy/tree.ts'

const files = loadSources()
const product = files.filter((f) => f.path.startsWith('src/') || f.path.startsWith('timeline/'))
const tests = files.filter((f) => f.path.startsWith('test/'))

/** `path:line text` of every match outside comments. */
function grep(where: readonly SourceFile[], pattern: RegExp, allowed: readonly string[] = []): string[] {
  return where.flatMap((f) =>
    allowed.some((a) => f.path.startsWith(a))
      ? []
      : withoutComments(f.text)
          .split('\n')
          .flatMap((line, i) => (pattern.test(line) ? [`${f.path}:${i + 1} ${line.trim()}`] : [])),
  )
}

describe('rooms', () => {
  test('arrows between rooms are those of the table', () => {
    expect(product.flatMap((f) => f.imports.flatMap((i) => refuse(f, i) ?? []).map((why) => `${f.path}: ${why}`))).toEqual([])
  })
  test('every folder of src/ is a room of the table, or the composition root', () => {
    const folders = new Set(product.filter((f) => f.path.startsWith('src/')).map((f) => f.path.split('/')[1]))
    expect([...folders].filter((d) => d !== 'cli' && !(d in ARROWS))).toEqual([])
  })
  test('no import cycle, types included', () => {
    expect(cycles(files)).toEqual([])
  })
  test('relative imports name an existing file, ending included', () => {
    const known = new Set(files.map((f) => f.path))
    const broken = files.flatMap((f) =>
      f.imports
        .filter((i) => i.relative && !known.has(i.target) && !existsSync(join(root, i.target)))
        .map((i) => `${f.path} → ${i.target}`),
    )
    expect(broken).toEqual([])
  })
  test('no barrel: a file that only re-exports', () => {
    const code = (f: SourceFile): string =>
      withoutComments(f.text).replace(/export\s+(type\s+)?(\*|\{[^}]*\})\s*(as \w+\s*)?from\s*'[^']+'/g, '')
    expect(product.filter((f) => f.path !== 'timeline/timeline.ts' && code(f).trim() === '').map((f) => f.path)).toEqual([])
  })
  test('contract/ holds types only', () => {
    expect(
      grep(
        product.filter((f) => f.path.startsWith('src/contract/')),
        /^export (?!type |interface )/,
      ),
    ).toEqual([])
  })
})

/** Larger than the budget, with the reason; may only shrink. */
const OVERSIZED: Readonly<Record<string, number>> = {
  'src/contract/change.ts': 175, // the batch, its tuple grammar and the source interface are one vocabulary, read together
  'src/contract/log.ts': 140, // record grammar, append, log and registry: what a log adapter must know
  'src/contract/table.ts': 130, // specification, checkpoint, writer and watermark: what a lake adapter must know
}

describe('size', () => {
  test('files stay under 600 lines, contract files under 80', () => {
    const limit = (f: SourceFile): number => OVERSIZED[f.path] ?? (f.path.startsWith('src/contract/') ? 80 : 600)
    expect(files.filter((f) => f.lines.length - 1 > limit(f)).map((f) => `${f.path}: ${f.lines.length - 1} lines`)).toEqual([])
  })
  test('lines stay under 160 characters, but for one long string (code under 140: the formatter sees to it)', () => {
    const long = (line: string): boolean => line.length > 160 && !/^\s*(\w+: )?(['"`]).{100,}\2,?$/.test(line)
    expect(files.flatMap((f) => f.lines.flatMap((l, i) => (long(l) ? [`${f.path}:${i + 1}`] : [])))).toEqual([])
  })
  test('no file is dead: the programs reach every file of src/, the tests and scripts every other', () => {
    const entries = ['src/cli/main-cdc.ts', 'src/cli/main-lake.ts', 'timeline/timeline.ts']
    const alive = reachable(files, entries)
    // A store with injected faults: production code by its contract and its conformance suite, used by tests alone.
    expect(product.filter((f) => !alive.has(f.path) && !f.path.startsWith('src/storage/memory/')).map((f) => f.path)).toEqual([])
    const commands = Object.values((JSON.parse(readText('package.json')) as { scripts: Record<string, string> }).scripts).join(' ')
    const run = (f: SourceFile): boolean =>
      /\.test\.ts$/.test(f.path) || commands.includes(f.path) || readText('vitest.config.ts').includes(f.path) || usedByCi(f.path)
    const others = files.filter((f) => !product.includes(f))
    const used = reachable(
      files,
      others.filter(run).map((f) => f.path),
    )
    expect(others.filter((f) => !used.has(f.path) && !f.path.startsWith('bin/')).map((f) => f.path)).toEqual([])
  })
})

function usedByCi(path: string): boolean {
  return readText('.ci/run').includes(path) || (path.startsWith('bench/') && path !== 'bench/bench.ts')
}

describe('nevers', () => {
  // The composition root owns the outside world; everything else takes it as a value.
  const inner = product.filter((f) => !f.path.startsWith('src/cli/'))
  test('time, randomness, timers, environment and console enter only through cli/', () => {
    const names = ['Date\\.now', 'Math\\.random', 'set(Timeout|Interval)', 'process\\.env', 'performance\\.now', 'randomUUID']
    const outside = new RegExp(`\\b(${[...names, 'process\\.(stdout|stderr|exit)', 'console\\.'].join('|')})|\\bnew Date\\(\\)`)
    expect(grep(inner, outside)).toEqual([])
  })
  test('only the timeline store writes under .hoodie/; other files of a lake are written by their one owner each', () => {
    const owners = [
      'src/storage/', // the stores themselves
      'src/lake/timeline-store.ts',
      'src/lake/undo-files.ts', // rollback blocks, in log files of their own
      'src/lake/lake-lock.ts', // .tributary/lock
      'src/lake/lock/', // .hoodie/.locks, .hoodie/lock, .hoodie/.heartbeat
      'src/lake/watermark-store.ts', // .tributary/watermarks/
      'src/lake/service/archive-log.ts', // .hoodie/archived/
      'src/lake/service/archive-lsm.ts', // .hoodie/timeline/history/
      'src/lake/layout/partition-metadata.ts', // .hoodie_partition_metadata, beside the data files
    ]
    expect(grep(product, /\bstore\.(put|putIfAbsent|replaceIfTag)\(/i, owners)).toEqual([])
    const namesTimeline = grep(product, /\b(hoodieKey|markerKey)\(/, ['src/lake/layout/paths.ts', 'src/lake/timeline-store.ts'])
    expect(namesTimeline.filter((l) => /\b(put|delete|write)\w*\(/.test(l))).toEqual([])
  })
  test('nothing prints past the frame: console is used by no file of src/', () => {
    expect(grep(product, /\bconsole\./)).toEqual([])
  })
  test('failures are told apart by code, never by message', () => {
    expect(grep(product, /\.message\s*(===|\.includes|\.match|\.startsWith)|\.test\(\w+\.message\)/)).toEqual([])
  })
})

describe('leftovers', () => {
  test('no unfinished-work mark, no test set to run alone', () => {
    expect(
      grep(
        files.filter((f) => !f.path.startsWith('test/tidy')),
        /\b(test|it|describe)\.only\b/,
      ),
    ).toEqual([])
    const marks = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].join('|')})\\b`)
    expect(files.flatMap((f) => f.lines.flatMap((l, i) => (marks.test(l) ? [`${f.path}:${i + 1} ${l.trim()}`] : [])))).toEqual([])
  })
  test('nothing refers to the machine or folder it was written in', () => {
    const homes = ['root', 'home', 'work', 'Users'].map((d) => `["'\\s(=]/${d}/`)
    const places = new RegExp([...homes, '\\.\\./shared', 'https?://registry'].join('|'))
    const texts = listFiles(['.ts', '.mjs', '.md', '.json', '.sh', '.py', '.yaml']).filter((p) => p !== 'test/tidy.test.ts')
    expect(texts.filter((p) => places.test(readText(p)))).toEqual([])
  })
})

test('each file that ARCHITECTURE.md names exists', () => {
  const named = [...readText('ARCHITECTURE.md').matchAll(/`((?:src|timeline|test)\/[\w./-]+\.ts)`/g)].map((m) => m[1]!)
  const known = new Set(files.map((f) => f.path))
  expect(named.length).toBeGreaterThan(10)
  expect(named.filter((path) => !known.has(path))).toEqual([])
})

describe('failure codes', () => {
  // bin/ counts: the launcher must speak before TypeScript can be read.
  const thrown = [...product, ...files.filter((f) => f.path.startsWith('bin/'))]
    .filter((f) => !/\/codes[-a-z]*\.ts$/.test(f.path))
    .map((f) => f.text)
    .join('\n')
  const tested = tests.map((f) => f.text).join('\n')
  test('each code is used, and some test names it', () => {
    const codes = Object.keys(CODES)
    expect(codes.filter((c) => c !== 'TRB-INT-001' && !thrown.includes(c)).map((c) => `${c} is thrown nowhere`)).toEqual([])
    expect(codes.filter((c) => !tested.includes(c)).map((c) => `${c} has no test`)).toEqual([])
  })
  test('every text says something, and the fix is something to do', () => {
    const empty = Object.entries(CODES).filter(([, e]) => [e.what, e.why, e.safe, e.fix].some((t) => t.trim().length < 4))
    expect(empty.map(([c]) => c)).toEqual([])
  })
})

describe('documents', () => {
  const pages = listFiles(['.md'])
  test('relative links lead somewhere', () => {
    const broken = pages.flatMap((page) =>
      [...readText(page).matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)/g)]
        .map((m) => posix.join(posix.dirname(page), m[1]))
        .filter((target) => !existsSync(join(root, target)))
        .map((target) => `${page} → ${target}`),
    )
    expect(broken).toEqual([])
  })
  test('generated pages are as the code says', async () => {
    const [{ errorsPage }, { cliPage }] = await Promise.all([import('../scripts/errors-page.ts'), import('../scripts/cli-page.ts')])
    const stale = { 'docs/errors.md': errorsPage(), 'docs/cli.md': await cliPage() }
    // The fix for a name in this list: npm run docs
    expect(Object.entries(stale).flatMap(([page, text]) => (readText(page) === text ? [] : [page]))).toEqual([])
  })
  test('every verb has examples', async () => {
    const { CDC, LAKE } = await import('../src/cli/verbs.ts')
    const verbs = await Promise.all(
      [...CDC.verbs, ...LAKE.verbs].map(async (v) => ({ name: v.name, examples: (await v.load()).verb.examples.length })),
    )
    expect(verbs.filter((v) => v.examples === 0)).toEqual([])
  })
  test('one title a page', () => {
    const titles = (page: string): number =>
      readText(page)
        .replace(/^```[\s\S]*?^```/gm, '')
        .match(/^# /gm)?.length ?? 0
    expect(pages.filter((p) => titles(p) !== 1)).toEqual([])
  })
})
