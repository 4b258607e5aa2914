import type { Readable } from 'node:stream'
import type { Clock } from '../contract/clock.ts'
import type { Failure } from '../failure/failure.ts'
import type { Flags, FlagValues } from './flag.ts'

export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5

/** Where text goes. Resolves when the stream can take more, so that a slow reader slows the verb. */
export interface Output {
  write(chunk: string | Uint8Array): Promise<void>
  readonly isTerminal: boolean
  /** Columns of the terminal; 0 when it is none. */
  readonly columns: number
}

/** All that a verb may use of the outside world; adapters are built from it. */
export interface Context<F extends Flags = Flags> {
  /** E.g. `lake query`. */
  readonly command: string
  readonly flags: FlagValues<F>
  /** Where a flag's value came from. */
  origin(flag: keyof F & string): 'flag' | 'environment' | 'file' | 'default'
  readonly args: readonly string[]
  /** One envelope on stdout, written by the frame: the verb then writes nothing there itself. */
  readonly json: boolean
  readonly clock: Clock
  /** Answers only. */
  readonly stdout: Output
  /** Progress and logs. Known secrets are masked in what passes here. */
  readonly stderr: Output
  readonly stdin: Readable
  /** Aborted by the first SIGINT or SIGTERM: drain, commit, return. (The second ends the process at once.) */
  readonly signal: AbortSignal
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** A value that must appear in no error and no log. */
  secret(value: string): void
  /** Path of a Debezium `.properties` file given as --config (only for verbs with `takesProperties`). */
  readonly properties: string | null
}

/** A context whose flags have these values: for the file that does a verb's work. */
export type ContextWith<V> = Omit<Context, 'flags' | 'origin'> & { readonly flags: V }

/** What a verb answers. Exit status: `failure`'s, else 0. */
export interface Outcome {
  /** One line. */
  readonly summary: string
  /** For --json; bigints become numbers when exact, else strings. */
  readonly result?: unknown
  /** For people, on stdout when there is no --json; not ended by a line feed. A verb that streams leaves it out. */
  readonly text?: string
  /** The work was done and its answer is bad news (a difference, a failed check): printed after the text, sets the exit status. */
  readonly failure?: Failure
}

export interface Argument {
  readonly name: string
  readonly help: string
  readonly required: boolean
}

export interface Example {
  readonly why: string
  readonly command: string
}

/** A verb: what `--help`, docs/cli.md and the parser know, and the code. Made by `defineVerb`. */
export interface Verb {
  /** A sentence or two below the summary of `verbs.ts`. */
  readonly description: string
  readonly args: readonly Argument[]
  readonly flags: Flags
  readonly examples: readonly Example[]
  readonly takesProperties: boolean
  run(context: Context): Promise<Outcome>
}

/** Ties the type of `context.flags` to the flags declared. */
export function defineVerb<const F extends Flags>(verb: {
  readonly description: string
  readonly args?: readonly Argument[]
  readonly flags: F
  readonly examples: readonly Example[]
  readonly takesProperties?: boolean
  run(context: Context<F>): Promise<Outcome>
}): Verb {
  return { args: [], takesProperties: false, ...verb } as unknown as Verb
}

/** An entry of the verb table: the file is loaded only when the verb is used. */
export interface VerbEntry {
  readonly name: string
  /** One line in lower case. */
  readonly summary: string
  load(): Promise<{ readonly verb: Verb }>
}

export interface Program {
  readonly name: 'cdc' | 'lake'
  readonly summary: string
  readonly verbs: readonly VerbEntry[]
}
