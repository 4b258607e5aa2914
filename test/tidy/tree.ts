import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')

/** One import of one file. `target` is a path from the root for a relative import, else the package or `node:` name. */
export interface Import {
  readonly target: string
  readonly relative: boolean
  readonly typeOnly: boolean
}

export interface SourceFile {
  /** From the root, with forward slashes. */
  readonly path: string
  readonly text: string
  readonly lines: readonly string[]
  readonly imports: readonly Import[]
}

const SKIP = new Set(['node_modules', '.git', 'golden', '.cache', 'dist'])

/** Every file of the product with one of the endings, sorted; never what is installed or generated outside version control. */
export function listFiles(endings: readonly string[], under = ''): string[] {
  const out: string[] = []
  const walk = (dir: string): void => {
    for (const e of readdirSync(join(root, dir), { withFileTypes: true })) {
      const path = posix.join(dir, e.name)
      if (e.isDirectory()) {
        if (!SKIP.has(e.name)) walk(path)
      } else if (endings.some((x) => e.name.endsWith(x))) out.push(path)
    }
  }
  if (existsSync(join(root, under))) walk(under)
  return out.sort()
}

export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

export function loadSources(): SourceFile[] {
  return ['src', 'timeline', 'test', 'bench', 'demo', 'scripts', 'bin'].flatMap((d) =>
    listFiles(['.ts', '.mjs'], d).map((path) => {
      const text = readText(path)
      return { path, text, lines: text.split('\n'), imports: importsOf(path, text) }
    }),
  )
}

// `from '…'` ends an import or a re-export; `import('…')` is lazy; `new URL('./…', import.meta.url)` starts a worker.
const IMPORT =
  /(?:^|\n)\s*(import|export)\b([^'"`;]*?)\bfrom\s*'([^']+)'|\bimport\s*\(\s*'([^']+)'|(?:^|\n)import\s*'([^']+)'|new URL\('(\.[^']+\.ts)'/g

function importsOf(path: string, text: string): Import[] {
  const out: Import[] = []
  for (const m of text.matchAll(IMPORT)) {
    const name = m[3] ?? m[4] ?? m[5] ?? m[6]
    const relative = name.startsWith('.')
    const clause = m[2] ?? ''
    const names = clause
      .replace(/[{}]/g, '')
      .split(',')
      .map((s) => s.trim())
      .filter((s) => s !== '')
    const typeOnly =
      m[1] !== undefined && (clause.trimStart().startsWith('type ') || (names.length > 0 && names.every((n) => n.startsWith('type '))))
    out.push({ target: relative ? posix.join(posix.dirname(path), name) : name, relative, typeOnly })
  }
  return out
}

/** Strongly connected components of more than one file (or a file that imports itself). */
export function cycles(files: readonly SourceFile[]): string[][] {
  const byPath = new Map(files.map((f) => [f.path, f]))
  const index = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const found: string[][] = []
  const visit = (path: string): void => {
    index.set(path, index.size)
    low.set(path, index.get(path)!)
    stack.push(path)
    for (const { target, relative } of byPath.get(path)!.imports) {
      if (!relative || !byPath.has(target)) continue
      if (!index.has(target)) {
        visit(target)
        low.set(path, Math.min(low.get(path)!, low.get(target)!))
      } else if (stack.includes(target)) low.set(path, Math.min(low.get(path)!, index.get(target)!))
    }
    if (low.get(path) === index.get(path)) {
      const component = stack.splice(stack.indexOf(path))
      if (component.length > 1) found.push(component.sort())
    }
  }
  for (const f of files) if (!index.has(f.path)) visit(f.path)
  return found
}

/** All files that the entries import, directly or not. */
export function reachable(files: readonly SourceFile[], entries: readonly string[]): Set<string> {
  const byPath = new Map(files.map((f) => [f.path, f]))
  const seen = new Set<string>()
  const todo = [...entries]
  for (let path = todo.pop(); path !== undefined; path = todo.pop()) {
    if (seen.has(path)) continue
    seen.add(path)
    for (const i of byPath.get(path)?.imports ?? []) if (i.relative) todo.push(i.target)
  }
  return seen
}

/** Text without comments and string contents: what the code itself says. Line count is kept. */
export function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, (c) => c.replace(/[^\n]/g, ' ')).replace(/(^|[^:'"`\\])\/\/.*$/gm, '$1')
}
