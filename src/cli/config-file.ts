import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseDocument } from 'yaml'
import { Failure } from '../failure/failure.ts'

/** Settings of a tributary.yaml: flag name → texts. */
export interface ConfigFile {
  readonly path: string
  readonly values: ReadonlyMap<string, readonly string[]>
}

const DEFAULT_FILE = 'tributary.yaml'

/**
 * Reads the settings file: one mapping from flag names (without dashes in front) to scalars or lists of scalars.
 * `path` null: ./tributary.yaml if it exists. Failures: TRB-CLI-007 unreadable, TRB-CLI-008 not such a mapping.
 */
export async function readConfigFile(path: string | null, cwd: string): Promise<ConfigFile | null> {
  const file = resolve(cwd, path ?? DEFAULT_FILE)
  let source: string
  try {
    source = await readFile(file, 'utf8')
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code ?? 'unknown'
    if (path === null && code === 'ENOENT') return null
    throw new Failure('TRB-CLI-007', { file, reason: code }, e)
  }
  return { path: file, values: parseConfig(source, file) }
}

/** The mapping in `source`; `file` names it in failures, which never quote the file's text (it may hold a password). */
export function parseConfig(source: string, file: string): Map<string, readonly string[]> {
  // Scalars are taken as written: `1e3`, `0x10` and 64-bit integers must not pass through a number.
  const document = parseDocument(source, { schema: 'failsafe', uniqueKeys: true, prettyErrors: false, logLevel: 'silent' })
  const bad = (reason: string, offset?: number): Failure => {
    const line = offset === undefined ? 1 : source.slice(0, offset).split('\n').length
    return new Failure('TRB-CLI-008', { file, line, reason })
  }
  const error = document.errors[0] ?? document.warnings[0]
  if (error !== undefined) throw bad(`not YAML (${error.code.toLowerCase().replaceAll('_', ' ')})`, error.pos[0])
  const values = new Map<string, readonly string[]>()
  const content: unknown = document.toJS()
  if (content === null || content === '') return values
  if (typeof content !== 'object' || Array.isArray(content)) throw bad('not a mapping of setting: value')
  for (const [key, value] of Object.entries(content)) {
    const items: readonly unknown[] = Array.isArray(value) ? value : [value]
    if (items.some((v) => typeof v !== 'string')) throw bad(`"${key}" must be a text, number, true, false or a list of them`)
    values.set(key, items as string[])
  }
  return values
}
