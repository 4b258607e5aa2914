import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Clock } from '../contract/clock.ts'
import { Failure } from '../failure/failure.ts'
import type { ConfluentOptions, RegistryAuth, RegistryTls } from '../registry/confluent/confluent-options.ts'
import { bool, choice, duration, list, text } from './flag.ts'
import { urlPassword } from './secrets.ts'

/** Flags of every verb that may use a schema registry of others. */
export const registryFlags = {
  registry: list({
    help: 'schema registry with the API of Confluent (Apicurio: …/apis/ccompat/v7); several URLs: servers of one registry',
    placeholder: 'URL,URL',
  }),
  'registry-user': text({ help: 'registry: user of basic authentication; also in the URL', placeholder: 'USER' }),
  'registry-password': text({ help: 'registry: its password', placeholder: 'PASSWORD', secret: true }),
  'registry-token': text({ help: 'registry: bearer token', placeholder: 'TOKEN', secret: true }),
  'registry-ca': text({ help: 'registry: PEM file of the authority that its certificate is to be checked by', placeholder: 'FILE' }),
  'registry-cert': text({ help: 'registry: PEM file of our certificate (mutual TLS)', placeholder: 'FILE' }),
  'registry-key': text({ help: 'registry: PEM file of its key', placeholder: 'FILE' }),
  'registry-key-password': text({ help: 'registry: password of that key', placeholder: 'PASSWORD', secret: true }),
  'registry-subjects': choice({
    help: "registry: subjects are named after the topic (`shop.orders-value`), the record's full name, or both",
    choices: ['topic', 'record', 'topic-record'],
    default: 'topic',
  }),
  'registry-register': bool({ help: 'registry: register new schemas; --no-registry-register: they must be there', default: true }),
  'registry-patience': duration({ help: 'registry: how long a question is repeated while it does not answer', default: 30_000 }),
}

export interface RegistryFlagValues {
  readonly registry: readonly string[]
  readonly 'registry-user': string | null
  readonly 'registry-password': string | null
  readonly 'registry-token': string | null
  readonly 'registry-ca': string | null
  readonly 'registry-cert': string | null
  readonly 'registry-key': string | null
  readonly 'registry-key-password': string | null
  readonly 'registry-subjects': 'topic' | 'record' | 'topic-record'
  readonly 'registry-register': boolean
  readonly 'registry-patience': number
}

/**
 * Options of the client from the flags; files are read here. Null: no --registry is given.
 * Fails with TRB-REG-011 when the flags contradict each other or a file can't be read.
 */
export async function confluentOptionsOf(
  flags: RegistryFlagValues,
  world: { readonly clock: Clock; readonly cwd: string; readonly signal?: AbortSignal; secret(value: string): void },
): Promise<ConfluentOptions | null> {
  if (flags.registry.length === 0) return null
  for (const url of flags.registry) world.secret(urlPassword(url) ?? '')
  return {
    urls: flags.registry,
    auth: authOf(flags),
    tls: await tlsOf(flags, world.cwd),
    subjects: flags['registry-subjects'],
    autoRegister: flags['registry-register'],
    clock: world.clock,
    timeoutMs: 10_000,
    patienceMs: flags['registry-patience'],
    cache: null,
    ...(world.signal === undefined ? {} : { signal: world.signal }),
  }
}

function authOf(flags: RegistryFlagValues): RegistryAuth {
  const { 'registry-user': user, 'registry-password': password, 'registry-token': token } = flags
  if (token !== null && user !== null) {
    throw new Failure('TRB-REG-011', {
      detail: 'both a user and a token are given',
      flag: 'Give --registry-user or --registry-token, not both.',
    })
  }
  if (user === null && password !== null) {
    throw new Failure('TRB-REG-011', { detail: 'a password is given, but no user', flag: '--registry-user USER' })
  }
  if (token !== null) return { kind: 'bearer', token }
  return user === null ? { kind: 'none' } : { kind: 'basic', user, password: password ?? '' }
}

async function tlsOf(flags: RegistryFlagValues, cwd: string): Promise<RegistryTls | null> {
  const { 'registry-cert': cert, 'registry-key': key } = flags
  if ((cert === null) !== (key === null)) {
    const detail = 'a certificate of ours needs its key, and a key its certificate'
    throw new Failure('TRB-REG-011', { detail, flag: '--registry-cert FILE --registry-key FILE' })
  }
  const files = await Promise.all([flags['registry-ca'], cert, key].map((file) => pem(file, cwd)))
  if (files.every((f) => f === null)) return null
  return { ca: files[0]!, cert: files[1]!, key: files[2]!, passphrase: flags['registry-key-password'] }
}

async function pem(file: string | null, cwd: string): Promise<string | null> {
  if (file === null) return null
  try {
    return await readFile(resolve(cwd, file), 'utf8')
  } catch (e) {
    const detail = `${file} can't be read (${(e as NodeJS.ErrnoException).code ?? String(e)})`
    throw new Failure('TRB-REG-011', { detail, flag: 'Name a PEM file that this user may read.' }, e)
  }
}
