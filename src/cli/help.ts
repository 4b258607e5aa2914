import { environmentName, type Flag, type Flags } from './flag.ts'
import { GLOBAL_FLAGS } from './parse-arguments.ts'
import type { Program, Verb, VerbEntry } from './verb.ts'

/** `cdc --help`: one line per verb. */
export function programHelp(program: Program): string {
  const width = Math.max(...program.verbs.map((v) => v.name.length))
  return [
    `${program.name}: ${program.summary}`,
    '',
    `usage: ${program.name} <verb> [arguments] [flags]`,
    '',
    ...program.verbs.map((v) => `  ${v.name.padEnd(width)}  ${v.summary}`),
    '',
    `${program.name} <verb> --help explains a verb. Every flag can stand in the environment (--slot-name: TRIBUTARY_SLOT_NAME)`,
    'and in tributary.yaml (slot-name: …); the flag wins, then the environment, then the file.',
  ].join('\n')
}

/** `cdc run --help`: sentence, usage, flags with the default on a line of its own, examples. */
export function verbHelp(program: string, entry: VerbEntry, verb: Verb): string {
  const args = verb.args.map((a) => (a.required ? ` ${a.name}` : ` [${a.name}]`)).join('')
  const lines = [`${program} ${entry.name}: ${entry.summary}`, '', verb.description, '', `usage: ${program} ${entry.name}${args} [flags]`]
  for (const a of verb.args) lines.push('', `  ${a.name}`, `      ${a.help}`)
  lines.push('', 'flags:')
  for (const [name, flag] of Object.entries({ ...verb.flags, ...GLOBAL_FLAGS } as Flags)) lines.push(...flagHelp(name, flag))
  if (verb.examples.length > 0) lines.push('', 'examples:')
  for (const e of verb.examples) lines.push(`  # ${e.why}`, `  $ ${e.command}`)
  return lines.join('\n')
}

function flagHelp(name: string, flag: Flag<unknown>): string[] {
  const lines = [`  --${name}${flag.placeholder === '' ? '' : ` ${flag.placeholder}`}`, `      ${flag.help}`]
  const notes: string[] = []
  if (flag.required) notes.push('required')
  if (flag.defaultText !== null) notes.push(`default: ${flag.defaultText}`)
  if (!(name in GLOBAL_FLAGS)) notes.push(`env: ${environmentName(name)}`)
  if (notes.length > 0) lines.push(`      ${notes.join(' · ')}`)
  return lines
}
