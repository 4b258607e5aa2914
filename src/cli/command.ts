import { basename, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { Failure } from '../failure/failure.ts'
import { systemClock } from './clock.ts'
import { readConfigFile } from './config-file.ts'
import type { Flags, FlagValues } from './flag.ts'
import { programHelp, verbHelp } from './help.ts'
import { suggestion } from './nearest.ts'
import { createOutput, type Sink } from './output.ts'
import { GLOBAL_FLAGS, type ParsedArguments, parseArguments } from './parse-arguments.ts'
import { failureJson, failureText, toFailure, toJson } from './print-failure.ts'
import { Secrets, urlPassword } from './secrets.ts'
import { checkFileKeys, resolveSettings } from './settings.ts'
import { Interrupted } from './signals.ts'
import type { Context, Outcome, Output, Program, Verb, VerbEntry } from './verb.ts'
import { allFlagNames } from './verbs.ts'
import { VERSION } from './version.ts'

/** The world of one command line: this process, or a test's. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly stdin: Readable
  readonly stdout: Sink
  readonly stderr: Sink
  readonly signal: AbortSignal
  /** The reader of stdout has gone. */
  closed(): void
}

/** What the frame keeps while a command line runs. */
export interface Frame {
  readonly world: World
  readonly stdout: Output
  readonly stderr: Output
  readonly secrets: Secrets
  readonly signal: AbortSignal
  /** Set as soon as it is known, so that an early error is printed in the form asked for. */
  json: boolean
}

/** Registers the secrets that arguments and environment hold before anything else can print them. */
export function createFrame(argv: readonly string[], world: World): Frame {
  const { env } = world
  const secrets = new Secrets()
  for (const a of argv) addUrlSecret(secrets, a)
  for (const v of Object.values(env)) addUrlSecret(secrets, v ?? '')
  if (env['PGPASSWORD']) secrets.add(env['PGPASSWORD'])
  const json = argv.includes('--json') || /^(1|true|yes|on)$/i.test(env['TRIBUTARY_JSON'] ?? '')
  const stdout = createOutput(world.stdout, null, world.closed)
  const stderr = createOutput(world.stderr, secrets, () => undefined)
  return { world, stdout, stderr, secrets, signal: world.signal, json }
}

/** Runs one command line and gives the exit status; whatever is thrown has been printed. */
export async function runCommand(program: Program, argv: readonly string[], frame: Frame): Promise<number> {
  const name = argv[0]
  const command = name === undefined || name.startsWith('-') ? program.name : `${program.name} ${name}`
  try {
    const done = await answerWithoutVerb(program, argv, frame)
    if (done !== null) return done
    const entry = program.verbs.find((v) => v.name === name)
    if (entry === undefined) {
      const known = program.verbs.map((v) => v.name)
      throw new Failure('TRB-CLI-001', { program: program.name, verb: name!, hint: suggestion(name!, known) })
    }
    return await runVerb(program, entry, argv.slice(1), frame)
  } catch (e) {
    return await report(e, command, frame)
  }
}

/** Help and version, and the program's name alone. Null: a verb is named. */
async function answerWithoutVerb(program: Program, argv: readonly string[], frame: Frame): Promise<number | null> {
  const name = argv[0]
  if (name === undefined) {
    await frame.stderr.write(`${programHelp(program)}\n`)
    return 2
  }
  if (name === '--version' || name === '-V') {
    await frame.stdout.write(`${program.name} ${VERSION} (node ${process.versions.node})\n`)
    return 0
  }
  if (name !== '--help' && name !== '-h' && name !== 'help') {
    if (name.startsWith('-')) throw new Failure('TRB-CLI-014', { program: program.name, flag: name })
    return null
  }
  const topic = program.verbs.find((v) => v.name === argv[1])
  const text = topic === undefined ? programHelp(program) : verbHelp(program.name, topic, (await topic.load()).verb)
  await frame.stdout.write(`${text}\n`)
  return 0
}

