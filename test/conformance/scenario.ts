import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseProperties } from '../../src/cli/properties.ts'

/** A recording of the real Debezium: what was run, and the records it gave. */
export interface Scenario {
  readonly name: string
  readonly config: ReadonlyMap<string, string>
  readonly setup: string
  readonly stream: string | null
  readonly restart: string | null
  readonly stream2: string | null
  readonly events: readonly GoldenEvent[]
  readonly avro: readonly GoldenAvro[]
  /** Schema id → text. */
  readonly schemas: ReadonlyMap<number, string>
}

export interface GoldenEvent {
  readonly topic: string
  readonly phase: number
  readonly partition: number | null
  /** What the record asks for; null: nothing. */
  readonly timestamp: number | null
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly { readonly key: string; readonly value: string | null }[]
  readonly sourcePartition: unknown
  readonly sourceOffset: Readonly<Record<string, unknown>> | null
}

export interface GoldenAvro {
  readonly topic: string
  readonly key: AvroPart | null
  readonly value: AvroPart | null
}

export interface AvroPart {
  readonly schema: number
  /** Null: a null that keeps its schema. */
  readonly hex: string | null
  /** Set where Avro refused the names. */
  readonly error?: string
}

/** Reads a scenario folder. */
export function loadScenario(dir: string): Scenario {
  const file = (name: string): string | null => (existsSync(join(dir, name)) ? readFileSync(join(dir, name), 'utf8') : null)
  const lines = <T>(name: string): T[] =>
    (file(name) ?? '')
      .split('\n')
      .filter((l) => l !== '')
      .map((l) => JSON.parse(l) as T)
  return {
    name: basename(dir),
    config: parseProperties(file('connector.properties') ?? ''),
    setup: file('setup.sql') ?? '',
    stream: file('stream.sql'),
    restart: file('restart.sql'),
    stream2: file('stream2.sql'),
    events: lines('events.jsonl'),
    avro: lines('avro.jsonl'),
    schemas: new Map(lines<{ id: number; schema: string }>('avro-schemas.jsonl').map((s) => [s.id, s.schema])),
  }
}
