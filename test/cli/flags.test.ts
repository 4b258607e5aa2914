import { describe, expect, test } from 'vitest'
import { parseConfig } from '../../src/cli/config-file.ts'
import { BadValue, bool, choice, duration, environmentName, type Flags, integer, list, size, text } from '../../src/cli/flag.ts'
import { nearest, suggestion } from '../../src/cli/nearest.ts'
import { parseArguments } from '../../src/cli/parse-arguments.ts'
import { checkFileKeys, resolveSettings } from '../../src/cli/settings.ts'
import { isFailure } from '../../src/failure/failure.ts'

const FLAGS: Flags = {
  'slot-name': text({ help: 'h', default: 'tributary' }),
  interval: duration({ help: 'h', default: 10_000 }),
  rows: integer({ help: 'h', default: 5, min: 1, max: 100 }),
  budget: size({ help: 'h', default: 64 << 20 }),
  format: choice({ help: 'h', choices: ['table', 'json'], default: 'table' }),
  once: bool({ help: 'h' }),
  colour: bool({ help: 'h', default: true }),
  'no-lake': bool({ help: 'h' }),
  lake: text({ help: 'h' }),
  tables: list({ help: 'h', default: ['*'] }),
  token: text({ help: 'h', secret: true }),
  from: text({ help: 'h' }),
}

interface Given {
  readonly argv?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly file?: string
}

function settings({ argv = [], env = {}, file = '' }: Given): ReturnType<typeof resolveSettings> {
  const parsed = parseArguments('cdc test', argv, FLAGS, 1)
  const values = parseConfig(file, 'tributary.yaml')
  return resolveSettings(FLAGS, { command: 'cdc test', parsed, env, file: { path: 'tributary.yaml', values } })
}

const value = (name: string, given: Given): unknown => settings(given).values[name]

function refusal(work: () => unknown): string {
  try {
    work()
  } catch (e) {
    if (isFailure(e)) return e.code
    throw e
  }
  return 'accepted'
}

describe('precedence', () => {
  const file = 'slot-name: from-file\nrows: 3\ntables: [a.b, c.d]\n'
  test('the flag wins, then the environment, then the file, then the default', () => {
    const env = { TRIBUTARY_SLOT_NAME: 'from-env' }
    expect(settings({ argv: ['--slot-name', 'from-flag'], env, file })).toMatchObject({
      values: { 'slot-name': 'from-flag' },
      origins: { 'slot-name': 'flag', rows: 'file', format: 'default' },
    })
    expect(value('slot-name', { env, file })).toBe('from-env')
    expect(value('slot-name', { file })).toBe('from-file')
    expect(value('slot-name', {})).toBe('tributary')
    expect(value('slot-name', { env: { TRIBUTARY_SLOT_NAME: '' }, file })).toBe('from-file')
  })

  test('the environment name follows from the flag', () => {
    expect(environmentName('slot-name')).toBe('TRIBUTARY_SLOT_NAME')
    expect(environmentName('as-of')).toBe('TRIBUTARY_AS_OF')
  })

  test('a false in a stronger place beats a true in a weaker one', () => {
    expect(value('once', { argv: ['--no-once'], env: { TRIBUTARY_ONCE: 'true' } })).toBe(false)
    expect(value('once', { env: { TRIBUTARY_ONCE: '0' }, file: 'once: true' })).toBe(false)
    expect(value('colour', { argv: ['--no-colour'] })).toBe(false)
  })
})

