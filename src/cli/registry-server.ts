import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Failure } from '../failure/failure.ts'
import { type CompatibilityLevel, LEVELS } from '../registry/avro/levels.ts'
import { type RegistryServer, serveRegistry } from '../registry/server/http-server.ts'
import { openRegistryService, type RegistryService } from '../registry/server/registry-service.ts'
import type { RegistryJournal } from '../registry/server/schema-record.ts'
import { choice, text } from './flag.ts'

/** Flags of a run that serves its registry; the address itself is `--registry-listen`. */
export const registryListenFlags = {
  'registry-compatibility': choice({
    help: 'built-in registry: level of subjects without one of their own. A change that it forbids stops the capture',
    choices: LEVELS,
    default: 'NONE',
  }),
  'registry-listen-user': text({ help: 'built-in registry: user that it asks for', placeholder: 'USER' }),
  'registry-listen-password': text({ help: 'built-in registry: its password', placeholder: 'PASSWORD', secret: true }),
  'registry-listen-cert': text({ help: 'built-in registry: PEM file of its certificate, to serve https', placeholder: 'FILE' }),
  'registry-listen-key': text({ help: 'built-in registry: PEM file of its key', placeholder: 'FILE' }),
}

export interface ListenSettings {
  /** HOST:PORT, :PORT or PORT; without a host 127.0.0.1. */
  readonly address: string
  readonly user: string | null
  readonly password: string | null
  /** Files. */
  readonly cert: string | null
  readonly key: string | null
  readonly clientCa: string | null
  readonly level: CompatibilityLevel
}

export interface OpenRegistryServer extends RegistryServer {
  /** Registers and reads as a client would, by the same rules. */
  readonly registry: RegistryService
}

/** What the run's flags say, for `openRegistryServer`. */
export function listenSettingsOf(
  address: string,
  flags: {
    readonly 'registry-compatibility': CompatibilityLevel
    readonly 'registry-listen-user': string | null
    readonly 'registry-listen-password': string | null
    readonly 'registry-listen-cert': string | null
    readonly 'registry-listen-key': string | null
  },
): ListenSettings {
  return {
    address,
    user: flags['registry-listen-user'],
    password: flags['registry-listen-password'],
    cert: flags['registry-listen-cert'],
    key: flags['registry-listen-key'],
    clientCa: null,
    level: flags['registry-compatibility'],
  }
}

/**
 * Opens the registry that a journal holds and serves it. `close` ends both. Fails with TRB-REG-011 (settings), -012 (address), -014 and those
 * of the journal.
 */
export async function openRegistryServer(
  journal: RegistryJournal,
  settings: ListenSettings,
  world: { readonly cwd: string; readonly onError: (e: unknown) => void },
): Promise<OpenRegistryServer> {
  const { host, port } = addressOf(settings.address)
  const user = userOf(settings)
  const tls = await tlsOf(settings, world.cwd)
  const registry = await openRegistryService(journal, settings.level)
  const server = await serveRegistry(registry, { host, port, user, tls, onError: world.onError })
  return {
    registry,
    url: server.url,
    async close() {
      await server.close()
      await registry.close()
    },
  }
}

function addressOf(given: string): { readonly host: string; readonly port: number } {
  const m = /^(?:(?:\[([0-9a-fA-F:]+)\]|([^:/\s]*)):)?(\d{1,5})$/.exec(given)
  const port = Number(m?.[3])
  if (m === null || port > 65535) throw setting(`${given} is not HOST:PORT`, '127.0.0.1:8081, or 0.0.0.0:8081 for other machines')
  return { host: m[1] ?? (m[2] || '127.0.0.1'), port }
}

function userOf({ user, password }: ListenSettings): { readonly name: string; readonly password: string } | null {
  if (user === null && password === null) return null
  if (user === null || password === null) throw setting('a user needs a password, and a password a user', 'Give both, or none.')
  return { name: user, password }
}

async function tlsOf({ cert, key, clientCa }: ListenSettings, cwd: string) {
  if (cert === null && key === null && clientCa === null) return null
  if (cert === null || key === null) throw setting('https needs a certificate and its key', 'Give both files.')
  const [certText, keyText, ca] = await Promise.all([cert, key, clientCa].map((file) => (file === null ? null : read(file, cwd))))
  return { cert: certText!, key: keyText!, ca: ca ?? null }
}

async function read(file: string, cwd: string): Promise<string> {
  try {
    return await readFile(resolve(cwd, file), 'utf8')
  } catch (e) {
    throw new Failure('TRB-REG-011', { detail: `${file} can't be read`, flag: 'Name a PEM file that this user may read.' }, e)
  }
}

function setting(detail: string, flag: string): Failure {
  return new Failure('TRB-REG-011', { detail, flag })
}
