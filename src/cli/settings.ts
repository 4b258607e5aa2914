import { Failure } from '../failure/failure.ts'
import type { ConfigFile } from './config-file.ts'
import { BadValue, environmentName, type Flag, type Flags } from './flag.ts'
import { nearest } from './nearest.ts'
import type { ParsedArguments } from './parse-arguments.ts'

export type Origin = 'flag' | 'environment' | 'file' | 'default'

export interface Settings {
  readonly values: Readonly<Record<string, unknown>>
  readonly origins: Readonly<Record<string, Origin>>
  /** Values of secret flags, to be masked everywhere. */
  readonly secrets: readonly string[]
}

interface Sources {
  readonly command: string
  readonly parsed: ParsedArguments
  readonly env: Readonly<Record<string, string | undefined>>
  readonly file: ConfigFile | null
}

/**
 * Value of every flag by precedence: command line, environment (`TRIBUTARY_…`, empty counts as unset), file, default.
 * Failures: TRB-CLI-004 bad value (named by where it stands; a secret's value is not shown), TRB-CLI-005 required and absent.
 */
export function resolveSettings(flags: Flags, sources: Sources): Settings {
  const values: Record<string, unknown> = {}
  const origins: Record<string, Origin> = {}
  const secrets: string[] = []
  for (const [name, flag] of Object.entries(flags)) {
    const given = find(name, sources)
    if (given === null) {
      if (flag.required) throw new Failure('TRB-CLI-005', { command: sources.command, what: `--${name}`, env: environmentName(name) })
      values[name] = flag.default
      origins[name] = 'default'
      continue
    }
    origins[name] = given.origin
    if (flag.secret) secrets.push(...given.texts)
    values[name] = convert(flag, given.texts, given.where, sources.command)
  }
  return { values, origins, secrets }
}

interface Given {
  readonly origin: Origin
  readonly where: string
  readonly texts: readonly string[]
}

function find(name: string, { parsed, env, file }: Sources): Given | null {
  const onLine = parsed.flags.get(name)
  if (onLine !== undefined) return { origin: 'flag', where: `--${name}`, texts: onLine }
  const variable = environmentName(name)
  const inEnvironment = env[variable]
  if (inEnvironment !== undefined && inEnvironment !== '') return { origin: 'environment', where: variable, texts: [inEnvironment] }
  const inFile = file?.values.get(name)
  if (inFile !== undefined) return { origin: 'file', where: `"${name}" in ${file!.path}`, texts: inFile }
  return null
}

function convert(flag: Flag<unknown>, texts: readonly string[], where: string, command: string): unknown {
  const parse = (t: string): unknown => {
    try {
      return flag.parse(t)
    } catch (e) {
      if (!(e instanceof BadValue)) throw e
      const shown = flag.secret ? '(not shown)' : JSON.stringify(t)
      throw new Failure('TRB-CLI-004', { command, where, value: shown, expected: e.expected })
    }
  }
  if (flag.shape === 'list') return texts.flatMap((t) => t.split(',')).map(parse)
  if (texts.length !== 1) throw new Failure('TRB-CLI-004', { command, where, value: 'a list', expected: 'one value' })
  return parse(texts[0]!)
}

/**
 * Refuses keys of the file that no verb knows. `others` loads the flags of all verbs and is asked only when a key is not one of
 * this verb's: one file serves every verb, and starting one must not load them all.
 */
export async function checkFileKeys(file: ConfigFile, own: Flags, others: () => Promise<ReadonlySet<string>>): Promise<void> {
  const foreign = [...file.values.keys()].filter((k) => !(k in own))
  if (foreign.length === 0) return
  const all = await others()
  for (const key of foreign) {
    if (all.has(key)) continue
    const near = nearest(key, all)
    const hint = near === null ? 'No setting has a similar name.' : `Did you mean ${near}?`
    throw new Failure('TRB-CLI-009', { file: file.path, key, hint })
  }
}
