import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Clock } from '../contract/clock.ts'
import { Failure } from '../failure/failure.ts'
import type { KafkaOptions, KafkaSasl, KafkaTls } from '../log/kafka/options.ts'
import { bool, choice, duration, list, text } from './flag.ts'
import { sparingly } from './sparingly.ts'

/** Flags of every verb that reaches a Kafka cluster. */
export const kafkaFlags = {
  kafka: list({ help: 'Kafka: some brokers of the cluster; the others are asked for', placeholder: 'HOST:PORT,…' }),
  'kafka-tls': bool({ help: "Kafka: TLS, checked by the system's authorities unless --kafka-tls-ca is given" }),
  'kafka-tls-ca': text({ help: 'Kafka: PEM file of the authority of the brokers; implies --kafka-tls', placeholder: 'FILE' }),
  'kafka-tls-cert': text({ help: 'Kafka: PEM file of our certificate (mutual TLS)', placeholder: 'FILE' }),
  'kafka-tls-key': text({ help: 'Kafka: PEM file of its key', placeholder: 'FILE' }),
  'kafka-tls-key-password': text({ help: 'Kafka: password of that key', placeholder: 'PASSWORD', secret: true }),
  'kafka-tls-name': bool({ help: "Kafka: compare the broker's name with its certificate", default: true }),
  'kafka-sasl': choice({
    help: 'Kafka: how to log in; none: not at all',
    choices: ['none', 'plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'],
    default: 'none',
  }),
  'kafka-user': text({ help: 'Kafka: user of --kafka-sasl', placeholder: 'USER' }),
  'kafka-password': text({ help: 'Kafka: its password', placeholder: 'PASSWORD', secret: true }),
  'kafka-token': text({ help: 'Kafka: token of --kafka-sasl oauthbearer', placeholder: 'TOKEN', secret: true }),
  'kafka-token-file': text({ help: 'Kafka: file that holds it, read anew at each login', placeholder: 'FILE' }),
  'kafka-outage': duration({ help: 'Kafka: how long an outage of brokers is waited out before it is an error', default: 300_000 }),
}

export interface KafkaFlagValues {
  readonly kafka: readonly string[]
  readonly 'kafka-tls': boolean
  readonly 'kafka-tls-ca': string | null
  readonly 'kafka-tls-cert': string | null
  readonly 'kafka-tls-key': string | null
  readonly 'kafka-tls-key-password': string | null
  readonly 'kafka-tls-name': boolean
  readonly 'kafka-sasl': 'none' | 'plain' | 'scram-sha-256' | 'scram-sha-512' | 'oauthbearer'
  readonly 'kafka-user': string | null
  readonly 'kafka-password': string | null
  readonly 'kafka-token': string | null
  readonly 'kafka-token-file': string | null
  readonly 'kafka-outage': number
}

const DEFAULT_PORT = 9092

/** How the flags say the cluster is reached; files are read here. Fails with TRB-KAFKA-016. */
export async function kafkaOptionsOf(
  flags: KafkaFlagValues,
  world: { readonly clock: Clock; readonly cwd: string; readonly clientId: string; readonly onRetry?: (text: string) => void },
): Promise<KafkaOptions> {
  return {
    bootstrap: flags.kafka.map(hostAndPort),
    clientId: world.clientId,
    tls: await tlsOf(flags, world.cwd),
    sasl: flags['kafka-sasl'] === 'oauthbearer' ? await bearerOf(flags, world.cwd) : saslOf(flags, flags['kafka-sasl']),
    outageMs: flags['kafka-outage'],
    clock: world.clock,
    onRetry: world.onRetry && sparingly(world.clock, world.onRetry),
  }
}

/** `host`, `host:port`, `[::1]:port`. */
function hostAndPort(given: string): { host: string; port: number } {
  const m = /^(?:\[([0-9a-fA-F:]+)\]|([^:/\s]+))(?::(\d{1,5}))?$/.exec(given)
  const port = m?.[3] === undefined ? DEFAULT_PORT : Number(m[3])
  const host = m?.[1] ?? m?.[2]
  if (host === undefined || port < 1 || port > 65535) {
    throw new Failure('TRB-KAFKA-016', { flag: '--kafka', detail: `${given} is not HOST:PORT`, fix: '--kafka broker1:9092,broker2:9092' })
  }
  return { host, port }
}