async function runVerb(program: Program, entry: VerbEntry, argv: readonly string[], frame: Frame): Promise<number> {
  const { verb } = await entry.load()
  const command = `${program.name} ${entry.name}`
  const parsed = parseArguments(command, argv, verb.flags, verb.args.length)
  if (parsed.flags.get('help')?.[0] === 'true') {
    await frame.stdout.write(`${verbHelp(program.name, entry, verb)}\n`)
    return 0
  }
  const context = await createContext(command, verb, parsed, frame)
  const missing = verb.args.find((a, i) => a.required && i >= parsed.args.length)
  if (missing !== undefined) throw new Failure('TRB-CLI-005', { command, what: missing.name, env: 'no environment name' })
  frame.json = context.json
  const outcome = await verb.run(context).catch((e: unknown) => {
    throw withTable(e, context.args[verb.args.findIndex((a) => a.name === 'TABLE_URI')] ?? '')
  })
  await answer(command, outcome, frame)
  return outcome.failure?.entry.exit ?? 0
}

/**
 * Verbs know their table by its place in a store: '', or the last part of its path. People know it as they gave it, and the commands of a fix
 * work only with that.
 */
function withTable(e: unknown, uri: string): unknown {
  if (!(e instanceof Failure) || uri === '') return e
  const { table } = e.details
  return table === '' || table === basename(uri) ? new Failure(e.code, { ...e.details, table: uri }, e.cause) : e
}

async function createContext(command: string, verb: Verb, parsed: ParsedArguments, frame: Frame): Promise<Context> {
  const { env, cwd } = frame.world
  const config = resolveSettings({ config: GLOBAL_FLAGS.config }, { command, parsed, env, file: null }).values
  const path = config['config'] as string | null
  const properties = path?.endsWith('.properties') ? resolve(cwd, path) : null
  if (properties !== null && !verb.takesProperties) throw new Failure('TRB-CLI-010', { command, file: basename(properties) })
  const file = properties === null ? await readConfigFile(path, cwd) : null
  for (const texts of file?.values.values() ?? []) for (const t of texts) addUrlSecret(frame.secrets, t)
  const flags: Flags = { ...verb.flags, json: GLOBAL_FLAGS.json }
  if (file !== null) await checkFileKeys(file, flags, allFlagNames)
  const settings = resolveSettings(flags, { command, parsed, env, file })
  for (const s of settings.secrets) frame.secrets.add(s)
  return {
    command,
    flags: settings.values as FlagValues<Flags>,
    origin: (flag) => settings.origins[flag]!,
    args: parsed.args,
    json: settings.values['json'] === true,
    clock: systemClock,
    stdout: frame.stdout,
    stderr: frame.stderr,
    stdin: frame.world.stdin,
    signal: frame.signal,
    env,
    cwd,
    secret: (value) => frame.secrets.add(value),
    properties,
  }
}

async function answer(command: string, outcome: Outcome, frame: Frame): Promise<void> {
  const { failure, summary, result = null, text } = outcome
  if (frame.json) {
    const error = failure === undefined ? 'null' : frame.secrets.mask(toJson(failureJson(failure)))
    const head = toJson({ command, ok: failure === undefined, summary, result }).slice(0, -1)
    await frame.stdout.write(`${head},"error":${error}}\n`)
    return
  }
  if (text !== undefined && text !== '') await frame.stdout.write(`${text}\n`)
  if (failure !== undefined) await frame.stderr.write(`${failureText(failure)}\n`)
}

/** Prints what was thrown and gives the exit status. */
async function report(e: unknown, command: string, frame: Frame): Promise<number> {
  const reason: unknown = frame.signal.reason
  if (reason instanceof Interrupted && (e === reason || (e as Error | null)?.name === 'AbortError')) {
    if (reason.by !== 'closed') await frame.stderr.write(`${command}: ${reason.message}\n`)
    return reason.exit
  }
  const failure = toFailure(e)
  if (frame.json) {
    const envelope = { command, ok: false, summary: failure.explain().what, result: null, error: failureJson(failure) }
    await frame.stdout.write(`${frame.secrets.mask(toJson(envelope))}\n`)
  } else {
    await frame.stderr.write(`${failureText(failure)}\n`)
  }
  return failure.entry.exit
}

function addUrlSecret(secrets: Secrets, text: string): void {
  const password = urlPassword(text)
  if (password !== null) secrets.add(password)
}
