/**
 * Flags as data. One descriptor feeds the command line, the environment (`--slot-name` → `TRIBUTARY_SLOT_NAME`), the key in
 * tributary.yaml (`slot-name`), `--help` and docs/cli.md.
 */
export interface Flag<T> {
  /** Parses one text; throws BadValue. For a list every element. */
  readonly parse: (text: string) => unknown
  readonly shape: 'value' | 'switch' | 'list'
  /** What stands for the value in help, e.g. `URL`. */
  readonly placeholder: string
  readonly help: string
  /** As printed in help; null: no default. */
  readonly defaultText: string | null
  readonly default: T
  readonly required: boolean
  /** Never printed, in any form. */
  readonly secret: boolean
}

/** Why a text is not a value of a flag; `expected` completes "expected …". */
export class BadValue extends Error {
  readonly expected: string
  constructor(expected: string) {
    super(expected)
    this.expected = expected
  }
}

export type Flags = Readonly<Record<string, Flag<unknown>>>
export type FlagValues<F extends Flags> = { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never }

interface Common {
  readonly help: string
  readonly placeholder?: string
  readonly secret?: boolean
}
type Required = { readonly required: true }
type Defaulted<T> = { readonly default: T; readonly defaultText?: string }

type Value<T, O> = O extends Required ? T : O extends { default: T } ? T : T | null

function value<T, O extends Common & Partial<Required & Defaulted<T>>>(
  options: O,
  placeholder: string,
  parse: (text: string) => T,
  print: (v: T) => string,
): Flag<Value<T, O>> {
  const fallback = options.default
  return {
    parse,
    shape: 'value',
    placeholder: options.placeholder ?? placeholder,
    help: options.help,
    defaultText: options.defaultText ?? (fallback === undefined ? null : print(fallback)),
    default: (fallback ?? null) as Value<T, O>,
    required: options.required ?? false,
    secret: options.secret ?? false,
  }
}

type Options<T> = Common & Partial<Required & Defaulted<T>>

export function text<const O extends Options<string>>(options: O): Flag<Value<string, O>> {
  const parse = (t: string): string => {
    if (t === '') throw new BadValue('a text that is not empty')
    return t
  }
  return value<string, O>(options, 'TEXT', parse, (v) => v)
}

/** A whole number within [min, max]. */
export function integer<const O extends Options<number> & { min?: number; max?: number }>(options: O): Flag<Value<number, O>> {
  const min = options.min ?? 0
  const max = options.max ?? Number.MAX_SAFE_INTEGER
  const parse = (t: string): number => {
    const n = Number(t)
    if (!/^-?\d+$/.test(t) || n < min || n > max) {
      throw new BadValue(max === Number.MAX_SAFE_INTEGER ? `a whole number, at least ${min}` : `a whole number from ${min} to ${max}`)
    }
    return n
  }
  return value<number, O>(options, 'N', parse, String)
}

const DURATION: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A duration; the value is in milliseconds. */
export function duration<const O extends Options<number>>(options: O): Flag<Value<number, O>> {
  const parse = (t: string): number => {
    const m = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(t)
    if (m === null) throw new BadValue('a duration such as 500ms, 10s, 5m, 24h or 7d')
    return Math.round(Number(m[1]) * DURATION[m[2]!]!)
  }
  const print = (ms: number): string => {
    const unit = ['d', 'h', 'm', 's'].find((u) => ms >= DURATION[u]! && ms % DURATION[u]! === 0) ?? 'ms'
    return `${ms / DURATION[unit]!}${unit}`
  }
  return value<number, O>(options, 'DURATION', parse, print)
}

const SIZE: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
}

/** A size; the value is in bytes. */
export function size<const O extends Options<number>>(options: O): Flag<Value<number, O>> {
  const parse = (t: string): number => {
    const m = /^(\d+(?:\.\d+)?)\s*(b|kb|mb|gb|kib|mib|gib)$/i.exec(t)
    if (m === null) throw new BadValue('a size such as 512KiB, 64MB or 2GiB')
    return Math.round(Number(m[1]) * SIZE[m[2]!.toLowerCase()]!)
  }
  const print = (n: number): string => {
    const units: readonly (readonly [string, number])[] = [
      ['GiB', 1024 ** 3],
      ['MiB', 1024 ** 2],
      ['MB', 1000 ** 2],
      ['KiB', 1024],
    ]
    const unit = units.find(([, u]) => n >= u && n % u === 0)
    return unit === undefined ? `${n}B` : `${n / unit[1]}${unit[0]}`
  }
  return value<number, O>(options, 'SIZE', parse, print)
}

/** One of fixed words. */
export function choice<const C extends string, const O extends Options<C> & { choices: readonly C[] }>(
  options: O & { choices: readonly C[] },
): Flag<Value<C, O>> {
  const parse = (t: string): C => {
    const found = options.choices.find((c) => c === t)
    if (found === undefined) throw new BadValue(`one of ${options.choices.join(', ')}`)
    return found
  }
  return value<C, O>(options, options.choices.join('|'), parse, (v) => v)
}

/** A switch: `--name` and `--no-name`; in the environment and the file true or false. */
export function bool(options: { readonly help: string; readonly default?: boolean }): Flag<boolean> {
  return {
    parse: (t) => {
      if (/^(true|1|yes|on)$/i.test(t)) return true
      if (/^(false|0|no|off)$/i.test(t)) return false
      throw new BadValue('true or false')
    },
    shape: 'switch',
    placeholder: '',
    help: options.help,
    defaultText: options.default === true ? 'on' : null,
    default: options.default ?? false,
    required: false,
    secret: false,
  }
}

/** A list: comma-separated, and the flag may be repeated. */
export function list(options: Common & { readonly default?: readonly string[]; readonly defaultText?: string }): Flag<readonly string[]> {
  return {
    parse: (t) => {
      if (t.trim() === '') throw new BadValue('a comma-separated list without empty elements')
      return t.trim()
    },
    shape: 'list',
    placeholder: options.placeholder ?? 'A,B',
    help: options.help,
    defaultText: options.defaultText ?? (options.default === undefined ? null : options.default.join(',')),
    default: options.default ?? [],
    required: false,
    secret: options.secret ?? false,
  }
}

/** The environment's name of a flag. */
export function environmentName(flag: string): string {
  return `TRIBUTARY_${flag.toUpperCase().replaceAll('-', '_')}`
}
