import { parseArgs } from 'node:util'
import { Failure } from '../failure/failure.ts'
import { bool, type Flags, text } from './flag.ts'
import { suggestion } from './nearest.ts'

/** Flags that every verb has; the frame answers them. */
export const GLOBAL_FLAGS = {
  json: bool({ help: 'print one JSON object {command, ok, summary, result, error} on stdout' }),
  config: text({ help: 'settings file; without the flag ./tributary.yaml is used when there is one', placeholder: 'FILE' }),
  help: bool({ help: 'print this help' }),
}

export interface ParsedArguments {
  readonly args: readonly string[]
  /** Texts as given, in order; a switch has 'true' or 'false'. */
  readonly flags: ReadonlyMap<string, readonly string[]>
}

/**
 * Splits a verb's command line. A flag's value is whatever follows it, also when it starts with '-' (`--as-of -15m`), but not another flag's
 * name; `--` ends the flags. node:util parseArgs does the splitting; commander is not used because one descriptor of a flag has to
 * feed the environment, the file, the help and the docs as well, and commander would own the help and the exit.
 */
export function parseArguments(command: string, argv: readonly string[], flags: Flags, maxArgs: number): ParsedArguments {
  const all: Flags = { ...flags, ...GLOBAL_FLAGS }
  const names = Object.keys(all)
  const options: Record<string, { type: 'string' | 'boolean'; short?: string }> = {}
  for (const name of names) options[name] = { type: all[name]!.shape === 'switch' ? 'boolean' : 'string' }
  options['help'] = { type: 'boolean', short: 'h' }
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true })
  const args: string[] = []
  const found = new Map<string, string[]>()
  for (const token of tokens) {
    if (token.kind === 'positional') args.push(token.value)
    if (token.kind !== 'option') continue
    const negated = !(token.name in all) && token.name.startsWith('no-') && all[token.name.slice(3)]?.shape === 'switch'
    const name = negated ? token.name.slice(3) : token.name
    const flag = all[name]
    if (flag === undefined) {
      throw new Failure('TRB-CLI-002', { command, flag: token.rawName, hint: suggestion(name, Object.keys(flags), '--') })
    }
    const value = flag.shape === 'switch' ? switchValue(command, name, negated, token.value) : token.value
    const forgotten = value?.startsWith('--') && !token.inlineValue && value.slice(2) in all
    if (value === undefined || forgotten) throw new Failure('TRB-CLI-003', { command, flag: name, placeholder: flag.placeholder })
    const earlier = found.get(name)
    if (earlier !== undefined && flag.shape !== 'list') throw new Failure('TRB-CLI-013', { command, flag: name })
    found.set(name, [...(earlier ?? []), value])
  }
  if (args.length > maxArgs) throw new Failure('TRB-CLI-006', { command, argument: args[maxArgs]!, wanted: maxArgs })
  return { args, flags: found }
}

function switchValue(command: string, flag: string, negated: boolean, value: string | undefined): string {
  if (value === undefined) return negated ? 'false' : 'true'
  if (!negated && (value === 'true' || value === 'false')) return value
  throw new Failure('TRB-CLI-004', { command, where: `--${flag}`, value: JSON.stringify(value), expected: 'true, false or nothing' })
}