async function bearerOf(flags: KafkaFlagValues, cwd: string): Promise<KafkaSasl> {
  const { 'kafka-token': token, 'kafka-token-file': file } = flags
  if ((token === null) === (file === null)) {
    const fix = '--kafka-token-file FILE, or TRIBUTARY_KAFKA_TOKEN in the environment'
    throw new Failure('TRB-KAFKA-016', { flag: '--kafka-sasl', detail: 'oauthbearer needs one token: in a file or as it is', fix })
  }
  const read = file === null ? async () => token! : async () => (await readFile(resolve(cwd, file), 'utf8')).trim()
  try {
    await read()
  } catch (e) {
    const fix = '--kafka-token-file FILE, readable by this user'
    throw new Failure('TRB-KAFKA-016', { flag: '--kafka-token-file', detail: `${file} cannot be read`, fix }, e)
  }
  return { mechanism: 'OAUTHBEARER', token: read }
}

function saslOf(flags: KafkaFlagValues, given: Exclude<KafkaFlagValues['kafka-sasl'], 'oauthbearer'>): KafkaSasl | null {
  const { 'kafka-user': username, 'kafka-password': password } = flags
  if (flags['kafka-token'] !== null || flags['kafka-token-file'] !== null) {
    throw new Failure('TRB-KAFKA-016', { flag: '--kafka-sasl', detail: 'a token is given without it', fix: '--kafka-sasl oauthbearer' })
  }
  if (given === 'none') {
    if (username === null && password === null) return null
    const detail = '--kafka-user and --kafka-password are given without it'
    throw new Failure('TRB-KAFKA-016', { flag: '--kafka-sasl', detail, fix: '--kafka-sasl scram-sha-512 (or plain, scram-sha-256)' })
  }
  if (username === null || password === null) {
    const detail = 'it needs --kafka-user and --kafka-password'
    throw new Failure('TRB-KAFKA-016', {
      flag: '--kafka-sasl',
      detail,
      fix: '--kafka-user USER, and TRIBUTARY_KAFKA_PASSWORD in the environment',
    })
  }
  return { mechanism: given.toUpperCase() as 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512', username, password }
}

async function tlsOf(flags: KafkaFlagValues, cwd: string): Promise<KafkaTls | null> {
  const { 'kafka-tls-ca': ca, 'kafka-tls-cert': cert, 'kafka-tls-key': key } = flags
  if ((cert === null) !== (key === null)) {
    const detail = 'a certificate and its key belong together'
    throw new Failure('TRB-KAFKA-016', { flag: '--kafka-tls-cert', detail, fix: '--kafka-tls-cert FILE --kafka-tls-key FILE' })
  }
  if (!flags['kafka-tls'] && ca === null && cert === null) return null
  return {
    ca: await pem('--kafka-tls-ca', ca, cwd),
    cert: await pem('--kafka-tls-cert', cert, cwd),
    key: await pem('--kafka-tls-key', key, cwd),
    passphrase: flags['kafka-tls-key-password'] ?? undefined,
    verifyName: flags['kafka-tls-name'],
  }
}

async function pem(flag: string, file: string | null, cwd: string): Promise<string | undefined> {
  if (file === null) return undefined
  let content: string
  try {
    content = await readFile(resolve(cwd, file), 'utf8')
  } catch (e) {
    throw new Failure('TRB-KAFKA-016', { flag, detail: `${file} cannot be read`, fix: `${flag} FILE, readable by this user` }, e)
  }
  if (!content.includes('-----BEGIN ')) {
    throw new Failure('TRB-KAFKA-016', {
      flag,
      detail: `${file} holds no PEM`,
      fix: `openssl x509 -inform der -in ${file} makes PEM of DER`,
    })
  }
  return content
}
