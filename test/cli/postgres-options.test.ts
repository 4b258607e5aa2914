import { userInfo } from 'node:os'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describePostgres, resolvePostgres } from '../../src/cli/postgres-options.ts'
import { maskArguments, Secrets, urlPassword } from '../../src/cli/secrets.ts'
import { Failure } from '../../src/failure/failure.ts'

function refusal(url: string | null, env: Record<string, string> = {}): Failure {
  try {
    resolvePostgres(url, env)
  } catch (e) {
    if (e instanceof Failure) return e
    throw e
  }
  throw new Error('accepted')
}

describe('connection parameters as libpq resolves them', () => {
  const env = { PGHOST: 'envhost', PGPORT: '6000', PGUSER: 'envuser', PGPASSWORD: 'envpass', PGDATABASE: 'envdb' }
  test('nothing given: localhost, 5432, the system user', () => {
    const user = userInfo().username
    expect(resolvePostgres(null, {})).toEqual({ host: 'localhost', port: 5432, user, password: undefined, database: user, ssl: false })
  })

  test('the URL wins, the environment fills what it leaves open', () => {
    expect(resolvePostgres('postgres://u@h/d', env)).toMatchObject({ host: 'h', port: 6000, user: 'u', password: 'envpass', database: 'd' })
    expect(resolvePostgres(null, { ...env, DATABASE_URL: 'postgresql://h2:7000' })).toMatchObject({
      host: 'h2',
      port: 7000,
      user: 'envuser',
    })
    expect(resolvePostgres('postgres://h3', { DATABASE_URL: 'postgres://h2' })).toMatchObject({ host: 'h3' })
    expect(resolvePostgres(null, { PGUSER: 'only' })).toMatchObject({ user: 'only', database: 'only' })
  })

  test('sockets, IPv6, percent-encoding, parameters', () => {
    expect(resolvePostgres('postgres:///shop?host=/var/run/pg&port=5433', {})).toMatchObject({
      host: '/var/run/pg',
      port: 5433,
      database: 'shop',
    })
    expect(resolvePostgres('postgres://[::1]:5433/shop', {})).toMatchObject({ host: '::1', port: 5433 })
    expect(resolvePostgres('postgres://a%40b:p%3A%2F%23%25@h/d%20b', {})).toMatchObject({ user: 'a@b', password: 'p:/#%', database: 'd b' })
    expect(resolvePostgres('postgres://h/d?application_name=x&connect_timeout=5', {})).toMatchObject({ host: 'h' })
  })

  test('TLS by sslmode', () => {
    expect(resolvePostgres('postgres://h/d?sslmode=disable', {}).ssl).toBe(false)
    expect(resolvePostgres('postgres://h/d?sslmode=require', {}).ssl).toMatchObject({ rejectUnauthorized: false })
    expect(resolvePostgres('postgres://h/d', { PGSSLMODE: 'verify-full' }).ssl).toEqual({ rejectUnauthorized: true })
    expect(resolvePostgres('postgres://h/d?sslmode=verify-ca', {}).ssl).toMatchObject({ rejectUnauthorized: true })
    expect(resolvePostgres('postgres:///d?host=/tmp&sslmode=require', {}).ssl).toBe(false)
  })

  test.each([
    'mysql://h/d',
    'postgres://u:p@w@h/d',
    'postgres://u:p/w@h/d',
    'host=h dbname=d',
    'postgres://u:%zz@h/d',
    'postgres://h:0/d',
    'postgres://h:99999/d',
    'postgres://h/d?sslmod=require',
    'postgres://h/d?options=-c%20x=y',
    'postgres://h/d?sslmode=prefer',
    'postgres://h/d?sslmode=maybe',
    'postgres://h/d?sslmode=verify-ca&sslrootcert=/no/such/file',
    'postgres://h/d?host=a,b',
  ])('%s is refused', (url) => {
    expect(refusal(url).code).toBe('TRB-CLI-011')
  })

  test('what is shown of a connection has no password', () => {
    expect(describePostgres(resolvePostgres('postgres://u:opensesame@h/d', {}))).toBe('u@h:5432/d')
  })
})

describe('secrets', () => {
  const password = fc.string({ minLength: 6, maxLength: 20 }).map((s) => `pw${s}`)

  test('no refusal of a URL shows its password, however malformed the rest is', () => {
    fc.assert(
      fc.property(password, fc.string(), (secret, junk) => {
        const url = `postgres://user:${encodeURIComponent(secret)}@host/db?${junk}`
        try {
          expect(describePostgres(resolvePostgres(url, {}))).not.toContain(secret)
        } catch (e) {
          if (!(e instanceof Failure)) throw e
          const shown = `${e.message} ${JSON.stringify(e.explain())} ${JSON.stringify(e.details)}`
          if (!junk.includes(secret)) expect(shown).not.toContain(secret)
        }
      }),
    )
  })

  test('a registered value is masked in its plain, URL and JSON forms', () => {
    fc.assert(
      fc.property(password, fc.string(), fc.string(), (secret, before, after) => {
        const secrets = new Secrets()
        secrets.add(secret)
        for (const form of [secret, encodeURIComponent(secret)]) {
          expect(secrets.mask(`${before}${form}${after}`)).not.toContain(form)
        }
        expect(JSON.parse(`"${secrets.mask(JSON.stringify(secret).slice(1, -1))}"`)).toBe('***')
      }),
    )
  })

  test('the password of a URL is found, also in one that is malformed', () => {
    expect(urlPassword('postgres://u:p%40w@h/d')).toBe('p@w')
    expect(urlPassword('postgres://u:p%zz@h')).toBe('p%zz')
    expect(urlPassword('postgres://h/d?user=u&password=x%20y')).toBe('x y')
    expect(urlPassword('postgres://u@h/d')).toBeNull()
    expect(urlPassword('see you at 10:30@home')).toBeNull()
  })

  test('the process title shows no password', () => {
    expect(maskArguments(['run', '--url', 'postgres://u:opensesame@h/d?password=abc&x=1'])).toBe(
      'run --url postgres://u:***@h/d?password=***&x=1',
    )
    expect(maskArguments(['--url=postgres://u:opensesame@h'])).toBe('--url=postgres://u:***@h')
  })
})