describe('values', () => {
  test.each([
    ['interval', '500ms', 500],
    ['interval', '1.5s', 1500],
    ['interval', '7d', 604_800_000],
    ['rows', '100', 100],
    ['budget', '2GiB', 2 ** 31],
    ['budget', '64MB', 64_000_000],
    ['budget', '1b', 1],
    ['format', 'json', 'json'],
  ])('--%s %s', (name, given, expected) => {
    expect(value(name, { argv: [`--${name}`, given] })).toBe(expected)
    expect(value(name, { argv: [`--${name}=${given}`] })).toBe(expected)
    expect(value(name, { file: `${name}: ${given}` })).toBe(expected)
  })

  test('a value may begin with a dash', () => {
    expect(value('from', { argv: ['--from', '-15m'] })).toBe('-15m')
    expect(value('from', { argv: ['--from=-15m'] })).toBe('-15m')
  })

  test('lists come by commas, by repetition, and as YAML lists', () => {
    expect(value('tables', { argv: ['--tables', 'a.b,c.d', '--tables', 'e.f'] })).toEqual(['a.b', 'c.d', 'e.f'])
    expect(value('tables', { env: { TRIBUTARY_TABLES: 'a.b, c.d' } })).toEqual(['a.b', 'c.d'])
    expect(value('tables', { file: 'tables: [a.b, c.d]' })).toEqual(['a.b', 'c.d'])
    expect(value('tables', {})).toEqual(['*'])
  })

  test('a flag whose own name begins with no- is that flag', () => {
    expect(settings({ argv: ['--no-lake'] }).values).toMatchObject({ 'no-lake': true, lake: null })
  })

  test.each([
    ['--interval', '10'],
    ['--interval', '-5s'],
    ['--rows', '0'],
    ['--rows', '101'],
    ['--rows', '1e1'],
    ['--rows', '9007199254740993'],
    ['--budget', '5'],
    ['--budget', '5 TB'],
    ['--format', 'JSON'],
    ['--slot-name', ''],
    ['--tables', 'a,,b'],
  ])('%s %s is refused', (flag, given) => {
    expect(refusal(() => settings({ argv: [flag, given] }))).toBe('TRB-CLI-004')
  })

  test('numbers of the file are taken as written, not as YAML numbers', () => {
    expect(value('slot-name', { file: 'slot-name: 9007199254740993' })).toBe('9007199254740993')
    expect(refusal(() => settings({ file: 'rows: 0x10' }))).toBe('TRB-CLI-004')
    expect(value('slot-name', { file: 'slot-name: no' })).toBe('no')
  })

  test('the refusal of a secret does not show it', () => {
    const shown = ((): string => {
      try {
        settings({ argv: ['--token', ''], file: '' })
      } catch (e) {
        if (isFailure(e)) return JSON.stringify(e.explain())
      }
      return ''
    })()
    expect(shown).toContain('(not shown)')
    expect(settings({ argv: ['--token', 'hunter2222'] }).secrets).toEqual(['hunter2222'])
  })

  test('a bad value is one of its own kind', () => {
    expect(() => duration({ help: '' }).parse('x')).toThrow(BadValue)
  })
})

describe('refusals', () => {
  const refused = (argv: readonly string[]): string => refusal(() => settings({ argv }))
  test('unknown, missing, repeated, too many', () => {
    expect(refused(['--slotname', 'x'])).toBe('TRB-CLI-002')
    expect(refused(['-x'])).toBe('TRB-CLI-002')
    expect(refused(['--slot-name'])).toBe('TRB-CLI-003')
    expect(refused(['--once=maybe'])).toBe('TRB-CLI-004')
    expect(refused(['--rows', '1', '--rows', '2'])).toBe('TRB-CLI-013')
    expect(refused(['one', 'two'])).toBe('TRB-CLI-006')
    expect(refused(['--', '--once'])).toBe('accepted')
    const required: Flags = { key: text({ help: 'h', required: true }) }
    const parsed = parseArguments('cdc test', [], required, 0)
    expect(refusal(() => resolveSettings(required, { command: 'c', parsed, env: {}, file: null }))).toBe('TRB-CLI-005')
  })

  test.each(['- a\n- b', 'just text', 'a: {b: c}', 'a: [1, {b: c}]', 'a: 1\na: 2', 'a: "unclosed', '{', 'a: !!js/function x'])(
    'a file that is no mapping of settings: %s',
    (source) => {
      expect(refusal(() => parseConfig(source, 'f.yaml'))).toBe('TRB-CLI-008')
    },
  )

  test('a file that is refused is not quoted: it may hold a password', () => {
    try {
      parseConfig('url: "postgres://u:opensesame@h/db', 'f.yaml')
    } catch (e) {
      if (!isFailure(e)) throw e
      expect(JSON.stringify(e.explain())).not.toContain('opensesame')
      expect(`${e.message}${e.cause}`).not.toContain('opensesame')
      return
    }
    throw new Error('accepted')
  })

  test('an unknown key is refused with the nearest; keys of other verbs are let be', async () => {
    const file = { path: 'f.yaml', values: parseConfig('slotname: x', 'f.yaml') }
    const others = async (): Promise<ReadonlySet<string>> => new Set(['slot-name', 'flush-rows'])
    await expect(checkFileKeys(file, FLAGS, others)).rejects.toSatisfy(
      (e) => isFailure(e, 'TRB-CLI-009') && e.explain().why.includes('Did you mean slot-name?'),
    )
    const foreign = { path: 'f.yaml', values: parseConfig('flush-rows: 5', 'f.yaml') }
    await expect(checkFileKeys(foreign, FLAGS, others)).resolves.toBeUndefined()
    const own = { path: 'f.yaml', values: parseConfig('rows: 5', 'f.yaml') }
    await expect(checkFileKeys(own, FLAGS, () => Promise.reject(new Error('loaded for nothing')))).resolves.toBeUndefined()
  })

  test('suggestions', () => {
    expect(nearest('qurey', ['query', 'tables'])).toBe('query')
    expect(nearest('zzzzzz', ['query', 'tables'])).toBeNull()
    expect(suggestion('zzzz', ['a', 'b'], '--')).toBe('Known: --a, --b.')
  })
})
